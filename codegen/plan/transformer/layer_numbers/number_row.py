"""Numbers that may differ by layer: what a row says of one, and how its values are worked out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from codegen.frozen import frozen
from codegen.spec.masks.atoms import Knob
from codegen.spec.masks.expression import ExpressionError
from codegen.spec.transformer.resolve import scale_numbers
from codegen.spec.transformer.scale import evaluate, parse_scale
from codegen.spec.transformer.vocabulary import Block, TransformerModel

TINY_MODEL = 32
TINY_HEAD_DIM = 8
TINY_NOPE_DIM = 12
TINY_VALUE_DIM = 10
TINY_VOCABULARY = 61
TOY_NUMBERS = {  # what a scale may name
    "d_model": TINY_MODEL,
    "head_dim": TINY_HEAD_DIM,
    "heads": 4,
    "layers": 2,
    "d_ff": 64,
    "vocab_size": TINY_VOCABULARY,
}

Value = int | float
Values = Mapping[str, Value]


@frozen
class Layer:
    """A block kind while its numbers are worked out: `true` and `toy` hold the rows before."""

    model: TransformerModel
    block: Block
    true: Values
    toy: Values

    @property
    def named(self) -> Mapping[str, float]:
        """What the expression of a scale may name, at true size."""
        return scale_numbers(self.model, self.block)


def same(name: str) -> Callable[[Layer], Value]:
    """Toy size is true size."""
    return lambda layer: layer.true[name]


def capped(name: str, most: int) -> Callable[[Layer], Value]:
    """Toy size is true size, up to the most."""
    return lambda layer: min(layer.true[name], most)


def _always(block: Block) -> bool:
    return True


@frozen
class NumberRow:
    """A number as the config has it: one field, or one of each layer under the plural.

    `used` says whether a block kind has it at all; where no kind does, `else_read` is read. A
    number that is `own` is read by the kinds that use it alone: the others stand in nobody's way.
    So do those with another mixer than the one that it is `of`.
    """

    name: str
    plural: str
    type: str
    true: Callable[[Layer], Value]
    toy: Callable[[Layer], Value]
    used: Callable[[Block], bool] = _always
    else_read: str = ""
    own: bool = False
    of: str = ""
    comment: str = ""
    of_each: str = ""  # the comment on the plural

    def read_by(self, block: Block) -> bool:
        """Whether a block kind has the number at all."""
        return self.of in ("", block.mixer) and self.used(block)


def mask_row(knob: Knob) -> NumberRow:
    """The row of a mask's number; its values come with the mask."""
    return NumberRow(
        knob.name, knob.plural, "int", _none, _none, comment=knob.comment, of_each=knob.of_each
    )


def _none(layer: Layer) -> int:
    return 0


def scale_value(scale: float | str | None, numbers: Mapping[str, float]) -> float:
    """A scale's number; 0 where none is given. The spec's checks have evaluated it before."""
    if scale is None or not isinstance(scale, str):
        return float(scale or 0.0)
    return evaluate(parse_scale(scale), numbers)


def toy_scale(scale: float | str | None, numbers: Mapping[str, float], real: float) -> float:
    """The same at toy size; the true value where the expression has none there."""
    try:
        return scale_value(scale, numbers) or real
    except ExpressionError:
        return real


def layer_values(
    rows: Sequence[NumberRow],
    model: TransformerModel,
    block: Block,
    mask: Values,
    toy_mask: Values,
) -> tuple[dict[str, Value], dict[str, Value]]:
    """All numbers of a block kind, at true and at toy size, those of its mask among them."""
    true: dict[str, Value] = {**mask}
    toy: dict[str, Value] = {**toy_mask}
    layer = Layer(model, block, true, toy)
    for row in rows:
        there = row.of in ("", block.mixer)
        true[row.name] = row.true(layer) if there else 0
        toy[row.name] = row.toy(layer) if there else 0
    return true, toy
