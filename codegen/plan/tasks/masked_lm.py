"""masked-lm: the tokens of a text that were masked."""

from __future__ import annotations

from codegen.plan.files import FilePlan, TestsPlan
from codegen.plan.tasks.task import OptionPlan
from codegen.plan.tasks.text import (
    CORPUS_FILES,
    CORPUS_OPTIONS,
    DOCUMENTS,
    EVALUATE,
    EVALUATE_TESTS,
    HELD_OUT_OPTION,
    TEXTS,
    TextTask,
    TokenNetwork,
    documents_option,
    separator_of,
    tokenizer_option,
    training_command,
)
from codegen.spec.head import SpecHead
from codegen.spec.tasks.masked_lm import MaskedData


def masked_lm(spec: SpecHead, network: TokenNetwork, flops: int) -> TextTask:
    """Whole windows of a text, 15 % of whose tokens are targets."""
    said = spec.data
    assert isinstance(said, MaskedData)
    context = said.context_length or network.context_length
    separator = separator_of(said.tokenizer, said.separator)
    mask = "its text or number; else a file's own, else the last"
    held_out = "fraction of the texts held out, their end"
    inputs = tuple(name for name in network.inputs if name != "lengths")  # windows are full
    return TextTask(
        name="masked-lm",
        data="text, some of whose tokens are masked",
        commands=(training_command("--data corpus.txt", said),),
        keeps=("tokenizer.json",),
        kept="tokenizer.json",
        drawn=("batches", "what is masked in them"),
        data_class="Corpus",
        row="sequence",
        unit="token",
        units_in_row="context_length",
        rows_in="train",
        counted_as="tokens",
        loss="loss (nats per token)",
        flops_of="token",
        flops=flops,
        options=(
            *CORPUS_OPTIONS,
            tokenizer_option(said),
            *((documents_option(separator),) if DOCUMENTS in inputs else ()),
            OptionPlan("mask_token", "str", said.mask_token or "", mask),
            OptionPlan("validation", "float", float(spec.train.validation), held_out),
            HELD_OUT_OPTION,
        ),
        sizes=(OptionPlan("context_length", "int", context, "tokens per sequence"),),
        parts={
            "usage": "tasks/text/usage.md.jinja",
            "notes": "tasks/masked_lm/notes.md.jinja",
            "measure": "package/train/measure.py.jinja",
            "objective": "tasks/text/objective.py.jinja",
            "scores": "tasks/text/scores.py.jinja",
            "trained": "package/train/trained.py.jinja",
        },
        uses=(("fill", '--text "Once [MASK] a time"'), ("evaluate", "--data other.txt")),
        files=(
            FilePlan("data.py", "tasks/masked_lm/data.py.jinja", roots=()),
            *CORPUS_FILES,
            TEXTS,
            FilePlan("fill.py", "tasks/masked_lm/fill.py.jinja", roots=("main",)),
            *EVALUATE,
        ),
        tests=TestsPlan(
            imports=("tasks/masked_lm/tests/imports.py.jinja",),
            constants=(),
            parts=(
                "tasks/text/tests/fixtures.py.jinja",
                "tasks/text/tests/loss.py.jinja",
                "tasks/masked_lm/tests/masking.py.jinja",
                "package/tests/overfit.py.jinja",
                "tasks/masked_lm/tests/training.py.jinja",
                EVALUATE_TESTS,
            ),
        ),
        inputs=inputs,
        separator=separator,
    )
