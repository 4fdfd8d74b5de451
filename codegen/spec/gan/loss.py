"""What two networks that train each other minimise."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from codegen.spec.fields import NotNegative, PositiveFloat, Rate, Vocabulary
from codegen.spec.owned import Only
from codegen.spec.switches import Needs

OF_PICTURES = Only("image-translation")
LossKind = Literal["non-saturating", "bce", "hinge", "least-squares", "wgan-gp"]


class AdversarialLoss(Vocabulary):
    """Of scores of real images and of made ones."""

    kind: LossKind = Field(
        "non-saturating",
        description="`non-saturating` (arXiv:1406.2661, section 3); `bce`, the same with smoothed "
        "labels; `hinge` (arXiv:1802.05957, equations 16 and 17); `least-squares` "
        "(arXiv:1611.04076, with labels 0 and 1); `wgan-gp` (arXiv:1704.00028)",
    )
    smoothing: Annotated[Rate, Needs("kind", on=("bce",))] = Field(
        0.0, description="by how much a real image is less than one (arXiv:1606.03498, section 3.4)"
    )
    penalty: Annotated[PositiveFloat, Needs("kind", on=("wgan-gp",))] = Field(
        10.0, description="weight of (|gradient| - 1)^2 between a real image and a made one"
    )
    r1: NotNegative = Field(
        0.0, description="weight of |gradient|^2 / 2 at real images (arXiv:1801.04406, section 4.1)"
    )
    l1: Annotated[NotNegative, OF_PICTURES] = Field(
        100.0,
        description="weight of the mean distance of pixels to those of a pair's target "
        "(arXiv:1611.07004, section 3.1)",
    )
    cycle: Annotated[NotNegative, OF_PICTURES] = Field(
        0.0,
        description="weight of the mean distance of pixels between a picture and what is made of "
        "it there and back (arXiv:1703.10593, section 3.2): with it sources and targets are no "
        "pairs, and a second generator makes sources of targets",
    )
    identity: Annotated[NotNegative, OF_PICTURES, Needs("cycle")] = Field(
        0.0,
        description="weight of how far a generator changes what it should make already "
        "(arXiv:1703.10593, section 5.2)",
    )
