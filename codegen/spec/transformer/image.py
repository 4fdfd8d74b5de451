"""The vocabulary of image classifiers: what takes the place of tokens."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from codegen.spec.head import Count, Rate, Vocabulary, Width
from codegen.spec.transformer.of_tasks import OF_VIEWS

Pooling = Literal["class", "mean", "class_mean", "class_distillation", "attention"]


class Image(Vocabulary):
    """Square images, cut into square patches (ViT, arXiv:2010.11929)."""

    size: Width = Field(224, description="pixels, of height and of width")
    patch_size: Width = Field(16, description="pixels of a patch, of height and of width")
    channels: Width = Field(3, description="of a pixel")
    patch_bias: bool = Field(True, description="of the projection of patches")
    class_token: bool = Field(True, description="a learned token before the patches")
    distillation_token: bool = Field(
        False, description="a second one, for a teacher's classes (DeiT, arXiv:2012.12877)"
    )
    register_tokens: Count = Field(
        0, description="learned tokens without positions, before the patches (arXiv:2309.16588)"
    )
    interpolation: Literal["bicubic", "bicubic_antialias"] = Field(
        "bicubic", description="how learned positions reach images of other sizes"
    )
    relative_bias: Literal["none", "layer", "shared", "both"] = Field(
        "none",
        description="a learned bias of each head for each offset between two patches, a table for "
        "each layer, one for all, or both (BEiT, arXiv:2106.08254)",
    )
    pooling: Pooling | None = Field(
        None,
        description="what the classes are read from: the class token (by default, where there is "
        "one), the mean of the patches, both side by side, the class and the distillation token "
        "by a head each, or a learned query's attention",
    )
    pooling_norm: Literal["before", "after"] = Field(
        "before", description="whether the final norm is of all tokens, or of what is pooled"
    )
    projection: Annotated[Width | None, OF_VIEWS] = Field(
        None,
        description="width of the embedding, into which what is pooled is projected "
        "(CLIP, arXiv:2103.00020, section 2.3); by default it is that itself",
    )


class DropPath(Vocabulary):
    """In training, branches that some samples skip (stochastic depth, arXiv:1603.09382)."""

    rate: Rate = Field(description="how often a branch is skipped; in the last layer, if growing")
    growing: bool = Field(True, description="from zero in the first layer on")


def rate_only(value: object) -> object:
    """`drop_path: 0.1` is short for `drop_path: {rate: 0.1}`."""
    return {"rate": value} if isinstance(value, int | float) else value
