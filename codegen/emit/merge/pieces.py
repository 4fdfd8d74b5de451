"""A module or a class body as pieces: one statement each, known by its qualified name."""

from __future__ import annotations

import re
from collections.abc import Sequence

import libcst as cst

from codegen.frozen import frozen
from codegen.refine import format_code

Statement = cst.SimpleStatementLine | cst.BaseCompoundStatement
Key = tuple[str, ...]  # what a piece is, and its name; a number where several have one name

KEEP = re.compile(r"#\s*tgen:\s*keep\b")
PRINTER = cst.Module([])


@frozen
class Piece:
    """One statement with the comments above it, at no indentation."""

    key: Key
    node: Statement
    code: str

    @property
    def name(self) -> str:
        """As people call it."""
        return describe(self.key)

    @property
    def kept(self) -> bool:
        """Whether a person marked it `# tgen: keep`."""
        return any(KEEP.search(comment) for comment in _marks(self.node))


def pieces_of(body: Sequence[cst.BaseStatement]) -> dict[Key, Piece]:
    """The pieces of a body, in order."""
    found: dict[Key, Piece] = {}
    for index, node in enumerate(body):
        assert isinstance(node, Statement)
        key = _key(node, first=index == 0)
        count = 1
        while (unique := key if count == 1 else (*key, str(count))) in found:
            count += 1
        found[unique] = Piece(unique, node, code_of(node))
    return found


def code_of(node: cst.CSTNode) -> str:
    """A statement's text at no indentation, without blank lines above it."""
    return PRINTER.code_for_node(node).lstrip("\n")


def code_at(node: Statement, depth: int) -> str:
    """The same as it stands in `depth` classes; the lines inside of texts are never moved."""
    lines = _in_classes(node, depth).split("\n")
    return "\n".join(lines[depth:]).lstrip("\n")


def formatted(node: Statement, depth: int) -> str:
    """The code of a statement as it would be formatted in `depth` classes."""
    module = cst.parse_module(format_code(_in_classes(node, depth)))
    (one,) = module.body
    for _ in range(depth):
        assert isinstance(one, cst.ClassDef) and isinstance(one.body, cst.IndentedBlock)
        (inner,) = one.body.body
        assert isinstance(inner, Statement)
        one = inner
    above = [*module.header, *one.leading_lines]  # to a module, the first comments are its own
    return code_of(one.with_changes(leading_lines=above))


def _in_classes(node: Statement, depth: int) -> str:
    wrapped: cst.BaseStatement = node
    for _ in range(depth):
        wrapped = cst.ClassDef(cst.Name("_"), cst.IndentedBlock([wrapped]))
    return PRINTER.code_for_node(wrapped)


def comments(lines: Sequence[cst.EmptyLine]) -> tuple[str, ...]:
    """The comments of blank and comment lines."""
    return tuple(line.comment.value for line in lines if line.comment)


def describe(key: Key) -> str:
    """A key as people say it: `forward`, `import math`, `the docstring`."""
    match key:
        case ("name", name, *_):
            return name
        case ("docstring", *_):
            return "the docstring"
        case (kind, text, *_) if kind in ("import", "from"):
            return f"{kind} {text}"
        case (_, text, *_):
            return f"`{text}`"
    raise AssertionError(key)


def _key(node: Statement, first: bool) -> Key:
    match node:
        case cst.FunctionDef(name=name) | cst.ClassDef(name=name):
            return ("name", name.value)
        case cst.SimpleStatementLine(body=[small, *_]):
            return _small_key(small, first)
    head = code_of(node.with_changes(leading_lines=())).partition("\n")[0]
    return ("block", head)


def _small_key(small: cst.BaseSmallStatement, first: bool) -> Key:
    match small:
        case cst.ImportFrom(names=[*_]):
            return ("from", import_source(small))
        case cst.Import() | cst.ImportFrom():
            return ("import", _code(small).removeprefix("import "))
        case cst.Assign(targets=targets):
            return ("name", ", ".join(_code(target.target) for target in targets))
        case cst.AnnAssign(target=target):
            return ("name", _code(target))
        case cst.Expr(value=cst.SimpleString() | cst.ConcatenatedString()) if first:
            return ("docstring",)
        case cst.Expr(value=cst.Call(func=called)):
            return ("statement", _code(called))
    return ("statement", type(small).__name__.lower())


def import_source(node: cst.ImportFrom) -> str:
    """The module of `from MODULE import ...`, with its dots."""
    return "." * len(node.relative) + (_code(node.module) if node.module else "")


def _code(node: cst.CSTNode) -> str:
    return PRINTER.code_for_node(node)


def _marks(node: Statement) -> list[str]:
    """The comments in which a definition can be marked: above it, and on its first line."""
    found = list(comments(node.leading_lines)) if hasattr(node, "leading_lines") else []
    if isinstance(node, cst.FunctionDef | cst.ClassDef):
        found += comments(node.lines_after_decorators)
    end = (
        node.trailing_whitespace
        if isinstance(node, cst.SimpleStatementLine)
        else getattr(node.body, "header", None) or getattr(node.body, "trailing_whitespace", None)
    )
    if end is not None and end.comment:
        found.append(end.comment.value)
    return found
