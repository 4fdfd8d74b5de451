"""What a model reads of a whole text, with its numbers and its parameters."""

from __future__ import annotations

from collections.abc import Iterator

from codegen.frozen import frozen
from codegen.plan.tables import ConfigField, Parameter
from codegen.plan.transformer.parameter_rows import ZEROS, norm_rows, normal, of_heads, vector_row
from codegen.plan.transformer.parts import HeadPlan
from codegen.spec.transformer.resolve import output_width
from codegen.spec.transformer.vocabulary import TransformerModel

POOLED = ("sequence-classification", "tagging", "embedding")
TINY_CLASSES = 4


@frozen
class PoolingPlan:
    """How a text becomes one vector, if it does; if classes are told by it, or it is the result."""

    kind: str  # mean, class or last; "" where each token has scores
    normalize: bool
    classes: int  # 0 for an embedding
    problem: str = ""  # what their scores say: single_label, multi_label or regression

    @property
    def by_length(self) -> bool:
        """Whether padding has to be told from tokens when all has been read."""
        return self.kind in ("mean", "last")


def pooling_plan(model: TransformerModel, task: str) -> PoolingPlan | None:
    """The plan of what a spec says of whole texts; None for models of tokens and of images."""
    if task not in POOLED:
        return None
    if task == "tagging":
        return PoolingPlan("", False, model.classes)
    classes = model.classes if task == "sequence-classification" else 0
    problem = model.head.problem if classes else ""
    return PoolingPlan(model.pooling.kind, bool(model.pooling.normalize), classes, problem)


def pooled_fields(model: TransformerModel, pooling: PoolingPlan) -> Iterator[ConfigField]:
    """What a config says of classes, or of how embeddings are compared."""
    if pooling.classes:
        yield ConfigField("classes", "int", pooling.classes, min(pooling.classes, TINY_CLASSES))
    else:
        yield from contrast_fields(model)


def contrast_fields(model: TransformerModel) -> Iterator[ConfigField]:
    """How embeddings are compared."""
    value = float(model.head.temperature)
    yield ConfigField("temperature", "float", value, value, "of similarities, in training")


def pooled_rows(
    head: HeadPlan, pooling: PoolingPlan, model: TransformerModel
) -> Iterator[Parameter]:
    """The dense layer after pooling, and the scores of classes."""
    width = output_width(model)
    if head.transform:
        name = "head_transform"
        yield Parameter(f"{name}.weight", (width, model.d_model), name, normal(model), "matrix")
        if head.transform.bias:
            yield vector_row(f"{name}.bias", width, f"{name}_bias", ZEROS)
        yield from norm_rows("head_norm", head.transform.norm, width)
    if pooling.classes:
        yield Parameter("head.weight", (pooling.classes, width), "head", of_heads(model), "head")
        if head.bias:
            yield vector_row("head.bias", pooling.classes, "head_bias", ZEROS)
