"""The names of a network's modules in another library's checkpoints, from its mapping file."""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from codegen.frozen import frozen
from codegen.importers.formula import FormulaError, compute, names_in, parsed
from codegen.importers.libraries import Library
from codegen.importers.module_lists import HOLE, each_name, lists_in
from codegen.plan.module_names import BlockNames, Layout, ModuleNames, NameTable
from codegen.plan.network.held_modules import Around, HeldModule
from codegen.plan.tables import Parameter

OF_STAGES, COUNTED = {"stage", "block"}, {"n"}
OTHERS = ("gate", "shortcut")  # modules of a block with names of their own
LAYOUTS: tuple[Layout, ...] = ("matrix", "convolution", "column", "grid")
TENSORS = {"grid": (".weight", ".bias")}  # of a module, those laid out so: else its weight


class NoPlaceError(Exception):
    """A model that a mapping file has no names for; the message says what is amiss."""


@dataclass
class Use:
    """One block that the mapping has names for, with its modules."""

    around: Around
    modules: list[HeldModule] = field(default_factory=list)
    stage: int = 0
    number: int = 0  # in its stage
    n: int = 0


@frozen
class Named:
    """What a mapping says of a module: its name there, or that of its only tensor."""

    name: str
    tensor: bool = False
    layout: Layout = ""


@dataclass
class RowsOfBlocks:
    """Rows of blocks that are one stage: how many each has, as code."""

    counts: list[str]


def module_names(
    library: Library, model_type: str, weights: dict[str, Any], modules: Sequence[HeldModule]
) -> tuple[ModuleNames, dict[str, str]]:
    """The names as weights.py has them, and theirs of each of our tensors."""
    said = weights.get("blocks", {})
    own: list[HeldModule] = []
    uses: dict[str, Use] = {}
    before: Use | None = None
    kinds: dict[str, list[RowsOfBlocks]] = {block: [] for block in said}
    counts = dict.fromkeys(said, 0)
    for module in modules:
        inside = next((one for one in reversed(module.around) if one.block in said), None)
        if inside is None:
            own.append(module)
            before = None
            continue
        use = uses.get(inside.prefix)
        if use is None:
            use = uses[inside.prefix] = Use(inside, n=counts[inside.block])
            counts[inside.block] += 1
            _number(use, before, kinds[inside.block])
        use.modules.append(module)
        before = use
    own_names = [
        replace(one, name=_filled(one.name, {"n": len(uses)}))
        for one in map(_named, _listed(weights["modules"], len(own), "outside of blocks"))
    ]
    known = {one.name: there for one, there in zip(own, own_names, strict=True)}
    tables: dict[str, dict[str, Named]] = {}
    for use in uses.values():
        at = _place(said[use.around.block], use)
        table = tables.setdefault(use.around.class_name, {})
        for module, name in _inside(said[use.around.block], use):
            table.setdefault(module.name.removeprefix(use.around.prefix), name)
            known[module.name] = replace(name, name=_joined(at, name.name))
    said_names = [*own_names, *(name for table in tables.values() for name in table.values())]
    found = ModuleNames(
        library=library,
        model_type=model_type,
        own=tuple(one.name for one in own_names),
        blocks=tuple(_blocks(said, uses, kinds)),
        tables=tuple(_tables(tables, uses)),
        tensors=_ends(said_names, tensors=True),
        layouts=tuple((kind, ends) for kind in LAYOUTS if (ends := _ends(said_names, layout=kind))),
        left_out=tuple(weights.get("left_out", ())),
    )
    return found, dict(_tensor_names(modules, known))


def with_layout(parameters: Sequence[Parameter], names: dict[str, str]) -> tuple[Parameter, ...]:
    """The parameter table with the name that each row has over there."""
    return tuple(replace(row, layout=names[row.name]) for row in parameters)


def _number(use: Use, before: Use | None, stages: list[RowsOfBlocks]) -> None:
    """Of which stage it is, and its place there: rows that go on are one stage."""
    around, last = use.around, before.around if before else None
    same = last is not None and last.block == around.block
    if before and last and same and last.row == around.row:
        use.stage, use.number = before.stage, before.number + 1
        return
    if before and last and same and last.width == around.width and around.stride == 1:
        use.stage, use.number = before.stage, before.number + 1
        stages[-1].counts.append(str(around.count.of("model.config")))
        return
    stages.append(RowsOfBlocks([str(around.count.of("model.config"))]))
    use.stage = len(stages) - 1


def _listed(said: Sequence[Any], count: int, where: str) -> Sequence[Any]:
    """The list of names that is long enough: there may be several."""
    lists = lists_in(said)
    for one in lists:
        if len(one) == count:
            return one
    known = " or ".join(str(len(one)) for one in lists)
    raise NoPlaceError(f"names {known} modules {where}, and this model has {count}")


def _inside(said: dict[str, Any], use: Use) -> Iterator[tuple[HeldModule, Named]]:
    """The modules of a block with their names there, by the first of the forms that suits."""
    kinds: dict[str, list[HeldModule]] = {kind: [] for kind in ("modules", *OTHERS)}
    for module in use.modules:
        kinds[_kind(module.name.removeprefix(use.around.prefix))].append(module)
    forms = said.get("forms", [said])
    may_lack = OTHERS if len(forms) == 1 else ("shortcut",)
    for form in forms:
        if all(_suits(form, kind, len(found), may_lack) for kind, found in kinds.items()):
            for kind, found in kinds.items():
                names = each_name(form.get(kind, ()))[: len(found)]
                yield from ((m, _named(n)) for m, n in zip(found, names, strict=True))
            return
    counts = ", ".join(f"{len(found)} {kind}" for kind, found in kinds.items() if found)
    raise NoPlaceError(f"has no names for a block `{use.around.block}` of {counts}")


