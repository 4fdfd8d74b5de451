"""embedding: a vector of a text."""

from __future__ import annotations

from typing import Protocol

from codegen.plan.files import FilePlan, TestsPlan
from codegen.plan.tasks.task import ANSWERS, FIGURES, OptionPlan
from codegen.plan.tasks.text import (
    FILES,
    TEXTS,
    TokenNetwork,
    WholeTextTask,
    tokenizer_option,
    training_command,
)
from codegen.spec.head import SpecHead
from codegen.spec.tasks.embedding import TwinData

FOLDER = "tasks/embedding"


class EmbeddingNetwork(TokenNetwork, Protocol):
    """What the task reads of a network."""

    @property
    def unit_length(self) -> bool:
        """Whether its vectors have length one."""


def embedding(spec: SpecHead, network: EmbeddingNetwork, flops: int) -> WholeTextTask:
    """Lines of two texts that belong together; each is told from the others of its batch."""
    said = spec.data
    assert isinstance(said, TwinData)
    context = said.context_length or network.context_length
    data = "pairs of texts: .tsv or .jsonl files, or .gz of one"
    held_out = "fraction of the pairs held out"
    return WholeTextTask(
        name="embedding",
        data="pairs of texts that belong together",
        commands=(training_command("--data pairs.tsv", said),),
        keeps=("tokenizer.json",),
        kept="tokenizer.json",
        drawn=("batches",),
        data_class="Pairs",
        row="pair",
        rows_in="train",
        unit="text",
        loss="loss (nats per text)",
        flops_of="token",
        flops=0,  # texts differ in length
        options=(
            OptionPlan("data", "tuple[str, ...]", (), data),
            tokenizer_option(said),
            OptionPlan("validation", "float", float(spec.train.validation), held_out),
        ),
        sizes=(OptionPlan("context_length", "int", context, "most tokens of a text"),),
        parts={
            "usage": f"{FOLDER}/usage.md.jinja",
            "objective": "tasks/text/objective.py.jinja",
            "measure": f"{FOLDER}/measure.py.jinja",
            "trained": "package/train/trained.py.jinja",
        },
        files=(
            FilePlan("data.py", f"{FOLDER}/data.py.jinja", roots=()),
            FILES,
            TEXTS,
            ANSWERS,
            FilePlan("embed.py", f"{FOLDER}/embed.py.jinja", roots=("main",)),
            FilePlan("evaluate.py", f"{FOLDER}/evaluate.py.jinja", roots=("main",)),
            FIGURES,
        ),
        tests=TestsPlan(
            imports=(f"{FOLDER}/tests/imports.py.jinja",),
            constants=(),
            parts=(
                f"{FOLDER}/tests/fixtures.py.jinja",
                f"{FOLDER}/tests/embeddings.py.jinja",
                "package/tests/overfit.py.jinja",
                f"{FOLDER}/tests/training.py.jinja",
            ),
        ),
        toy_lr=3e-3,
        uses=(
            ("embed", '--text "Well done" --text Good'),
            ("evaluate", "--data other_pairs.tsv"),
        ),
        figures=(("validation_found", "found {:.2%}"),),
        inputs=("lengths",),
        columns=(said.anchor, said.positive),
        prompts=tuple(said.prompts.items()),
        prompt=said.prompt or "",
        context=context,
    )
