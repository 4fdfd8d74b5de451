"""Imports are merged name by name; one that is still used stays, whoever removed it."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterable, Sequence

import libcst as cst

from codegen.emit.merge.pieces import Piece, code_of, import_source
from codegen.refine import facts_of

WIDTH = 100


def merge_from(base: Piece | None, mine: Piece, new: Piece) -> cst.SimpleStatementLine | None:
    """`from MODULE import ...` of both sides; None where that would lose a comment."""
    before, own, now = (_aliases(piece) if piece else [] for piece in (base, mine, new))
    wanted = [name for name in now if name in own or name not in before]
    wanted += [name for name in own if name not in now and name not in before]
    for piece, aliases in ((new, now), (mine, own)):
        if set(wanted) == set(aliases) and isinstance(piece.node, cst.SimpleStatementLine):
            return piece.node
    return None if "#" in mine.code or not wanted else _statement(new, wanted)


def with_used(code: str, disputed: str, sides: Iterable[Piece]) -> list[Piece]:
    """The imports of either side that merged or `disputed` code uses, and the merged lacks."""
    module = facts_of(ast.parse(code))
    used = module.all_used | facts_of(ast.parse(disputed)).all_used
    missing = used - module.top - set(dir(builtins))
    added: dict[str, Piece] = {}
    for piece in sides:
        for alias, name in _bindings(piece):
            if name in missing and name not in added:
                added[name] = _alone(piece, alias)
    return list(added.values())


def extend(node: cst.SimpleStatementLine, added: Piece) -> cst.SimpleStatementLine:
    """`from MODULE import ...` with a name more."""
    here = Piece(added.key, node, code_of(node))
    return _statement(here, [*_aliases(here), *_aliases(added)])


def _import(piece: Piece) -> cst.Import | cst.ImportFrom | None:
    match piece.node:
        case cst.SimpleStatementLine(body=[cst.Import() | cst.ImportFrom() as small]):
            return small
    return None


def _bindings(piece: Piece) -> list[tuple[str, str]]:
    """(alias as written, name that it binds) of each part of an import."""
    node = _import(piece)
    if node is None or isinstance(node.names, cst.ImportStar):
        return []
    return [
        (_written(alias), (alias.evaluated_alias or alias.evaluated_name).partition(".")[0])
        for alias in node.names
    ]


def _aliases(piece: Piece) -> list[str]:
    return [alias for alias, _ in _bindings(piece)]


def _written(alias: cst.ImportAlias) -> str:
    name = alias.evaluated_name
    return f"{name} as {alias.evaluated_alias}" if alias.asname else name


def _alone(piece: Piece, alias: str) -> Piece:
    """An import of one name."""
    if piece.key[0] == "from":
        return Piece(piece.key[:2], _statement(piece, [alias]), "")
    node = cst.parse_statement(f"import {alias}")
    assert isinstance(node, cst.SimpleStatementLine)
    return Piece(("import", alias), node, "")


def _statement(like: Piece, aliases: Sequence[str]) -> cst.SimpleStatementLine:
    """The import of `like`'s module with other names, laid out as a formatter would."""
    node = _import(like)
    assert isinstance(node, cst.ImportFrom)
    names = sorted(dict.fromkeys(aliases), key=_rank)
    text = f"from {import_source(node)} import {', '.join(names)}"
    if len(text) > WIDTH:
        inside = "".join(f"    {name},\n" for name in names)
        text = f"from {import_source(node)} import (\n{inside})"
    made = cst.parse_statement(text)
    assert isinstance(made, cst.SimpleStatementLine)
    return made.with_changes(leading_lines=like.node.leading_lines)


def _rank(alias: str) -> tuple[int, str]:
    """Constants, then classes, then the rest."""
    name = alias.partition(" ")[0]
    constant = name.isupper() and len(name) > 1
    return (0 if constant else 1 if name[:1].isupper() else 2), alias
