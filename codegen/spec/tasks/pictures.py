"""What tasks of whole pictures share: of what their batches are, and what can be done to them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

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
