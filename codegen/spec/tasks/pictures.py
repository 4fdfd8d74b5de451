"""What tasks of whole pictures share: of what their batches are, and what can be done to them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from pydantic import Field

from codegen.spec.fields import Vocabulary
from codegen.spec.mistake import Mistake
from codegen.spec.techniques.augment import TABLES, check_augment

Side = Literal["picture", "classes"]
MIXING = ("mixup", "cutmix")


class PictureRows(Vocabulary):
    """Files of pictures, alone or in pairs."""

    @property
    def sides(self) -> tuple[Side, ...]:
        """What a row's files hold; of one alone, what the model reads is made."""
        return ("picture",)


class PairedRows(PictureRows):
    """Sources and targets, in files of their own or side by side in one."""

    pairs: Literal["folders", "halves"] = Field(
        "folders",
        description="where sources and targets lie: in two folders, or as the two halves of one "
        "picture, side by side",
    )
    source: Literal["left", "right"] = Field(
        "left",
        description="which half the source is; `right` is what pix2pix calls the direction BtoA",
    )

    @property
    def sides(self) -> tuple[Side, ...]:
        """A source and a target."""
        return ("picture", "picture")

    @property
    def cut(self) -> Literal["", "left", "right"]:
        """The half of a picture that a source is; none where it has a file of its own."""
        return self.source if self.pairs == "halves" else ""


def check_halves(spec: Any) -> Iterator[Mistake]:
    """Only a picture that is cut has a half for sources."""
    data: PairedRows = spec.data
    if "source" in data.model_fields_set and not data.cut:
        yield Mistake(("data", "source"), "`source` says which half is one", "`pairs: halves`")


def check_changes(spec: Any) -> Iterator[Mistake]:
    """Pictures have no classes to mix; what changes places and colours at once fits no pair."""
    yield from check_augment(spec)
    for index, one in enumerate(spec.train.augment):
        place = ("train", "augment", index)
        if one.kind in MIXING:
            why = (
                "a pixel of a mask has one"
                if "classes" in spec.data.sides
                else "a picture has none"
            )
            yield Mistake(place, f"`{one.kind}` mixes classes, and {why}")
        if one.kind in TABLES and len(spec.data.sides) > 1:
            message = f"`{one.kind}` moves pictures without their targets"
            yield Mistake(place, message, "name what moves both: `flip`, `rotate`, ...")
