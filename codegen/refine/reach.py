"""Which top-level names of a package's modules nothing reaches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from codegen.refine.facts import Facts

Name = tuple[str, str]  # a file, and a name at its top


def unreached(
    modules: Mapping[str, Facts], roots: Mapping[str, tuple[str, ...]]
) -> dict[str, set[str]]:
    """For each file with roots, the names at its top that no root of any file leads to.

    Statements that run when a module is read are roots too, and so is all of a file without any.
    """
    packaged = {path: _Module(path, facts) for path, facts in modules.items()}
    todo = [name for path in modules for name in packaged[path].started_by(roots.get(path))]
    reached: set[Name] = set()
    while todo:
        path, name = found = todo.pop()
        if path in packaged and name in packaged[path].statements and found not in reached:
            reached.add(found)
            todo += packaged[path].led_to_by(name)
    return {
        path: {name for name in module.statements if (path, name) not in reached}
        for path, module in packaged.items()
        if path in roots
    }


class _Module:
    """What leads where in one file."""

    def __init__(self, path: str, facts: Facts) -> None:
        self.path, self.facts = path, facts
        self.statements: dict[str, list[int]] = {}  # that bind a name, or complete what it names
        self.loose: list[int] = []
        self.imports = {one.statement for one in facts.imports if not one.nested}
        for index, bound in enumerate(facts.bound):
            for name in bound:
                self.statements.setdefault(name, []).append(index)
        own = {
            name for i, bound in enumerate(facts.bound) if i not in self.imports for name in bound
        }
        for index, completed in enumerate(facts.completes):
            if completed in own:
                self.statements[completed].append(index)
            elif not facts.bound[index]:
                self.loose.append(index)
        files = (one for one in facts.imports if one.level == 1 and not one.module)
        self.siblings = {one.bound: f"{one.name}.py" for one in files}

    def started_by(self, roots: tuple[str, ...] | None) -> Iterator[Name]:
        """What is reached in any case."""
        whole = (i for i in range(len(self.facts.bound)) if i not in self.imports)
        for index in self.loose if roots is not None else whole:
            yield from self._used_by(index)
        for name in roots or ():
            yield self.path, name

    def led_to_by(self, name: str) -> Iterator[Name]:
        """What is reached with a name."""
        for index in self.statements[name]:
            if index in self.imports:
                yield from self._imported(index, name)
            else:
                yield from self._used_by(index)

    def _used_by(self, index: int) -> Iterator[Name]:
        facts = self.facts
        yield from ((self.path, name) for name in facts.used[index])
        for name, read in facts.reads[index]:
            if name in self.siblings:
                yield self.siblings[name], read
        yield from self._imported(index)

    def _imported(self, index: int, name: str | None = None) -> Iterator[Name]:
        """What a statement imports from other files of the package; under one name, or all."""
        for one in self.facts.imports:
            meant = one.statement == index and name in (None, one.bound)
            if meant and one.level == 1 and one.module and one.name:
                yield f"{one.module}.py", one.name
