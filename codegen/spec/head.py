"""What every spec may say, whatever its family: name, target, training, checkpoints.

Each field's description and default are its documentation: `tgen schema` and docs/spec.md are
printed from them.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from codegen.importers.libraries import LIBRARIES
from codegen.spec.fields import (
    Count,
    Fraction,
    NotNegative,
    Positive,
    PositiveFloat,
    Rate,
    TileRow,
    Vocabulary,
    VocabularySize,
    Width,
    kind_only,
)
from codegen.spec.train import Train

__all__ = [
    "Checkpoint",
    "Count",
    "Fraction",
    "NotNegative",
    "Positive",
    "PositiveFloat",
    "Rate",
    "SpecHead",
    "Target",
    "Train",
    "Vocabulary",
    "VocabularySize",
    "Width",
    "kind_only",
]


class Target(Vocabulary):
    """What the package is for; `any` runs wherever PyTorch does."""

    device: Literal["any", "cpu", "cuda", "hip"] = Field("any", description="kind of device")
    arch: str | None = Field(None, description="a device of `codegen/targets/`, such as `sm_90`")
    kernels: Literal["auto", "all", "none"] = Field(
        "auto",
        description="Triton kernels for GPUs: `auto` for what PyTorch lacks (masks, soft caps, "
        "products with quantised weights), `all` also for norms, rotary positions and gated MLPs",
    )
    dtype: Literal["auto", "float32", "bfloat16"] = Field(
        "auto", description="of training; `auto` is bfloat16 on a GPU and float32 on a CPU"
    )


def _target(value: Any) -> Any:
    return {"device": value} if isinstance(value, str) else value


class Checkpoint(Vocabulary):
    """Which other library's checkpoints the package reads and writes."""

    huggingface: str | None = Field(
        None, description="a model type of `codegen/importers/huggingface/`"
    )
    torchvision: str | None = Field(
        None, description="a family of networks of `codegen/importers/torchvision/`"
    )
    timm: str | None = Field(None, description="one of `codegen/importers/timm/`")
    efficientnet_pytorch: str | None = Field(
        None, description="one of `codegen/importers/efficientnet_pytorch/`"
    )
    skipped_layers: Annotated[list[Count], Field(max_length=1000)] = Field(
        [], description="layers there that the model does without, by their numbers from 0"
    )
    language: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,32}$")] | None = Field(
        None, description="the model's, of a checkpoint with weights for several languages"
    )

    @property
    def library(self) -> str:
        """The one that is said; "" if none is."""
        return next((name for name in LIBRARIES if self.of(name)), "")

    def of(self, library: str) -> str:
        """What is said of a library; "" if nothing is."""
        return getattr(self, library) or ""


class SpecHead(Vocabulary):
    """The fields that every family shares."""

    name: str = Field(description="the package's name: lower-case letters, digits and `_`")
    family: str = Field("transformer", description="the kind of model")
    task: str = Field("causal-lm", description="what the model is trained to do")
    data: Vocabulary = Field(Vocabulary.plain(), description="what it learns from, by the task")
    target: Annotated[Target, BeforeValidator(_target)] = Field(
        Target.plain(), description="where it runs"
    )
    tiles: dict[str, dict[str, TileRow]] = Field(
        {},
        description="by GPU and kernel, the tile to launch with, as `tgen tune` writes it: "
        "`[BLOCK_Q, BLOCK_K, stages, warps]` or a mapping of names",
    )
    train: Train = Field(Train.plain(), description="defaults of the training script")
    checkpoint: Checkpoint = Field(Checkpoint.plain(), description="other libraries' checkpoints")
