"""The numbers of a mask by name, so that code can read them from a config."""

from __future__ import annotations

from dataclasses import replace

from codegen.frozen import frozen
from codegen.spec.masks.amount import named
from codegen.spec.masks.atoms import ATOMS, Formula, Knob
from codegen.spec.masks.formula import atoms_of, formula_of
from codegen.spec.masks.tree import And, Atom, Mask, Not, Or


@frozen
class MaskNumber:
    """A number of a mask: its knob (the name tells two windows apart) and its value."""

    knob: Knob
    value: int

    @property
    def name(self) -> str:
        """What the config calls it."""
        return self.knob.name


def mask_numbers(mask: Mask) -> tuple[MaskNumber, ...]:
    """The numbers of the atoms, from left to right; equal numbers of one name are one number."""
    return tuple(dict.fromkeys(number for numbers in _by_atom(mask).values() for number in numbers))


def with_names(mask: Mask) -> Formula:
    """The mask's formula with its atoms' numbers by name."""
    names = {
        atom: tuple(named(n.name) for n in numbers) for atom, numbers in _by_atom(mask).items()
    }
    return formula_of(mask, names)


def named_mask(mask: Mask) -> Mask:
    """The mask with its atoms' numbers by name, to be put into words."""
    numbers = _by_atom(mask)

    def renamed(part: Mask) -> Mask:
        match part:
            case Atom(name):
                return Atom(name, tuple(named(n.name) for n in numbers[part]))
            case Not(operand):
                return Not(renamed(operand))
            case And(left, right):
                return And(renamed(left), renamed(right))
            case Or(left, right):
                return Or(renamed(left), renamed(right))
        return part

    return renamed(mask)


def _by_atom(mask: Mask) -> dict[Atom, tuple[MaskNumber, ...]]:
    found: dict[Atom, tuple[MaskNumber, ...]] = {}
    values: dict[str, list[int]] = {}  # of each knob, in order of appearance
    for atom in atoms_of(mask):
        numbers = []
        for knob, value in zip(ATOMS[atom.name].knobs, map(int, atom.arguments), strict=False):
            seen = values.setdefault(knob.name, [])
            if value not in seen:
                seen.append(value)
            index = seen.index(value) + 1
            suffix = f"_{index}" if index > 1 else ""
            own = replace(knob, name=knob.name + suffix, plural=knob.plural + suffix)
            numbers.append(MaskNumber(own, value))
        found[atom] = tuple(numbers)
    return found
