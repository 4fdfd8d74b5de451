"""Which top-level names of a module nothing reaches."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from codegen.refine.facts import Facts


def unreachable(module: Facts, roots: Iterable[str]) -> set[str]:
    """The names bound at the top of a module that neither a root nor a loose statement reaches."""
    uses: dict[str, set[str]] = {}
    todo = set(roots)
    for bound, used in zip(module.bound, module.used, strict=True):
        for name in bound:
            uses.setdefault(name, set()).update(used - set(bound))
        if not bound:
            todo |= used
    reached: set[str] = set()
    while todo:
        name = todo.pop()
        if name in uses and name not in reached:
            reached.add(name)
            todo |= uses[name]
    return set(uses) - reached


def imported_from_siblings(modules: Mapping[str, Facts]) -> dict[str, set[str]]:
    """For each file of a package, the names that its other files import from it or read of it."""
    wanted: dict[str, set[str]] = {path: set() for path in modules}
    for module in modules.values():
        siblings: set[str] = set()
        for one in module.imports:
            if one.level == 1 and one.name is not None:
                if one.module:
                    wanted.setdefault(f"{one.module}.py", set()).add(one.name)
                else:
                    siblings.add(one.name)
        for name, read in module.reads:
            if name in siblings:
                wanted.setdefault(f"{name}.py", set()).add(read)
    return wanted
