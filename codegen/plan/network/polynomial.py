"""Sizes as polynomials over names: worked out while shapes are inferred, printed as Python."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

from codegen.frozen import frozen
from codegen.plan.reads import Printed

SUM, PRODUCT, ATOM = 1, 2, 3  # how tightly a printed text binds


@frozen
class OwnName(Printed):
    """A name of the code around: an argument of a constructor, or a variable of a loop."""

    name: str

    def of(self, config: str) -> str:
        """The name."""
        return self.name


@frozen
class Chosen(Printed):
    """The number that a layer of the model itself was given, before the config names it."""

    ordinal: int

    def of(self, config: str) -> str:
        """It has no name yet."""
        return f"chosen_{self.ordinal}"


@frozen
class Applied(Printed):
    """What a function makes of polynomials; `floor` prints as `//`."""

    function: str
    arguments: tuple[Polynomial, ...]

    def of(self, config: str) -> str:
        """`max(a, b)`, or `a // 2`."""
        if self.function == "floor":
            return self.arguments[0].whole_division(config)[0]
        if self.function == "sum":
            return f"({self.arguments[0].of(config)})"
        exact = self.function == "round_to"
        inside = ", ".join(argument.text(config, exact)[0] for argument in self.arguments)
        return f"{self.function}({inside})"

    @property
    def binds(self) -> int:
        """As tightly as what it prints."""
        return PRODUCT if self.function == "floor" else ATOM


Atom = Printed


@frozen
class Monomial:
    """A rational number times powers of atoms."""

    numerator: int
    denominator: int
    powers: tuple[tuple[Atom, int], ...] = ()

    @property
    def factor(self) -> Fraction:
        """The rational number."""
        return Fraction(self.numerator, self.denominator)

    @cached_property
    def key(self) -> frozenset[tuple[Atom, int]]:
        """The powers, in no order."""
        return frozenset(self.powers)

    @property
    def divides(self) -> bool:
        """Whether something is divided by."""
        return self.denominator > 1 or any(power < 0 for _, power in self.powers)


@dataclass(frozen=True, eq=False)
class Polynomial(Printed):
    """A sum of monomials; equal to another whatever the order."""

    terms: tuple[Monomial, ...]

    def __eq__(self, other: object) -> bool:
        """Whether both are the same function of their atoms."""
        return isinstance(other, Polynomial) and self._keys == other._keys

    def __hash__(self) -> int:
        """Of the terms in no order."""
        return hash(self._keys)

    @cached_property
    def _keys(self) -> frozenset[tuple[Fraction, frozenset[tuple[Atom, int]]]]:
        return frozenset((term.factor, term.key) for term in self.terms)

    @property
    def constant(self) -> Fraction | None:
        """Its value, if it has no names."""
        if not self.terms:
            return Fraction(0)
        return self.terms[0].factor if not self.terms[0].powers and not self.terms[1:] else None

    @property
    def atom(self) -> Atom | None:
        """The one atom that it is."""
        if len(self.terms) == 1 and self.terms[0].factor == 1 and len(self.terms[0].powers) == 1:
            ((atom, power),) = self.terms[0].powers
            return atom if power == 1 else None
        return None

    def __add__(self, other: Polynomial) -> Polynomial:
        """The sum."""
        found: dict[frozenset[tuple[Atom, int]], Monomial] = {}
        for term in (*self.terms, *other.terms):
            before = found.get(term.key)
            total = term.factor + (before.factor if before else 0)
            powers = before.powers if before else term.powers
            found[term.key] = Monomial(total.numerator, total.denominator, powers)
        return Polynomial(tuple(term for term in found.values() if term.numerator))

    def __sub__(self, other: Polynomial) -> Polynomial:
        """The difference."""
        return self + other * constant(-1)

    def __mul__(self, other: Polynomial) -> Polynomial:
        """The product."""
        total = Polynomial(())
        for one in self.terms:
            for two in other.terms:
                total = total + Polynomial((_product(one, two),))
        return total

    def __truediv__(self, other: Polynomial) -> Polynomial:
        """The quotient; a sum that is divided by counts as one atom."""
        if len(other.terms) != 1:
            return self / Polynomial((Monomial(1, 1, ((Applied("sum", (other,)), 1),)),))
        (term,) = other.terms
        inverse = 1 / term.factor
        powers = tuple((atom, -power) for atom, power in term.powers)
        return self * Polynomial((Monomial(inverse.numerator, inverse.denominator, powers),))

    def with_atoms(self, known: Mapping[Atom, Polynomial]) -> Polynomial:
        """The polynomial with others in place of some atoms."""
        total = Polynomial(())
        for term in self.terms:
            product = Polynomial((Monomial(term.numerator, term.denominator),))
            for atom, power in term.powers:
                other = _with_atoms(atom, known)
                for _ in range(abs(power)):
                    product = product * other if power > 0 else product / other
            total = total + product
        return total

    def atoms(self) -> frozenset[Atom]:
        """Every name in it, those inside of functions too."""
        found: set[Atom] = set()
        for term in self.terms:
            for atom, _ in term.powers:
                if isinstance(atom, Applied):
                    found.update(*(inner.atoms() for inner in atom.arguments))
                else:
                    found.add(atom)
        return frozenset(found)

    def of(self, config: str) -> str:
        """`4 * config.width`."""
        return self.text(config)[0]

    def text(self, config: str, exact: bool = False) -> tuple[str, int]:
        """The text and how tightly it binds; `exact` divides by `/`."""
        if not self.terms:
            return "0", ATOM
        dividing = [term for term in self.terms if term.divides]
        if len(self.terms) > 1 and (len(dividing) > 1 or any(not t.powers for t in dividing)):
            return self.whole_division(config, exact)
        parts = [_monomial_text(term, config, exact) for term in self.terms]
        order = sorted(range(len(parts)), key=lambda at: self.terms[at].numerator < 0)
        text, binds = parts[order[0]]
        if not self.terms[1:]:
            return text, binds
        for at in order[1:]:
            part = parts[at][0]
            text += f" - {part[1:]}" if part.startswith("-") else f" + {part}"
        return text, SUM

    def whole_division(self, config: str, exact: bool = False) -> tuple[str, int]:
        """The sum over its common denominator: `(kernel - 1) // 2`."""
        below = Polynomial((Monomial(1, 1),))
        number = math.lcm(*(term.denominator for term in self.terms))
        powers: dict[Atom, int] = {}
        for term in self.terms:
            for atom, power in term.powers:
                powers[atom] = max(powers.get(atom, 0), -power)
        kept = tuple((atom, power) for atom, power in powers.items() if power)
        below = Polynomial((Monomial(number, 1, kept),))
        above = self * below
        if below == constant(1):
            return above.text(config)
        top, bottom = above.text(config, exact), below.text(config, exact)
        divisor = bottom[0] if bottom[1] == ATOM else f"({bottom[0]})"
        dividend = top[0] if top[1] >= PRODUCT else f"({top[0]})"
        return f"{dividend} {'/' if exact else '//'} {divisor}", PRODUCT


def constant(value: int | Fraction) -> Polynomial:
    """A number without names."""
    value = Fraction(value)
    term = Monomial(value.numerator, value.denominator)
    return Polynomial((term,) if value else ())


def of_atom(atom: Atom) -> Polynomial:
    """A name alone."""
    return Polynomial((Monomial(1, 1, ((atom, 1),)),))


def applied(function: str, *arguments: Polynomial) -> Polynomial:
    """What a function makes of polynomials; the floor of what is whole is itself."""
    if function == "floor" and not any(term.divides for term in arguments[0].terms):
        return arguments[0]
    return of_atom(Applied(function, arguments))


def _product(one: Monomial, two: Monomial) -> Monomial:
    powers = dict(one.powers)
    for atom, power in two.powers:
        powers[atom] = powers.get(atom, 0) + power
    factor = one.factor * two.factor
    kept = tuple((atom, power) for atom, power in powers.items() if power)
    return Monomial(factor.numerator, factor.denominator, kept)


def _with_atoms(atom: Atom, known: Mapping[Atom, Polynomial]) -> Polynomial:
    if atom in known:
        return known[atom]
    if isinstance(atom, Applied):
        inside = tuple(argument.with_atoms(known) for argument in atom.arguments)
        return inside[0] if atom.function == "sum" else applied(atom.function, *inside)
    return of_atom(atom)


def _monomial_text(term: Monomial, config: str, exact: bool) -> tuple[str, int]:
    above = [_power(atom, power, config) for atom, power in term.powers if power > 0]
    below = [_power(atom, -power, config) for atom, power in term.powers if power < 0]
    number = abs(term.numerator)
    if number != 1 or not above:
        above.insert(0, (str(number), ATOM))
    if term.denominator != 1:
        below.insert(0, (str(term.denominator), ATOM))
    text, binds = _times(above)
    if below:
        divisor, tight = _times(below)
        divisor = divisor if tight == ATOM else f"({divisor})"
        text, binds = f"{text} {'/' if exact else '//'} {divisor}", PRODUCT
    return ("-" if term.numerator < 0 else "") + text, binds


def _times(parts: list[tuple[str, int]]) -> tuple[str, int]:
    if len(parts) == 1:
        return parts[0]
    return " * ".join(text if binds == ATOM else f"({text})" for text, binds in parts), PRODUCT


def _power(atom: Atom, power: int, config: str) -> tuple[str, int]:
    text = atom.of(config)
    binds = atom.binds if isinstance(atom, Applied) else ATOM
    if power == 1:
        return text, binds
    return (f"{text}**{power}" if binds == ATOM else f"({text})**{power}"), ATOM
