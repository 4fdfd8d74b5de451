"""What two networks that train each other minimise."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from codegen.spec.fields import NotNegative, PositiveFloat, Rate, Vocabulary
from codegen.spec.switches import Needs

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
