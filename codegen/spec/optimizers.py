"""What a spec may say of the update rule: one class a rule."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from codegen.spec.fields import (
    NotNegative,
    Positive,
    PositiveFloat,
    Rate,
    Vocabulary,
    kind_only,
)

Betas = Annotated[list[Rate], Field(min_length=2, max_length=2)]


class Optimizer(Vocabulary):
    """The numbers of AdamW, which Muon uses for embeddings, gains and biases."""

    lr: PositiveFloat = Field(3e-4, description="peak learning rate")
    betas: Betas = Field([0.9, 0.95], description="decay of the first and second moment")
    eps: PositiveFloat = Field(1e-8, description="added to the root of the second moment")
    weight_decay: NotNegative = Field(0.1, description="decoupled weight decay")


class AdamW(Optimizer):
    """AdamW (arXiv:1711.05101); weight decay on matrices and embeddings only."""

    kind: Literal["adamw"] = Field("adamw", description="the update rule")


class Muon(Optimizer):
    """Muon on matrices; AdamW on embeddings and heads, and without decay on gains and biases."""

    kind: Literal["muon"] = Field("muon", description="the update rule")
    matrix_lr: PositiveFloat = Field(0.02, description="Muon's peak learning rate")
    embedding_lr: PositiveFloat | None = Field(
        None, description="AdamW's for the embeddings; by default `lr`"
    )
    head_lr: PositiveFloat | None = Field(None, description="AdamW's for the head; by default `lr`")
    momentum: Rate = Field(0.95, description="Muon's Nesterov momentum")
    newton_schulz_steps: Positive = Field(5, description="iterations that orthogonalise an update")
    matrix_weight_decay: NotNegative = Field(
        0.0, description="decoupled weight decay of Muon's matrices"
    )


class Adam(Vocabulary):
    """Adam (arXiv:1412.6980); weight decay adds to the gradients of matrices and embeddings."""

    kind: Literal["adam"] = Field("adam", description="the update rule")
    lr: PositiveFloat = Field(1e-3, description="peak learning rate")
    betas: Betas = Field([0.9, 0.999], description="decay of the first and second moment")
    eps: PositiveFloat = Field(1e-8, description="added to the root of the second moment")
    weight_decay: NotNegative = Field(0.0, description="part of a weight that its gradient gains")


class SGD(Vocabulary):
    """Stochastic gradient descent; weight decay adds to the gradients of matrices only."""

    kind: Literal["sgd"] = Field("sgd", description="the update rule")
    lr: PositiveFloat = Field(0.1, description="peak learning rate")
    momentum: Rate = Field(0.9, description="part of the last update that goes on")
    nesterov: bool = Field(
        False, description="whether the gradient is taken where the momentum leads to"
    )
    weight_decay: NotNegative = Field(1e-4, description="part of a weight that its gradient gains")


def _adamw_unless_said(value: Any) -> Any:
    value = kind_only(value)
    return {"kind": "adamw", **value} if isinstance(value, dict) else value


AnyOptimizer = Annotated[
    Annotated[AdamW | Muon | Adam | SGD, Field(discriminator="kind")],
    BeforeValidator(_adamw_unless_said),
]
