"""The numbers of the model's own layers as fields of its config, and how code reads each."""

from __future__ import annotations

from codegen.frozen import frozen
from codegen.plan.network.polynomial import Atom, Chosen, Polynomial, constant, of_atom
from codegen.plan.network.size import Entry
from codegen.plan.network.stages import Looped, Stages
from codegen.plan.network.toy import STRUCTURE
from codegen.plan.network.tree import Levels, Line
from codegen.plan.network.walk import OwnNumber
from codegen.plan.reads import Read
from codegen.plan.tables import ConfigField
from codegen.plan.tables import Number as Value

PLURALS = {
    "width": "widths",
    "repeat": "blocks",
    "blocks": "blocks",
    "dropout": "dropouts",
    "drop_path": "drop_paths",
    "stride": "strides",
    "expand": "expansions",
    "hidden": "hidden_widths",
    "squeeze": "squeezes",
    "count": "counts",
    "depth": "depths",
    "kernel": "kernels",
    "dilation": "dilations",
    "groups": "groups",
}
SINGULARS = {"repeat": "blocks", "hidden": "hidden_width"}
COMMENTS = {
    "width": "units of a hidden layer",
    "widths": "units of the hidden layers",
}
RATES = ("dropout", "drop_path")


@frozen
class Fields:
    """The config's fields of a model's own numbers, and what each number is in code."""

    fields: tuple[ConfigField, ...]
    reads: dict[Atom, Polynomial]
    of_loops: dict[tuple[int, ...], str]


def config_fields(
    line: Line, numbers: list[OwnNumber], toy: dict[int, int], mapped: bool, prefix: str = ""
) -> Fields:
    """A field for each name of a number; `mapped`: the model is of maps, not of vectors."""
    looped = [loop for node in line.nodes if isinstance(node, Stages) for loop in node.loops]
    looped += [_levels(node) for node in line.nodes if isinstance(node, Levels)]
    loops = {loop.ordinals: loop for loop in looped}
    of_loop = {ordinal: loop.ordinals for loop in looped for ordinal in loop.ordinals}
    reads: dict[Atom, Polynomial] = {}
    groups: dict[tuple[str, str], list[int]] = {}
    for at, one in enumerate(numbers):
        literal = one.field in STRUCTURE or (one.field == "repeat" and not one.said)
        if literal and at not in of_loop:
            reads[Chosen(at)] = constant(int(one.value))
            continue
        groups.setdefault((prefix + _part(one, numbers), one.field), []).append(at)
    fields, names = [], {}
    for (part, name), ordinals in groups.items():
        in_loop = any(at in of_loop for at in ordinals)
        made = _field(part, name, ordinals, numbers, toy, many=in_loop, mapped=mapped)
        fields.append(made)
        several = isinstance(made.value, tuple)
        for index, at in enumerate(ordinals):
            atom: Atom = Entry(made.name, index) if several else Read(made.name)
            if several and in_loop and index == len(ordinals) - 1:
                atom = Entry(made.name, -1)
            reads[Chosen(at)] = of_atom(atom)
        for own in loops:
            if own[0] in ordinals:
                first = ordinals.index(own[0])
                names[own] = _slice(made.name, first, first + len(own), len(ordinals))
    return Fields(tuple(fields), reads, names)


def _levels(node: Levels) -> Looped:
    atoms = [width.formula.atom for width in node.widths]
    return Looped("width", tuple(one.ordinal for one in atoms if isinstance(one, Chosen)))


def _slice(name: str, start: int, end: int, count: int) -> str:
    if (start, end) == (0, count):
        return name
    return f"{name}[{start or ''}:{end if end < count else ''}]"


def _part(number: OwnNumber, numbers: list[OwnNumber]) -> str:
    """Where a number belongs: to a block, or to the layers before or after all blocks."""
    if number.field in RATES:
        return ""
    used = [one for one in numbers if one.holder and one.said]
    if number.holder:
        others = {one.holder for one in used if one.field == number.field}
        return f"{number.holder}_" if len(others) > 1 else ""
    if not any(one.field == number.field for one in used):
        return ""
    if number.place < used[0].place:
        return "stem_"
    return "head_" if number.place > used[-1].place else "between_"


def _field(
    part: str, name: str, ordinals: list[int], numbers: list[OwnNumber], toy: dict[int, int],
    *, many: bool, mapped: bool,
) -> ConfigField:  # fmt: skip
    values: list[Value] = [numbers[at].value for at in ordinals]
    tiny: list[Value] = [toy.get(at, numbers[at].value) for at in ordinals]
    kind = type(values[0]).__name__
    if len(set(values)) == 1 and len(set(tiny)) == 1 and not many:
        own = part + SINGULARS.get(name, name)
        comment = "" if mapped else COMMENTS.get(own, "")
        return ConfigField(own, kind, values[0], tiny[0], comment)
    plural = PLURALS.get(name, name if len(name) == 1 or name.endswith("s") else f"{name}s")
    comment = "" if mapped else COMMENTS.get(plural, "")
    return ConfigField(part + plural, f"tuple[{kind}, ...]", tuple(values), tuple(tiny), comment)
