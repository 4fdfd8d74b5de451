"""A Python file whose classes become blocks: its definitions, and which of them a class needs."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Collection, Iterator
from functools import cached_property

from codegen.errors import Diagnostic, Position
from codegen.frozen import frozen

# What a package has anyway, or what only says types.
MODULES = ("math", "torch", "torch.nn", "torch.nn.functional", "__future__", "typing")
Import = ast.Import | ast.ImportFrom


class OwnFileError(Exception):
    """What is wrong with the file, at its place."""

    def __init__(self, finding: Diagnostic) -> None:
        super().__init__(finding.message)
        self.finding = finding


@frozen
class OwnFile:
    """A file's statements, and which of them bind each name at its top."""

    path: str  # as people see it
    text: str
    tree: ast.Module

    @cached_property
    def lines(self) -> list[str]:
        """Of the text."""
        return self.text.split("\n")

    @cached_property
    def bound(self) -> dict[str, list[ast.stmt]]:
        """The statements that bind each name."""
        found: dict[str, list[ast.stmt]] = {}
        for statement in self.tree.body:
            for name in dict.fromkeys(_names_bound(statement)):
                found.setdefault(name, []).append(statement)
        return found

    @cached_property
    def classes(self) -> dict[str, ast.ClassDef]:
        """By name."""
        return {one.name: one for one in self.tree.body if isinstance(one, ast.ClassDef)}

    def error(self, node: ast.AST, message: str, hint: str | None = None) -> OwnFileError:
        """A mistake at a place of the file."""
        line, column = getattr(node, "lineno", 1), getattr(node, "col_offset", 0)
        where = Position(self.path, line, column + 1, self.lines[line - 1])
        return OwnFileError(Diagnostic(message, where, hint))

    def reached(self, names: Collection[str]) -> list[ast.stmt]:
        """The statements that these names need, in order; OwnFileError of what can't be copied."""
        todo, known, found = [*names], set(names), set()
        while todo:
            for statement in self.bound.get(todo.pop(), ()):
                if id(statement) in found:
                    continue
                found.add(id(statement))
                self._check(statement)
                new = {n.id for n in ast.walk(statement) if isinstance(n, ast.Name)} - known
                new |= set(_quoted(statement)) - known
                known |= new
                todo += new
        return [one for one in self.tree.body if id(one) in found]

    def needed(self, names: Collection[str]) -> str:
        """The text of these definitions and of what they need, with the comments above each."""
        kept = {id(one) for one in self.reached(names)}
        imports = [one for one in self.tree.body if id(one) in kept and isinstance(one, Import)]
        used = {
            node.id
            for one in self.tree.body
            if id(one) in kept
            for node in ast.walk(one)
            if isinstance(node, ast.Name)
        }
        used |= {name for one in self.tree.body if id(one) in kept for name in _quoted(one)}
        parts = [*filter(None, (_import_text(one, used) for one in imports))]
        end, rest = 0, []
        for statement in self.tree.body:
            start = _first_line(statement)
            if id(statement) in kept and not isinstance(statement, Import):
                above = self.lines[max(end, _comments_above(self.lines, start)) : start]
                rest.append("\n".join([*above, *self.lines[start : statement.end_lineno]]))
            end = statement.end_lineno or end
        said = ast.get_docstring(self.tree, clean=False)
        head = ast.get_source_segment(self.text, self.tree.body[0]) if said is not None else None
        future = "from __future__ import annotations"
        blocks = [*([head] if head else []), future, "\n".join(parts), "\n\n\n".join(rest)]
        return "\n\n".join(blocks) + "\n"

    def _check(self, statement: ast.stmt) -> None:
        if not isinstance(
            statement,
            ast.ClassDef
            | ast.FunctionDef
            | ast.Assign
            | ast.AnnAssign
            | ast.Import
            | ast.ImportFrom,
        ):
            what = type(statement).__name__.lower()
            message = f"what a block needs is bound inside of `{what}`"
            raise self.error(statement, message, "a definition at the top of the file")
        for node in ast.walk(statement):
            if isinstance(node, ast.Import):
                modules = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                modules = ["." * node.level + (node.module or "")]
                if any(alias.name == "*" for alias in node.names):
                    hint = "name what it uses"
                    raise self.error(node, "a block's file imports names, not `*`", hint)
            else:
                continue
            for module in modules:
                if module not in MODULES:
                    message = f"a block may import torch and math, not `{module}`"
                    hint = "write what it needs in this file, with torch alone"
                    raise self.error(node, message, hint)


def parsed(text: str, path: str) -> OwnFile:
    """The file; OwnFileError where it is no Python."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what a text's escapes mean
            return OwnFile(path, text, ast.parse(text))
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        number, column = getattr(error, "lineno", None) or 1, getattr(error, "offset", None) or 1
        lines = [*text.split("\n"), ""]
        where = Position(path, number, column, lines[min(number, len(lines)) - 1])
        raise OwnFileError(
            Diagnostic(f"no Python: {getattr(error, 'msg', error)}", where)
        ) from None


def _names_bound(statement: ast.stmt) -> Iterator[str]:
    """The names that a statement at the top binds, however deep in it."""
    match statement:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            yield name
        case ast.ImportFrom(module="__future__"):
            return
        case ast.Import(names=names) | ast.ImportFrom(names=names):
            yield from ((one.asname or one.name).partition(".")[0] for one in names)
        case _:
            for node in ast.walk(statement):
                if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                    yield node.id
                elif isinstance(node, ast.stmt) and node is not statement:
                    yield from _names_bound(node)


def _quoted(statement: ast.stmt) -> Iterator[str]:
    """Names in annotations that are texts."""
    for node in ast.walk(statement):
        notes = [getattr(node, "annotation", None), getattr(node, "returns", None)]
        for note in notes:
            if isinstance(note, ast.Constant) and isinstance(note.value, str):
                try:
                    inner = ast.parse(note.value, mode="eval")
                except SyntaxError:
                    continue
                yield from (n.id for n in ast.walk(inner) if isinstance(n, ast.Name))


def _import_text(node: Import, used: Collection[str]) -> str:
    """An import of no more than is used."""
    names = [a for a in node.names if (a.asname or a.name).partition(".")[0] in used]
    if not names:
        return ""
    if isinstance(node, ast.Import):
        return ast.unparse(ast.Import(names))
    return ast.unparse(ast.ImportFrom(node.module, names, 0))


def _first_line(statement: ast.stmt) -> int:
    """From 0, with its decorators."""
    decorators: list[ast.expr] = getattr(statement, "decorator_list", [])
    return min([statement.lineno, *(one.lineno for one in decorators)]) - 1


def _comments_above(lines: list[str], start: int) -> int:
    """Where the comments right above a line begin."""
    while start and lines[start - 1].startswith("#"):
        start -= 1
    return start
