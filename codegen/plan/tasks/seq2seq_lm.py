"""seq2seq-lm: the next token of a target, given its source."""

from __future__ import annotations

from typing import Protocol

from codegen.frozen import frozen
from codegen.plan.files import FilePlan, TestsPlan
from codegen.plan.tasks.pair_data import (
    has_words,
    kept_files,
    pair_command,
    pair_options,
    preparing_commands,
    special_token,
)
from codegen.plan.tasks.task import OptionPlan
from codegen.plan.tasks.text import (
    TextTask,
    TokenNetwork,
    sampling_files,
    sampling_options,
    separator_of,
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
    def source_readers(self) -> tuple[str, ...]:
        """How the names of modules end that read a source, once for all that is made of it."""

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
    """The task with the fields of the config that bound both sides of a pair.

    Where a tokenizer comes from a file, the package can train one: `special` is its own token.
    """

    length_fields: tuple[str, ...] = ()
    vocabulary_fields: tuple[str, ...] = ()
    special: str = ""


def seq2seq_lm(spec: SpecHead, network: PairNetwork, flops: int) -> PairsTask:
    """Pairs of a source and a target; sampling answers a source."""
    said = spec.data
    assert isinstance(said, PairData)
    context = said.context_length or network.context_length
    separator = separator_of(said.tokenizer, said.separator)
    generation = spec.checkpoint.huggingface is not None
    return PairsTask(
        name="seq2seq-lm",
        data="pairs of texts",
        commands=(pair_command(said),),
        keeps=kept_files(said),
        kept=", ".join(kept_files(said)),
        prepares=tuple(preparing_commands(said)),
        drawn=("batches",),
        data_class="Corpus",
        row="pair",
        unit="pair",
        loss="loss (nats per token)",
        flops_of="token of each side",
        uses=(("sample", "--source Once --beams 4"), ("evaluate", "--beams 4")),
        cached="a full source and target",
        flops=0,
        options=pair_options(spec, said, separator),
        asks_for_data=False,
        rows_in="train",
        sizes=(OptionPlan("context_length", "int", context, "most tokens per side of a pair"),),
        parts={
            "on_kernels": "tasks/seq2seq_lm/tests/on_kernels.py.jinja",
            "usage": "tasks/seq2seq_lm/usage.md.jinja",
            "measure": "package/train/measure.py.jinja",
            "objective": "tasks/seq2seq_lm/objective.py.jinja",
            "scores": "tasks/seq2seq_lm/scores.py.jinja",
            "examples": "tasks/seq2seq_lm/examples.py.jinja",
            "trained": "tasks/seq2seq_lm/trained.py.jinja",
            **({"alignment": network.alignment} if network.alignment else {}),
        },
        files=(
            *sampling_files(
                "tasks/seq2seq_lm/data.py.jinja", "tasks/seq2seq_lm/sample.py.jinja", generation
            ),
            FilePlan("generate.py", "tasks/seq2seq_lm/generate.py.jinja", ("generate", "search")),
            FilePlan("examples.py", "tasks/seq2seq_lm/examples.py.jinja", roots=("examples",)),
            FilePlan("evaluate.py", "tasks/seq2seq_lm/evaluate.py.jinja", roots=("main",)),
            FilePlan("metrics.py", "tasks/seq2seq_lm/metrics.py.jinja"),
            FilePlan("pairs.py", "tasks/seq2seq_lm/pairs.py.jinja", roots=()),
        ),
        tests=TestsPlan(
            imports=("tasks/seq2seq_lm/tests/imports.py.jinja",),
            constants=(),
            parts=(
                "tasks/seq2seq_lm/tests/fixtures.py.jinja",
                "tasks/text/tests/loss.py.jinja",
                *(("tasks/seq2seq_lm/tests/words.py.jinja",) if has_words(said) else ()),
                "tasks/seq2seq_lm/tests/decoding.py.jinja",
                "tasks/seq2seq_lm/tests/overfit.py.jinja",
                "tasks/seq2seq_lm/tests/training.py.jinja",
                "tasks/seq2seq_lm/tests/sampling.py.jinja",
                "tasks/seq2seq_lm/tests/beams.py.jinja",
                "tasks/seq2seq_lm/tests/evaluation.py.jinja",
            ),
        ),
        separator=separator,
        words=has_words(said),
        source_tokenizer=said.source_tokenizer or "",
        special=special_token(said, separator),
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
