"""What a layer knows when it is planned: what comes in, the names around, the model's defaults."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from codegen.frozen import frozen
from codegen.plan.network.layer import LayerError
from codegen.plan.network.size import (
    MAP,
    Pair,
    Quantity,
    Shape,
    Size,
    channels_of,
    fixed,
    shape_words,
)
from codegen.plan.network.visible import Names, worked_out
from codegen.spec.close_words import close_word
from codegen.spec.head import Vocabulary
from codegen.spec.network.synonyms import words_called
from codegen.spec.network.vocabulary import NetworkModel

LARGEST = 2**31  # what a tensor may have along an axis
Said = TypeVar("Said", bound=Vocabulary)
Choose = Callable[[str, "int | float"], Size]


@frozen
class Surroundings:
    """What comes into a layer, the model's outputs and defaults, and the names around it.

    `choose` makes a number of the model's own layers one that its config may name.
    """

    incoming: Shape
    outputs: Size
    names: Names
    model: NetworkModel
    choose: Choose

    @property
    def channels(self) -> Size:
        """Of what comes in."""
        return channels_of(self.incoming)

    def whole(self, field: str, said: int | str) -> Size:
        """A field's whole number."""
        return fixed(said) if isinstance(said, int) else whole(field, worked_out(said, self.names))

    def width(self, said: int | str | None, default: Size) -> Size:
        """The units of a layer, which the config may name."""
        if said is None:
            return default
        return self.choose("width", said) if isinstance(said, int) else self.whole("width", said)

    def pair(self, field: str, said: int | str | Sequence[int | str]) -> Pair:
        """Of height and of width."""
        if isinstance(said, int | str):
            one = self.whole(field, said)
            return Pair(one, one)
        return Pair(self.whole(field, said[0]), self.whole(field, said[1]))

    def word(self, said: str, known: Sequence[str], what: str) -> str:
        """A word of a table, or what the name stands for; `none`, too."""
        found = self.names.get(said, said)
        if not isinstance(found, str) or found not in (*known, "none"):
            words = (*known, "none")
            meant = close_word(str(found), words) or next(iter(words_called(str(found), words)), "")
            hint = f"did you mean `{meant}`?" if meant else f"known: {', '.join(known)}"
            raise LayerError(f"`{said}` is no {what}", hint)
        return found

    def needs_map(self, what: str) -> None:
        """LayerError unless a map comes in."""
        if len(self.incoming) != MAP:
            message = f"{what} takes a map, not {len(self.incoming)} axes: "
            raise LayerError(message + shape_words(self.incoming), "before `flatten` or `tokens`")


def whole(field: str, found: Quantity) -> Size:
    """A size of a number; LayerError where it is a fraction or not positive."""
    if found.value.denominator != 1:
        hint = "`floor(...)` or `round_to(..., 8)` make it whole"
        raise LayerError(f"`{field}` is {float(found.value):g}, no whole number", hint, field)
    if found.value > LARGEST:
        raise LayerError(f"`{field}` is more than {LARGEST:,}", None, field)
    if found.value < 1:
        raise LayerError(f"`{field}` is {int(found.value)}, not 1 or more", None, field)
    return found.size()


def with_defaults(layer: Said, defaults: Vocabulary | None) -> Said:
    """A layer with what the model says of all of its kind."""
    if defaults is None:
        return layer
    unsaid = defaults.model_fields_set - layer.model_fields_set
    return layer.model_copy(update={name: getattr(defaults, name) for name in unsaid})


def positive(size: Quantity, message: str, hint: str) -> Size:
    """A size of at least one; LayerError with the message."""
    if size.value < 1:
        raise LayerError(message, hint)
    return size.size()
