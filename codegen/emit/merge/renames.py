"""What a person renamed: a top-level name that is gone, and a new one wherever it stood.

Both generated texts are given the person's names before they are merged, so that a rename is in no
other change's way.
"""

from __future__ import annotations

import re
import symtable
from collections import Counter
from collections.abc import Iterator, Mapping
from difflib import SequenceMatcher

import libcst as cst

from codegen.emit.merge.merged import Sides

TOKEN = re.compile(r"\w+|[^\w\s]")
Renames = Mapping[str, str]  # from the generated name to the person's


def renames_of(modules: Sides[cst.Module]) -> Renames:
    """The top-level names that a person renamed everywhere in a module."""
    names = modules.each(_names)
    gone = top_names(modules.base) - names.mine
    fresh = top_names(modules.mine) - names.base - names.new
    if not (gone and fresh):
        return {}
    gone -= _inner(modules.base.code) | _inner(modules.new.code)
    votes = Counter(pair for pair in _replaced(modules) if pair[0] in gone and pair[1] in fresh)
    olds, news = (Counter(pair[side] for pair in votes) for side in (0, 1))
    return {old: new for old, new in votes if olds[old] == news[new] == 1}


def definitions_renamed(base: str, mine: str) -> Renames:
    """The same of one generated text, without what the module only imports."""
    modules = Sides(cst.parse_module(base), cst.parse_module(mine), cst.parse_module(base))
    imported = {bound for _, bound, _ in _imported(modules.base)}
    return {old: new for old, new in renames_of(modules).items() if old not in imported}


def follow(text: str, renamed: Mapping[str, Renames]) -> tuple[str, tuple[str, ...]]:
    """A module's text that imports what others define by the names that they have now.

    `renamed` are the names by module; with the text come the new ones. A name that the text has
    already, or uses for something else, is left to a person.
    """
    module = cst.parse_module(text)
    near = {(module_, name) for module_, name in _near(module)}
    wanted = {
        old: new
        for other, names in renamed.items()
        for old, new in names.items()
        if (other, old) in near
    }
    taken = _names(module) | _inner(text)
    renames = {
        old: new for old, new in wanted.items() if new not in taken and old not in _inner(text)
    }
    return with_names(module, renames).code, tuple(renames.values())


def with_names(module: cst.Module, renames: Renames, like: cst.Module | None = None) -> cst.Module:
    """A module in which names are others; what it imports of its package is, too.

    A name that `like` imports as it was is only called otherwise here.
    """
    if not renames:
        return module
    kept = {name for name, _, _ in _imported(like)} if like else set()
    changed = module.visit(_Renaming(renames, kept))
    assert isinstance(changed, cst.Module)
    return changed


def top_names(module: cst.Module) -> set[str]:
    """What a module binds at its top: definitions, constants and imports."""
    found = {bound for _, bound, _ in _imported(module)}
    for statement in module.body:
        match statement:
            case cst.FunctionDef(name=name) | cst.ClassDef(name=name):
                found.add(name.value)
            case cst.SimpleStatementLine(body=[cst.Assign(targets=targets), *_]):
                found |= {t.target.value for t in targets if isinstance(t.target, cst.Name)}
            case cst.SimpleStatementLine(body=[cst.AnnAssign(target=cst.Name(value=value)), *_]):
                found.add(value)
    return found


def _imported(module: cst.Module) -> Iterator[tuple[str, str, bool]]:
    """(name there, name here, whether from the package) of each import at the top."""
    for statement in module.body:
        match statement:
            case cst.SimpleStatementLine(body=[cst.Import(names=names)]):
                near = False
            case cst.SimpleStatementLine(body=[cst.ImportFrom(names=[*names], relative=dots)]):
                near = bool(dots)
            case _:
                continue
        for alias in names:
            bound = alias.evaluated_alias or alias.evaluated_name.partition(".")[0]
            yield alias.evaluated_name, bound, near


def _near(module: cst.Module) -> Iterator[tuple[str, str]]:
    """(module, name) of what a module imports from others of its package."""
    for statement in module.body:
        match statement:
            case cst.SimpleStatementLine(
                body=[cst.ImportFrom(module=cst.Name(value=other), names=[*names], relative=[_])]
            ):
                yield from ((other, alias.evaluated_name) for alias in names if not alias.asname)


def _inner(code: str) -> set[str]:
    """The names that functions and classes bind for themselves."""
    found: set[str] = set()
    try:
        tables = symtable.symtable(code, "module", "exec").get_children()
    except SyntaxError:  # it parses, and Python won't run it: def f(a, a)
        return found
    while tables:
        table = tables.pop()
        tables += table.get_children()
        found |= {symbol.get_name() for symbol in table.get_symbols() if symbol.is_local()}
    return found


