"""`image-to-image`: a picture made of another one of its size."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from codegen.spec.fields import PositiveFloat, Vocabulary, kind_only
from codegen.spec.mistake import Mistake
from codegen.spec.tasks.pictures import PairedRows, Side, check_changes, check_halves
from codegen.spec.tasks.task import Task

CHANNELS = (1, 3, 4)  # of files of pictures


class Noise(Vocabulary):
    """A picture with normal noise, another each time that it is seen."""

    kind: Literal["noise"] = Field("noise", description="what is made of a picture")
    sigma: Annotated[PositiveFloat, Field(le=255)] = Field(
        25.0, description="standard deviation, of pixels from 0 to 255"
    )


class Blur(Vocabulary):
    """A picture under a Gaussian window."""

    kind: Literal["blur"] = Field("blur", description="what is made of a picture")
    sigma: Annotated[PositiveFloat, Field(le=20)] = Field(
        2.0, description="standard deviation, in pixels"
    )


class Grey(Vocabulary):
    """The brightness of a picture."""

    kind: Literal["grey"] = Field("grey", description="what is made of a picture")


class Edges(Vocabulary):
    """How steeply brightness rises (Sobel's operator), from 0 to 1."""

    kind: Literal["edges"] = Field("edges", description="what is made of a picture")


Made = Annotated[Noise | Blur | Grey | Edges, Field(discriminator="kind")]


class PairedPictures(PairedRows):
    """Pictures in pairs; or pictures, of which sources are made."""

    make: Annotated[Made | None, BeforeValidator(kind_only)] = Field(
        None,
        description="of pictures in one folder: a word, or a mapping with `kind`; by default "
        "sources are files, too",
    )

    @property
    def sides(self) -> tuple[Side, ...]:
        """A source and a target, or a target alone."""
        return ("picture",) if self.make else super().sides


def check_channels(spec: Any) -> Iterator[Mistake]:
    """Pictures have one, three or four channels, and what is made of one has its own."""
    image, outputs = spec.model.image.channels, spec.model.outputs
    wrong = f"of {', '.join(map(str, CHANNELS))}"
    if image not in CHANNELS:
        yield Mistake(("model", "image", "channels"), f"no picture has {image} channels", wrong)
    elif outputs not in (None, *CHANNELS):
        yield Mistake(("model", "outputs"), f"no picture has {outputs} channels", wrong)
    elif {image, outputs} == {3, 4}:
        message = "pictures with an alpha channel can't be compared with pictures without"
        yield Mistake(("model", "outputs"), message, f"{image}, as many as come in")
    make, outputs = spec.data.make, outputs or image
    if make is None:
        return
    if spec.data.cut:
        message = f"sources are made by `{make.kind}`, and lie beside their targets"
        yield Mistake(("data", "pairs"), message, "drop it, or `make`")
    if make.kind in ("grey", "edges") and image != 1:
        message = f"`{make.kind}` has one channel, and the image has {image}"
        yield Mistake(("model", "image", "channels"), message, "`channels: 1`")
    elif make.kind == "grey" and outputs == 1:
        yield Mistake(("model", "outputs"), "a grey picture is what `grey` makes of one", "3")
    elif make.kind in ("noise", "blur") and image != outputs:
        message = f"`{make.kind}` leaves a picture {outputs} channels, and the image has {image}"
        yield Mistake(("model", "image", "channels"), message, "as many as come out")


TASK = Task(
    "image-to-image",
    "turns a picture into another one of its size",
    PairedPictures,
    checks=(check_changes, check_channels, check_halves),
)