def _suits(form: dict[str, Any], kind: str, count: int, may_lack: Collection[str]) -> bool:
    """Whether a form has as many names; some kinds of modules a block may do without."""
    return count == len(each_name(form.get(kind, ()))) or (kind in may_lack and not count)


def _kind(inner: str) -> str:
    """Whether a module of a block is of its shortcut, of a gate, or neither."""
    parts = inner.split(".")
    return next((kind for kind in OTHERS if any(p.startswith(kind) for p in parts)), "modules")


def _named(said: Any) -> Named:
    if isinstance(said, str):
        return Named(said)
    layout = said.get("as", "")
    assert layout in ("", *LAYOUTS), said
    return Named(said.get("tensor") or said["name"], "tensor" in said, layout)


def _joined(at: str, name: str) -> str:
    return f"{at}.{name}" if name else at


class Numbers:
    """The names in the holes of a pattern, and their values."""

    def __init__(self, values: dict[str, int]) -> None:
        self.values = values

    def value(self, name: str) -> int:
        """Of stage, block or n."""
        if name not in self.values:
            raise FormulaError(f"`{name}` is none of {', '.join(self.values)}")
        return self.values[name]

    def function(self, name: str) -> None:
        """There are none."""


def _filled(pattern: str, values: dict[str, int]) -> str:
    """A pattern with what its holes come to."""
    return HOLE.sub(lambda hole: str(compute(hole[1], Numbers(values))), pattern)


def _place(said: dict[str, Any], use: Use) -> str:
    """What a block is called over there."""
    at = said["at"]
    if isinstance(at, list):
        if use.n >= len(at):
            block = use.around.block
            raise NoPlaceError(f"has names for {len(at)} blocks `{block}`, and there are more")
        return str(at[use.n])
    return _filled(at, {"stage": use.stage, "block": use.number, "n": use.n})


def _blocks(
    said: dict[str, Any], uses: dict[str, Use], kinds: dict[str, list[RowsOfBlocks]]
) -> Iterator[BlockNames]:
    """Where the names of each kind of blocks come from."""
    for block, one in said.items():
        mine = [use for use in uses.values() if use.around.block == block]
        if not mine:
            continue
        classes = tuple(dict.fromkeys(use.around.class_name for use in mine))
        variable = f"{block}_names"
        at = one["at"]
        if isinstance(at, list):
            yield BlockNames(variable, classes, names=tuple(at[: len(mine)]))
            continue
        holes = {name for hole in HOLE.findall(at) for name in names_in(hole).values}
        pattern = HOLE.sub(lambda hole: f"{{{_code(hole[1])}}}", at)
        if holes <= COUNTED:
            yield BlockNames(variable, classes, pattern)
            continue
        assert holes <= OF_STAGES, at
        yield BlockNames(variable, classes, pattern, _counts(kinds[block]))


def _code(text: str) -> str:
    return ast.unparse(parsed(text))


def _counts(stages: Sequence[RowsOfBlocks]) -> str:
    """Code for the blocks of each stage: a field of the config, or a tuple of what each has."""
    each = [" + ".join(stage.counts) for stage in stages]
    fields = [re.fullmatch(r"(model\.config\.\w+)\[(-?\d+)\]", one) for one in each]
    names = {found[1] for found in fields if found}
    if all(fields) and len(names) == 1:
        places = [int(found[2]) for found in fields if found]
        if places[:-1] == [*range(len(places) - 1)] and places[-1] in (-1, len(places) - 1):
            return names.pop()
    if len(set(each)) == 1 and len(each) > 2:
        return f"({each[0]},) * {len(each)}"
    return f"({', '.join(each)}{',' if len(each) == 1 else ''})"


def _tables(tables: dict[str, dict[str, Named]], uses: dict[str, Use]) -> Iterator[NameTable]:
    variables = {use.around.class_name: f"{use.around.block}_names" for use in uses.values()}
    for name, rows in tables.items():
        constant = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).upper()
        constant = f"{constant}_MODULES" if constant == name else constant
        named = tuple((ours, there.name) for ours, there in rows.items())
        yield NameTable(constant, name, named, variables[name])


def _ends(named: Iterable[Named], *, tensors: bool = False, layout: Layout = "") -> tuple[str, ...]:
    """What the names of some tensors end with: of those alone, or laid out so."""
    found: dict[str, None] = {}
    for one in named:
        if tensors and one.tensor:
            found[one.name] = None
        elif layout and one.layout == layout:
            ends = ("",) if one.tensor else TENSORS.get(layout, (".weight",))
            found |= {f"{one.name}{end}": None for end in ends}
    return tuple(found)


def _tensor_names(
    modules: Sequence[HeldModule], known: dict[str, Named]
) -> Iterator[tuple[str, str]]:
    for module in modules:
        there = known[module.name]
        for tensor in module.tensors:
            ours = f"{module.name}.{tensor}"
            yield ours, there.name if there.tensor else f"{there.name}.{tensor}"
