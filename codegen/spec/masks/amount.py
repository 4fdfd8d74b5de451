"""Whole numbers that may still be names: the bounds of a mask, before its config is known."""

from __future__ import annotations

from codegen.frozen import frozen


@frozen
class Sum:
    """A sum such as `q - window + 1`: whole multiples of names, and a constant."""

    terms: tuple[tuple[str, int], ...] = ()
    constant: int = 0

    def __add__(self, other: Amount) -> Sum:
        """The sum of both."""
        if isinstance(other, int):
            return Sum(self.terms, self.constant + other)
        factors = dict(self.terms)
        for name, factor in other.terms:
            factors[name] = factors.get(name, 0) + factor
        kept = tuple((name, factor) for name, factor in factors.items() if factor)
        return Sum(kept, self.constant + other.constant)

    def __radd__(self, other: int) -> Sum:
        """The sum of both."""
        return self + other

    def __neg__(self) -> Sum:
        """Its negative."""
        return Sum(tuple((name, -factor) for name, factor in self.terms), -self.constant)

    def __sub__(self, other: Amount) -> Sum:
        """The difference."""
        return self + -other

    def __rsub__(self, other: int) -> Sum:
        """The difference, the other way."""
        return -self + other

    def __int__(self) -> int:
        """Its value, where no name is left in it."""
        if self.terms:
            raise ValueError(f"{self} has no value yet")
        return self.constant

    def __format__(self, spec: str) -> str:
        """As source; a number's format does not apply to names."""
        return str(self)

    def __str__(self) -> str:
        """As source: what is added first, then what is taken away."""
        ordered = sorted(self.terms, key=lambda term: term[1] < 0)
        parts = [(f, name if abs(f) == 1 else f"{abs(f)} * {name}") for name, f in ordered]
        if self.constant or not parts:
            constant = (self.constant, str(abs(self.constant)))
            parts = [*parts, constant] if parts and parts[0][0] > 0 else [constant, *parts]
        text = ""
        for sign, part in parts:
            text += (" - " if text else "-") if sign < 0 else (" + " if text else "")
            text += part
        return text


Amount = int | Sum


def named(name: str) -> Sum:
    """The number of that name."""
    return Sum(((name, 1),))
