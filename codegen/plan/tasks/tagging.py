"""tagging: a label of each word of a sentence."""

from __future__ import annotations

from codegen.frozen import frozen
from codegen.plan.files import FilePlan, TestsPlan
from codegen.plan.tasks.task import ANSWERS, FIGURES, SCORES, OptionPlan
from codegen.plan.tasks.text import FILES, TEXTS, TextTask, TokenNetwork, training_command
from codegen.spec.head import SpecHead
from codegen.spec.tasks.tagging import TaggedData

FOLDER = "tasks/tagging"


@frozen
class TaggingTask(TextTask):
    """The task with the most tokens that are read of a sentence, and the spec's own labels."""

    context: int = 0
    labels: tuple[str, ...] = ()


def tagging(spec: SpecHead, network: TokenNetwork, flops: int) -> TaggingTask:
    """Lines of a word and its label. The model's config has a field classes."""
    said = spec.data
    assert isinstance(said, TaggedData)
    context = said.context_length or network.context_length
    data = "files of lines of a word and its label, an empty one after each sentence; or .gz"
    held_out = "fraction of the sentences held out, or a file of others"
    default = "" if said.tokenizer == "file" else said.tokenizer
    which = "word, char, byte or the path of a tokenizer.json"
    return TaggingTask(
        name="tagging",
        data="sentences whose words have labels",
        commands=(training_command("--data sentences.tsv", said),),
        keeps=("tokenizer.json", "classes.json"),
        kept="tokenizer.json, classes.json",
        drawn=("batches",),
        data_class="Sentences",
        row="sentence",
        rows_in="train",
        unit="sentence",
        loss="loss (nats per word)",
        flops_of="token",
        flops=0,  # sentences differ in length
        options=(
            OptionPlan("data", "tuple[str, ...]", (), data),
            OptionPlan("tokenizer", "str", default, which),
            OptionPlan("lowercase", "bool", said.lowercase, "words in lower case"),
            OptionPlan("validation", "str", str(float(spec.train.validation)), held_out),
        ),
        sizes=(OptionPlan("context_length", "int", context, "most tokens of a sentence"),),
        parts={
            "imports": f"{FOLDER}/imports.py.jinja",
            "usage": f"{FOLDER}/usage.md.jinja",
            "objective": "tasks/text/objective.py.jinja",
            "scores": "tasks/text/scores.py.jinja",
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
            FilePlan("spans.py", f"{FOLDER}/spans.py.jinja", roots=("Scores",)),
        ),
        tests=TestsPlan(
            imports=(f"{FOLDER}/tests/imports.py.jinja",),
            constants=(),
            parts=(
                f"{FOLDER}/tests/fixtures.py.jinja",
                "tasks/text/tests/loss.py.jinja",
                f"{FOLDER}/tests/sentences.py.jinja",
                "package/tests/overfit.py.jinja",
                f"{FOLDER}/tests/training.py.jinja",
            ),
        ),
        uses=(
            ("predict", '--sentence "Once upon a time"'),
            ("evaluate", "--data other_sentences.tsv"),
        ),
        figures=(("validation_accuracy", "accuracy {:.2%}"), ("validation_f1", "F1 {:.2%}")),
        inputs=("lengths",),
        words=True,
        context=context,
        labels=tuple(said.labels or ()),
    )
