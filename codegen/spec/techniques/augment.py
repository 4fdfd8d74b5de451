"""`train.augment`: what training does to images, a row each: a word, or a word and its fields."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field

from codegen.spec.fields import Fraction, Positive, PositiveFloat, Vocabulary
from codegen.spec.mistake import Mistake

Degrees = Annotated[float, Field(gt=0, le=180)]
Half = Annotated[float, Field(gt=0, le=0.5)]
Interval = Annotated[list[PositiveFloat], Field(min_length=2, max_length=2)]
Part = Annotated[list[Annotated[float, Field(gt=0, le=1)]], Field(min_length=2, max_length=2)]


class Flip(Vocabulary):
    """Left and right change sides."""

    main: ClassVar[str] = "p"

    kind: Literal["flip"] = "flip"
    p: Fraction = Field(0.5, description="how often")


class VerticalFlip(Vocabulary):
    """Top and bottom change sides."""

    main: ClassVar[str] = "p"

    kind: Literal["vertical_flip"] = "vertical_flip"
    p: Fraction = Field(0.5, description="how often")


class Transpose(Vocabulary):
    """Rows and columns change places."""

    main: ClassVar[str] = "p"

    kind: Literal["transpose"] = "transpose"
    p: Fraction = Field(0.5, description="how often")


class Shifted(Vocabulary):
    """Images are moved by whole pixels; what comes in is their mirror image."""

    main: ClassVar[str] = "by"

    kind: Literal["shift"] = "shift"
    by: Half = Field(0.125, description="at most, each way, as a part of their size")


class Crop(Vocabulary):
    """A part of an image is made as large as the whole (arXiv:1409.4842)."""

    main: ClassVar[str] = "scale"

    kind: Literal["crop"] = "crop"
    scale: Part = Field([0.08, 1.0], description="the part's area, least and most")
    ratio: Interval = Field([3 / 4, 4 / 3], description="the part's width over its height")


class Resize(Vocabulary):
    """Images are made larger or smaller, and keep their middle."""

    main: ClassVar[str] = "scale"

    kind: Literal["resize"] = "resize"
    scale: Interval = Field([0.8, 1.2], description="of the size, least and most")


class Rotate(Vocabulary):
    """Images are turned around their middle."""

    main: ClassVar[str] = "degrees"

    kind: Literal["rotate"] = "rotate"
    degrees: Degrees = Field(15.0, description="at most, each way")


class Jitter(Vocabulary):
    """Images are made lighter or darker, and of stronger or weaker colours."""

    main: ClassVar[str] = ""

    kind: Literal["jitter"] = "jitter"
    brightness: Fraction = Field(0.4, description="at most, more or less than as it is")
    contrast: Fraction = Field(0.4, description="at most, more or less than as it is")
    saturation: Fraction = Field(0.0, description="at most, more or less than as it is")
    hue: Annotated[float, Field(ge=0, le=0.5)] = Field(
        0.0, description="at most, of the whole circle of colours, each way"
    )


class Erase(Vocabulary):
    """A box of an image takes its mean colour (arXiv:1708.04896)."""

    main: ClassVar[str] = "p"

    kind: Literal["erase"] = "erase"
    p: Fraction = Field(0.5, description="how often")
    scale: Part = Field([0.02, 0.33], description="the box's area, least and most")
    ratio: Interval = Field([0.3, 3.3], description="the box's width over its height")


class RandAugment(Vocabulary):
    """Some of 14 operations, all of one strength (arXiv:1909.13719)."""

    main: ClassVar[str] = "magnitude"

    kind: Literal["rand_augment"] = "rand_augment"
    operations: Positive = Field(2, description="one after the other")
    magnitude: Annotated[float, Field(ge=0, le=30)] = Field(9.0, description="strength, of 30")


class TrivialAugment(Vocabulary):
    """One of 14 operations, of any strength (arXiv:2103.10158)."""

    main: ClassVar[str] = ""

    kind: Literal["trivial_augment"] = "trivial_augment"


class Mixup(Vocabulary):
    """Two images, and their targets, are mixed (arXiv:1710.09412)."""

    main: ClassVar[str] = "alpha"

    kind: Literal["mixup"] = "mixup"
    alpha: PositiveFloat = Field(0.2, description="of the Beta distribution of their parts")


class Cutmix(Vocabulary):
    """A box of an image is another's, and so is that part of its target (arXiv:1905.04899)."""

    main: ClassVar[str] = "alpha"

    kind: Literal["cutmix"] = "cutmix"
    alpha: PositiveFloat = Field(1.0, description="of the Beta distribution of their parts")


AnyAugmentation = (
    Flip
    | VerticalFlip
    | Transpose
    | Shifted
    | Crop
    | Resize
    | Rotate
    | Jitter
    | Erase
    | RandAugment
    | TrivialAugment
    | Mixup
    | Cutmix
)
MAIN = {kind.model_fields["kind"].default: kind.main for kind in AnyAugmentation.__args__}


def _written_out(value: Any) -> Any:
    """`rotate: 10` is short for `rotate: {degrees: 10}`, and `flip` for `flip: {}`."""
    if isinstance(value, str):
        return {"kind": value}
    if not isinstance(value, dict) or len(value) != 1:
        return value
    ((kind, said),) = value.items()
    if isinstance(said, dict):
        return {**said, "kind": kind}
    main = MAIN.get(kind)
    if main == "":
        raise ValueError(f"`{kind}` stands alone, or with its fields")
    return {main: said, "kind": kind} if main and said is not None else {"kind": kind}


def _listed(value: Any) -> Any:
    """One alone, or none; `true` is what it was before augmentations had names."""
    if isinstance(value, bool):
        return ["flip", "shift"] if value else []
    if isinstance(value, dict):
        return [value] if "kind" in value else [{kind: said} for kind, said in value.items()]
    return [value] if isinstance(value, str) else value


TABLES = ("rand_augment", "trivial_augment")
Augmentation = Annotated[
    Annotated[AnyAugmentation, Field(discriminator="kind")], BeforeValidator(_written_out)
]
Augmentations = Annotated[list[Augmentation], Field(max_length=20), BeforeValidator(_listed)]


def check_augment(spec: Any) -> Iterator[Mistake]:
    """Each is said once, intervals begin below where they end, colours are of three channels."""
    if spec.model.image is None:
        return  # which another rule refuses
    channels = spec.model.image.channels
    seen: set[str] = set()
    for index, one in enumerate(spec.train.augment):
        place = ("train", "augment", index)
        if one.kind in seen:
            yield Mistake(place, f"`{one.kind}` is said twice")
        if one.kind in TABLES and seen.intersection(TABLES):
            yield Mistake(place, "one set of operations is enough", "drop one of them")
        seen.add(one.kind)
        for name in ("scale", "ratio"):
            low, high = getattr(one, name, None) or (0, 0)
            if low > high:
                yield Mistake((*place, name), f"from {low:g} to {high:g} there is nothing")
        if isinstance(one, Jitter) and channels != 3:
            for name in ("saturation", "hue"):
                if getattr(one, name):
                    message = f"{name} is of images with three channels, and these have {channels}"
                    yield Mistake((*place, name), message, "drop it")
        if one.kind in TABLES and channels not in (1, 3):
            message = f"`{one.kind}` is for images with one or three channels, not {channels}"
            yield Mistake(place, message)
        if isinstance(one, Jitter) and not any(
            (one.brightness, one.contrast, one.saturation, one.hue)
        ):
            yield Mistake(place, "nothing is changed by `jitter` with every number zero")