def _names(module: cst.Module) -> set[str]:
    """The names that a module reads or binds, apart from what imports call by other names."""
    found = _Found()
    module.visit(found)
    return found.names | {bound for _, bound, _ in _imported(module)}


def _replaced(modules: Sides[cst.Module]) -> Iterator[tuple[str, str]]:
    """Words of the generated text, and those in their places in lines that differ in words only."""
    one, other = (module.code.splitlines() for module in (modules.base, modules.mine))
    for tag, a, b, c, d in SequenceMatcher(None, one, other, autojunk=False).get_opcodes():
        if tag != "replace" or b - a != d - c:
            continue
        for before, after in zip(one[a:b], other[c:d], strict=True):
            words, now = TOKEN.findall(before), TOKEN.findall(after)
            if len(words) == len(now):
                yield from ((x, y) for x, y in zip(words, now, strict=True) if x != y)


class _Found(cst.CSTVisitor):
    """The names outside of imports, apart from attributes and the keywords of calls."""

    def __init__(self) -> None:
        self.names: set[str] = set()

    def visit_Import(self, node: cst.Import) -> bool:
        return False

    def visit_ImportFrom(self, node: cst.ImportFrom) -> bool:
        return False

    def visit_Attribute(self, node: cst.Attribute) -> bool:
        node.value.visit(self)
        return False

    def visit_Arg(self, node: cst.Arg) -> bool:
        node.value.visit(self)
        return False

    def visit_Name(self, node: cst.Name) -> None:
        self.names.add(node.value)


class _Renaming(cst.CSTTransformer):
    """Names where they are read or bound; attributes and the keywords of calls stay."""

    def __init__(self, renames: Renames, kept: set[str]) -> None:
        self.renames, self.kept = renames, kept

    def leave_Name(self, original_node: cst.Name, updated_node: cst.Name) -> cst.Name:
        return updated_node.with_changes(value=self._named(updated_node.value))

    def leave_Attribute(
        self, original_node: cst.Attribute, updated_node: cst.Attribute
    ) -> cst.Attribute:
        return updated_node.with_changes(attr=original_node.attr)

    def leave_Arg(self, original_node: cst.Arg, updated_node: cst.Arg) -> cst.Arg:
        return updated_node.with_changes(keyword=original_node.keyword)

    def leave_Import(self, original_node: cst.Import, updated_node: cst.Import) -> cst.Import:
        return original_node.with_changes(names=[self._called(a) for a in original_node.names])

    def leave_ImportFrom(
        self, original_node: cst.ImportFrom, updated_node: cst.ImportFrom
    ) -> cst.ImportFrom:
        if isinstance(original_node.names, cst.ImportStar):
            return original_node
        near = bool(original_node.relative)
        names = [self._called(alias, near) for alias in original_node.names]
        return original_node.with_changes(names=names)

    def leave_Assign(self, original_node: cst.Assign, updated_node: cst.Assign) -> cst.Assign:
        (first, *_) = original_node.targets
        if not (isinstance(first.target, cst.Name) and first.target.value == "__all__"):
            return updated_node
        named = updated_node.value.visit(_InTexts(self.renames))
        assert isinstance(named, cst.BaseExpression)
        return updated_node.with_changes(value=named)

    def _called(self, alias: cst.ImportAlias, near: bool = False) -> cst.ImportAlias:
        """An import under the new name: of the package by the name there, else by `as`."""
        bound = alias.evaluated_alias or alias.evaluated_name
        name = self._named(bound)
        if name == bound:
            return alias
        if near and not alias.asname and bound not in self.kept:
            return alias.with_changes(name=cst.Name(name))
        blank = cst.SimpleWhitespace(" ")
        called = cst.AsName(cst.Name(name), whitespace_before_as=blank)
        return alias.with_changes(asname=called)

    def _named(self, name: str) -> str:
        return self.renames.get(name, name)


class _InTexts(cst.CSTTransformer):
    """Names that are texts, as in `__all__`."""

    def __init__(self, renames: Renames) -> None:
        self.renames = renames

    def leave_SimpleString(
        self, original_node: cst.SimpleString, updated_node: cst.SimpleString
    ) -> cst.SimpleString:
        text = updated_node.raw_value
        quoted = updated_node.value.replace(text, self.renames.get(text, text))
        return updated_node.with_changes(value=quoted)
