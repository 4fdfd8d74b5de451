"""Definitions that the new rendering dropped, and an edit still uses."""

from __future__ import annotations

import ast
import symtable
from collections.abc import Mapping

import libcst as cst

from codegen.emit.merge.pieces import Key, Piece, Statement
from codegen.refine import facts_of


def still_used(
    chosen: Mapping[Key, Statement], dropped: Mapping[Key, Piece]
) -> dict[Key, Statement]:
    """Those of the `dropped` that a module of the `chosen` needs, and what they need in turn."""
    left = {key: piece.node for key, piece in dropped.items() if key[0] == "name"}
    used: dict[Key, Statement] = {}
    first = sorted(chosen, key=lambda key: key != ("from", "__future__"))  # or it is no module
    while left:
        code = cst.Module([*(chosen[key] for key in first), *used.values()]).code
        try:
            missing = global_names(code) - facts_of(ast.parse(code)).top
        except SyntaxError:  # it parses, and Python won't run it: def f(a, a)
            break
        needed = {key: node for key, node in left.items() if key[1] in missing}
        if not needed:
            break
        used |= needed
        left = {key: node for key, node in left.items() if key not in needed}
    return used


def global_names(code: str) -> set[str]:
    """The names that code reads from the top of its module or from the builtins.

    What a function or a class binds itself is another's, of whatever name.
    """
    found, tables = _annotated(ast.parse(code)), [symtable.symtable(code, "module", "exec")]
    while tables:
        table = tables.pop()
        tables += table.get_children()
        found |= {
            symbol.get_name()
            for symbol in table.get_symbols()
            if symbol.is_referenced() and (symbol.is_global() or table.get_type() == "module")
        }
    return found


def _annotated(module: ast.Module) -> set[str]:
    """The names in annotations, which need not be evaluated."""
    notes: list[ast.expr | None] = []
    for node in ast.walk(module):
        match node:
            case ast.arg(annotation=note) | ast.AnnAssign(annotation=note):
                notes.append(note)
            case ast.FunctionDef(returns=note) | ast.AsyncFunctionDef(returns=note):
                notes.append(note)
    parts = [part for note in notes if note for part in ast.walk(note)]
    return {part.id for part in parts if isinstance(part, ast.Name)}
