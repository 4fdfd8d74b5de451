"""seq2seq-lm: the next token of a target, given its source."""

from __future__ import annotations

from typing import Protocol

from codegen.frozen import frozen
from codegen.plan.files import FilePlan, TestsPlan
from codegen.plan.tasks.task import OptionPlan
from codegen.plan.tasks.text import (
    TextTask,
    TokenNetwork,
    sampling_files,
    sampling_options,
    separator_of,
    tokenizer_option,
    training_command,
)
from codegen.spec.head import SpecHead
from codegen.spec.tasks.seq2seq_lm import PairData

BEAMS = (
    OptionPlan("beams", "int", 1, "beginnings that a search keeps; 1: no search"),
    OptionPlan("length_penalty", "float", 1.0, "an answer's log probability is over length**this"),
)


class PairNetwork(TokenNetwork, Protocol):
    """What the task reads of a network: by which fields of its config both sides are bounded."""

    @property
    def sources_by_length(self) -> bool:
        """Whether what a source comes to depends on how long the longest beside it is."""

    @property
    def length_fields(self) -> tuple[str, ...]:
        """The most tokens of a target and, where it has a length of its own, of a source."""

    @property
    def vocabulary_fields(self) -> tuple[str, ...]:
        """The tokens of targets and, where they are others, of sources."""

    @property
    def alignment(self) -> str:
        """A template: what each token of a target reads of its source; "" where nothing says."""


@frozen
class PairsTask(TextTask):
    """The task with the fields of the config that bound both sides of a pair."""

    length_fields: tuple[str, ...] = ()
    vocabulary_fields: tuple[str, ...] = ()


def seq2seq_lm(spec: SpecHead, network: PairNetwork, flops: int) -> PairsTask:
    """Pairs of a source and a target; sampling answers a source."""
    said = spec.data
    assert isinstance(said, PairData)
    context = said.context_length or network.context_length
    separator = separator_of(said, said.separator)
    generation = spec.checkpoint.huggingface is not None
    return PairsTask(
        name="seq2seq-lm",
        data="pairs of texts",
        commands=(training_command("--data pairs.tsv", said),),
        kept="tokenizer.json",
        drawn=("batches",),
        data_class="Corpus",
        row="pair",
        unit="pair",
        loss="loss (nats per token)",
        flops_of="token of each side",
        uses=(("sample", "--source Once --beams 4"), ("evaluate", "--data pairs.tsv")),
        cached="a full source and target",
        flops=0,
        options=_options(spec, said, separator),
        asks_for_data=False,
        rows_in="train",
        sizes=(OptionPlan("context_length", "int", context, "most tokens per side of a pair"),),
        parts={
            "on_kernels": "tasks/seq2seq_lm/tests/on_kernels.py.jinja",
            "usage": "tasks/seq2seq_lm/usage.md.jinja",
            "measure": "package/train/measure.py.jinja",
            "objective": "tasks/seq2seq_lm/objective.py.jinja",
            "examples": "tasks/seq2seq_lm/examples.py.jinja",
            "trained": "tasks/seq2seq_lm/trained.py.jinja",
            **({"alignment": network.alignment} if network.alignment else {}),
        },
        files=(
            *sampling_files(
                "tasks/seq2seq_lm/data.py.jinja", "tasks/seq2seq_lm/sample.py.jinja", generation
            ),
            FilePlan("generate.py", "tasks/seq2seq_lm/generate.py.jinja", ("generate", "search")),
            FilePlan("evaluate.py", "tasks/seq2seq_lm/evaluate.py.jinja", roots=("main",)),
            FilePlan("metrics.py", "tasks/seq2seq_lm/metrics.py.jinja"),
            FilePlan("pairs.py", "tasks/seq2seq_lm/pairs.py.jinja", roots=()),
        ),
        tests=TestsPlan(
            imports=(),
            constants=(),
            parts=(
                "tasks/seq2seq_lm/tests/fixtures.py.jinja",
                "tasks/text/tests/loss.py.jinja",
                "tasks/seq2seq_lm/tests/decoding.py.jinja",
                "tasks/seq2seq_lm/tests/overfit.py.jinja",
                "tasks/seq2seq_lm/tests/training.py.jinja",
                "tasks/seq2seq_lm/tests/sampling.py.jinja",
                "tasks/seq2seq_lm/tests/beams.py.jinja",
                "tasks/seq2seq_lm/tests/evaluation.py.jinja",
            ),
        ),
        separator=separator,
        generation=generation,
        decoder=True,
        sampling=f"Generate targets with a trained {spec.name}",
        prompt="source",
        sampling_options=(
            OptionPlan("separator", "str", separator, "the token before a target and at its end"),
            *BEAMS,
            *sampling_options("how many to make at most", 0.0, generation),
        ),
        length_fields=network.length_fields,
        vocabulary_fields=network.vocabulary_fields,
    )


def _options(spec: SpecHead, said: PairData, separator: str) -> tuple[OptionPlan, ...]:
    """Where the pairs are, how they become tokens, and which of them are held out."""
    data = "pairs: a text of lines, a source, a tab and its target each, or a .jsonl file"
    source = "in place of --data: a file with a source on each line"
    held_out = "fraction of the pairs held out, the last ones; or a file of others"
    separator_help = "the token before a target and at its end: its text or its number"
    return (
        OptionPlan("data", "str", "", data),
        OptionPlan("source", "str", "", source),
        OptionPlan("target", "str", "", "and one with their targets"),
        tokenizer_option(said),
        OptionPlan("separator", "str", separator, separator_help),
        OptionPlan("validation", "str", str(float(spec.train.validation)), held_out),
        OptionPlan("validation_source", "str", "", "like --source, of pairs that are held out"),
        OptionPlan("validation_target", "str", "", "and their targets"),
        OptionPlan("examples", "int", 3, "pairs held out of which validation shows answers", 0),
    )
