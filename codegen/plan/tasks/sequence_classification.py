"""sequence-classification: the class of a text, its classes, or numbers that it is given."""

from __future__ import annotations

from typing import Protocol

from codegen.frozen import frozen
from codegen.plan.files import FilePlan, TestsPlan
from codegen.plan.tasks.task import ANSWERS, FIGURES, SCORES, OptionPlan
from codegen.plan.tasks.text import (
    FILES,
    TEXTS,
    TokenNetwork,
    WholeTextTask,
    tokenizer_option,
    training_command,
)
from codegen.spec.head import SpecHead
from codegen.spec.tasks.sequence_classification import LabelledData

FORMS = ".tsv or .jsonl files, or .gz of one"
FOLDER = "tasks/sequence_classification"


class ScoringNetwork(TokenNetwork, Protocol):
    """What the task reads of a network."""

    @property
    def problem(self) -> str:
        """What its scores are for: single_label, multi_label or regression."""

    @property
    def types_of_pairs(self) -> bool:
        """Whether it has a type of token for each text of a pair."""


@frozen
class Problem:
    """What is said of a text, how far off a model is, and what else is measured."""

    said: str  # as the end of "texts and ..."
    lines: str  # as the end of "lines of a text, a tab and ..."
    loss: str
    figures: tuple[tuple[str, str], ...]


PROBLEMS = {
    "single_label": Problem(
        "their classes",
        "its class",
        "loss (nats per text)",
        (("validation_accuracy", "accuracy {:.2%}"),),
    ),
    "multi_label": Problem(
        "their classes",
        "its classes",
        "loss (nats per class)",
        (("validation_f1", "F1 {:.2%}"), ("validation_exact", "all right {:.2%}")),
    ),
    "regression": Problem(
        "their numbers",
        "its numbers",
        "squared error",
        (("validation_rmse", "RMSE {:.4g}"), ("validation_mae", "MAE {:.4g}")),
    ),
}


def sequence_classification(spec: SpecHead, network: ScoringNetwork, flops: int) -> WholeTextTask:
    """Lines of a text, or two, and what is said of it. The model's config has a field classes."""
    said = spec.data
    assert isinstance(said, LabelledData)
    problem = PROBLEMS[network.problem]
    context = said.context_length or network.context_length
    texts = "pairs of texts" if said.pair else "texts"
    held_out = f"fraction of the {texts} held out"
    types = said.pair is not None and network.types_of_pairs
    what = "numbers" if network.problem == "regression" else "classes"
    line = f"lines of a text, a tab and {problem.lines}"
    return WholeTextTask(
        name="sequence-classification",
        data=f"{texts} with {what}" + ("" if said.pair else f": {line}"),
        commands=(training_command("--data texts.tsv", said),),
        keeps=("tokenizer.json", "classes.json"),
        kept="tokenizer.json, classes.json",
        drawn=("batches",),
        data_class="Texts",
        row="text",
        rows_in="train",
        unit="text",
        loss=problem.loss,
        flops_of="token",
        flops=0,  # texts differ in length
        options=(
            OptionPlan("data", "tuple[str, ...]", (), f"{texts} and {problem.said}: {FORMS}"),
            tokenizer_option(said),
            OptionPlan("validation", "float", float(spec.train.validation), held_out),
        ),
        sizes=(OptionPlan("context_length", "int", context, "most tokens of a text"),),
        parts={
            "usage": f"{FOLDER}/usage.md.jinja",
            "objective": "tasks/text/objective.py.jinja",
            "measure": f"{FOLDER}/measure.py.jinja",
            "trained": "package/train/trained.py.jinja",
            "config_fields": f"{FOLDER}/config_fields.py.jinja",
        },
        files=(
            FilePlan("data.py", f"{FOLDER}/data.py.jinja", roots=()),
            FILES,
            TEXTS,
            ANSWERS,
            FilePlan("predict.py", f"{FOLDER}/predict.py.jinja", roots=("main",)),
            FilePlan("evaluate.py", f"{FOLDER}/evaluate.py.jinja", roots=("main",)),
            SCORES,
            FIGURES,
        ),
        tests=TestsPlan(
            imports=(f"{FOLDER}/tests/imports.py.jinja",),
            constants=(),
            parts=(
                f"{FOLDER}/tests/fixtures.py.jinja",
                f"{FOLDER}/tests/scores.py.jinja",
                "package/tests/overfit.py.jinja",
                f"{FOLDER}/tests/training.py.jinja",
            ),
        ),
        toy_lr=3e-3,
        uses=(
            ("predict", '--text "Well done"' + ' --pair "Good work"' * bool(said.pair)),
            ("evaluate", "--data others.tsv"),
        ),
        figures=problem.figures,
        inputs=("lengths", "token_types") if types else ("lengths",),
        columns=tuple(filter(None, (said.text, said.pair, said.label))),
        context=context,
        labels=tuple(said.labels or ()),
        classes=True,
        problem=network.problem,
        pair=said.pair is not None,
        types=types,
    )
