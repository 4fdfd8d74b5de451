"""What every spec may say, whatever its family: name, target, training, checkpoints.

Each field's description and default are its documentation: `tgen schema` and docs/spec.md are
printed from them.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from codegen.spec.owned import Only

Positive = Annotated[int, Field(ge=1, le=2**48)]
Count = Annotated[int, Field(ge=0, le=2**48)]
Width = Annotated[int, Field(ge=1, le=2**31)]  # what a tensor may have along an axis
VocabularySize = Annotated[int, Field(ge=1, le=2**30)]
PositiveFloat = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Rate = Annotated[float, Field(ge=0, lt=1)]


TileRow = Annotated[list[Positive], Field(min_length=4, max_length=4)] | dict[str, Count]


class Vocabulary(BaseModel):
    """A mapping of the spec language: unknown fields refused, nothing coerced."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, str_min_length=1, defer_build=True
    )


def kind_only(value: Any) -> Any:
    """`norm: rms` is short for `norm: {kind: rms}`."""
    return {"kind": value} if isinstance(value, str) else value


def _adamw_unless_said(value: Any) -> Any:
    value = kind_only(value)
    return {"kind": "adamw", **value} if isinstance(value, dict) else value


class Target(Vocabulary):
    """What the package is for; `any` runs wherever PyTorch does."""

    device: Literal["any", "cpu", "cuda", "hip"] = Field("any", description="kind of device")
    arch: str | None = Field(None, description="a device of `codegen/targets/`, such as `sm_90`")
    kernels: Literal["auto", "all", "none"] = Field(
        "auto",
        description="Triton kernels for GPUs: `auto` for what PyTorch lacks (masks, soft caps), "
        "`all` also for norms, rotary positions and gated MLPs",
    )
    dtype: Literal["auto", "float32", "bfloat16"] = Field(
        "auto", description="of training; `auto` is bfloat16 on a GPU and float32 on a CPU"
    )


def _target(value: Any) -> Any:
    return {"device": value} if isinstance(value, str) else value


class Optimizer(Vocabulary):
    """The numbers of AdamW, which every optimizer uses for embeddings, gains and biases."""

    lr: PositiveFloat = Field(3e-4, description="peak learning rate")
    betas: Annotated[list[Rate], Field(min_length=2, max_length=2)] = Field(
        [0.9, 0.95], description="decay of the first and second moment"
    )
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


class Schedule(Vocabulary):
    """The learning rate over the run, as a multiple of its peak."""

    kind: Literal["cosine", "linear", "constant"] = Field(
        "cosine", description="shape of the decay"
    )
    warmup: Count = Field(100, description="steps of linear warm-up")
    min_lr_ratio: Fraction = Field(0.1, description="where the decay ends, as a part of the peak")
    decay_fraction: Fraction = Field(
        1.0, description="the last part of the run over which the rate decays; constant before it"
    )


AnyOptimizer = Annotated[
    Annotated[AdamW | Muon, Field(discriminator="kind")], BeforeValidator(_adamw_unless_said)
]


class Train(Vocabulary):
    """How the model is trained unless the command line says otherwise."""

    optimizer: AnyOptimizer = Field(AdamW(), description="update rule")
    schedule: Annotated[Schedule, BeforeValidator(kind_only)] = Field(
        Schedule(), description="learning rate over the run"
    )
    batch: Positive = Field(32, description="sequences a step, on each device")
    accumulation: Positive = Field(1, description="batches whose gradients add up to one step")
    steps: Positive = Field(10_000, description="optimizer steps")
    clip: NotNegative = Field(1.0, description="gradient norm limit; 0 for none")
    validation: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.1, description="the last part of the corpus, held out"
    )
    eval_every: Positive = Field(500, description="steps between evaluations")
    checkpoint_every: Positive = Field(500, description="steps between checkpoints")
    log_every: Positive = Field(10, description="steps between log lines")
    seed: Count = Field(1337, description="of initialisation and of the order of the data")
    augment: Annotated[bool, Only("image-classification")] = Field(
        False,
        description="images of training are flipped left to right and moved by up to an eighth "
        "of their size, at random",
    )


class Checkpoint(Vocabulary):
    """Which other library's checkpoints the package reads and writes."""

    huggingface: str | None = Field(
        None, description="a model type of `codegen/importers/huggingface/`"
    )


class SpecHead(Vocabulary):
    """The fields that every family shares."""

    name: str = Field(description="the package's name: lower-case letters, digits and `_`")
    family: str = Field("transformer", description="the kind of model")
    task: str = Field("causal-lm", description="what the model is trained to do")
    data: Vocabulary = Field(Vocabulary(), description="what it learns from, by the task")
    target: Annotated[Target, BeforeValidator(_target)] = Field(
        Target(), description="where it runs"
    )
    tiles: dict[str, dict[str, TileRow]] = Field(
        {},
        description="by GPU and kernel, the tile to launch with, as `tgen tune` writes it: "
        "`[BLOCK_Q, BLOCK_K, stages, warps]` or a mapping of names",
    )
    train: Train = Field(Train(), description="defaults of the training script")
    checkpoint: Checkpoint = Field(Checkpoint(), description="other libraries' checkpoints")
