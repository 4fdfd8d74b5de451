"""Sizes of what layers hand on: numbers, and how the generated code works them out."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from functools import reduce
from typing import cast

from codegen.frozen import frozen
from codegen.plan.network.polynomial import (
    Atom,
    Polynomial,
    applied,
    constant,
    of_atom,
)
from codegen.plan.reads import Printed


@frozen
class Entry(Printed):
    """One entry of a field that has several."""

    field: str
    index: int

    def of(self, config: str) -> str:
        """`config.widths[0]`."""
        return f"{config}.{self.field}[{self.index}]"


@frozen
class Size(Printed):
    """A number, and what it is made of."""

    value: int
    formula: Polynomial

    def of(self, config: str) -> str:
        """`config.channels * config.image_size**2`."""
        return self.formula.of(config)

    @property
    def fixed(self) -> bool:
        """Whether no config and no argument changes it."""
        return self.formula.constant is not None

    def renamed(self, known: dict[Atom, Polynomial]) -> Size:
        """The same number, made of others."""
        return Size(self.value, self.formula.with_atoms(known))


@frozen
class Pair(Printed):
    """Two numbers, of height and of width."""

    height: Size
    width: Size

    def of(self, config: str) -> str:
        """`(1, kernel)`, or one number where both are the same."""
        if self.height == self.width:
            return self.height.of(config)
        return f"({self.height.of(config)}, {self.width.of(config)})"

    @property
    def values(self) -> tuple[int, int]:
        """The numbers."""
        return self.height.value, self.width.value


@frozen
class Sizes(Printed):
    """A number for each axis."""

    axes: tuple[Size, ...]

    def of(self, config: str) -> str:
        """`(config.width, 7, 7)`."""
        return f"({', '.join(axis.of(config) for axis in self.axes)})"


Shape = tuple[Size, ...]  # of an item: (channels, height, width), (positions, channels), (numbers,)
MAP, TOKENS, VECTOR = 3, 2, 1  # how many axes each has


@frozen
class Quantity:
    """A number on the way to a size: it may be a fraction."""

    value: Fraction
    formula: Polynomial

    def __add__(self, other: Quantity) -> Quantity:
        """The sum."""
        return Quantity(self.value + other.value, self.formula + other.formula)

    def __sub__(self, other: Quantity) -> Quantity:
        """The difference."""
        return Quantity(self.value - other.value, self.formula - other.formula)

    def __mul__(self, other: Quantity) -> Quantity:
        """The product."""
        return Quantity(self.value * other.value, self.formula * other.formula)

    def __truediv__(self, other: Quantity) -> Quantity:
        """The quotient."""
        return Quantity(self.value / other.value, self.formula / other.formula)

    def floor(self) -> Quantity:
        """The largest whole number that is not larger."""
        return Quantity(Fraction(self.value // 1), applied("floor", self.formula))

    def size(self) -> Size:
        """As a size; it is whole."""
        assert self.value.denominator == 1, self
        return Size(int(self.value), self.formula)


def number(value: int | Fraction) -> Quantity:
    """A plain number."""
    return Quantity(Fraction(value), constant(value))


def fixed(value: int) -> Size:
    """A size that nothing changes."""
    return Size(value, constant(value))


def named(value: int, atom: Atom) -> Size:
    """A size with a name."""
    return Size(value, of_atom(atom))


def as_given(value: float, formula: Polynomial) -> Size:
    """A number that a layer is given: mostly a size, but a rate is one, too, and only printed."""
    return Size(cast(int, value), formula)


def quantity(size: Size) -> Quantity:
    """A size to work with."""
    return Quantity(Fraction(size.value), size.formula)


def product(sizes: Iterable[Size]) -> Size:
    """As many numbers as all axes have together."""
    return reduce(lambda a, b: a * b, map(quantity, sizes), number(1)).size()


def total(sizes: Iterable[Size]) -> Size:
    """The sum of sizes."""
    return reduce(lambda a, b: a + b, map(quantity, sizes), number(0)).size()


def shape_words(shape: Shape) -> str:
    """`64 x 56 x 56`."""
    return " x ".join(f"{size.value:,}" for size in shape)


def channels_of(shape: Shape) -> Size:
    """Of a map the first axis, of tokens the last, of a vector its only one."""
    return shape[0] if len(shape) != TOKENS else shape[1]


def with_channels(shape: Shape, channels: Size) -> Shape:
    """The shape with as many channels."""
    return (channels, *shape[1:]) if len(shape) != TOKENS else (shape[0], channels)
