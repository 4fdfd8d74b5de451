"""Scales that follow from a model's sizes: as formulas of its config, not as their digits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from codegen.frozen import frozen
from codegen.plan.reads import LayerCount, Printed, Read
from codegen.spec.masks.expression import (
    Binary,
    Call,
    Expression,
    ExpressionError,
    Name,
    Number,
    Unary,
)
from codegen.spec.transformer.scale import evaluate, names_of, parse_scale

OF_HEADS = Binary("/", Number(1), Call("sqrt", (Name("head_dim"),)))  # what a scale is by default
SUM, PRODUCT, POWER, ATOM = range(4)  # how tightly a text binds


def tree_of(scale: float | str | None) -> Expression:
    """A scale of a spec as an expression; by default that of the scores."""
    if scale is None:
        return OF_HEADS
    return parse_scale(scale) if isinstance(scale, str) else Number(scale)


def agreed_tree(scales: Iterable[float | str | None]) -> Expression | None:
    """The expression that all layers have, if there is one and it names a size."""
    trees = {str(written(tree, {})): tree for tree in map(tree_of, scales)}
    if len(trees) != 1:
        return None
    (tree,) = trees.values()
    return tree if names_of(tree) else None


def holds(tree: Expression, *sizes: Mapping[str, float]) -> bool:
    """Whether a scale has a value at these sizes; some have none where a model is tiny."""
    try:
        return all(evaluate(tree, numbers) > 0 for numbers in sizes)
    except ExpressionError:
        return False


@frozen
class Local(Printed):
    """A variable of a constructor."""

    name: str

    def of(self, config: str) -> str:
        """Its name."""
        return self.name


Size = Read | LayerCount | Local


@frozen
class Formula(Printed):
    """A number that follows from sizes, and how each that it names is read."""

    tree: Expression
    sizes: tuple[tuple[str, Size], ...]

    @property
    def by_layer(self) -> bool:
        """Whether it differs by layer."""
        return any(isinstance(size, Read) and size.by_layer for _, size in self.sizes)

    def names(self, name: str) -> bool:
        """Whether it follows from this size."""
        return name in dict(self.sizes)

    def of(self, config: str) -> str:
        """`config.d_model**0.5`."""
        return self._written(config).within(PRODUCT)

    def as_factor(self, config: str) -> str:
        """The same to multiply by: a quotient is in parentheses."""
        return self._written(config).within(POWER)

    def _written(self, config: str) -> FormulaText:
        return written(self.tree, {name: size.of(config) for name, size in self.sizes})


def formula_of(tree: Expression | None, sizes: Mapping[str, Size]) -> Formula | None:
    """A scale whose sizes can all be read."""
    if tree is None or not names_of(tree) <= sizes.keys():
        return None
    return Formula(tree, tuple((name, sizes[name]) for name in sorted(names_of(tree))))


@frozen
class FormulaText:
    """A formula as text, and how tightly it binds."""

    text: str
    tight: int

    def __str__(self) -> str:
        """The text as it stands alone."""
        return self.text

    def within(self, tight: int) -> str:
        """The text as an operand of what binds so tightly."""
        return self.text if self.tight >= tight else f"({self.text})"


def written(tree: Expression, reads: Mapping[str, str]) -> FormulaText:
    """A scale in Python; `reads` are how its names are read, by default as themselves."""
    match tree:
        case Number(value):
            return FormulaText(repr(value), ATOM)
        case Name(name):
            return FormulaText(reads.get(name, name), ATOM)
        case Call("sqrt", (inside,)):
            return FormulaText(f"{written(inside, reads).within(ATOM)} ** 0.5", POWER)
        case Call("log", (inside,)):
            return FormulaText(f"math.log({written(inside, reads)})", ATOM)
        case Unary("-", operand):
            return FormulaText(f"-{written(operand, reads).within(POWER)}", PRODUCT)
        case Binary("/", Number(1), Call("sqrt", (inside,))):
            return FormulaText(f"{written(inside, reads).within(ATOM)} ** -0.5", POWER)
        case Binary("/", left, Call("sqrt", (inside,))):
            root = f"{written(inside, reads).within(ATOM)} ** -0.5"
            return FormulaText(f"{written(left, reads).within(PRODUCT)} * {root}", PRODUCT)
        case Binary("*", left, right) if str(written(left, {})) == str(written(right, {})):
            return FormulaText(f"{written(left, reads).within(ATOM)} ** 2", POWER)
        case Binary(symbol, left, right):
            tight = SUM if symbol in "+-" else PRODUCT
            # a - (b - c): the right operand must bind tighter
            one, other = written(left, reads).within(tight), written(right, reads).within(tight + 1)
            return FormulaText(f"{one} {symbol} {other}", tight)
    raise ValueError(f"no scale: {tree}")
