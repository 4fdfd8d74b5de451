"""Removes top-level definitions and imports by name, with everything else left to the letter."""

from __future__ import annotations

import ast
from collections.abc import Collection

from codegen.refine.facts import completed, names_bound


def remove_names(text: str, module: ast.Module, names: Collection[str]) -> str:
    """The module without the top-level definitions and imports of `names`.

    What completes a definition goes with it, and so do the comments above a statement; those above
    the first belong to the file.
    """
    lines = text.split("\n")
    kept: list[str] = []
    end = 0  # lines that are dealt with
    for index, statement in enumerate(module.body):
        start, stop = _first_line(statement), statement.end_lineno or 0
        bound = names_bound(statement) or [completed(statement) or ""]
        dead = [name for name in bound if name in names]
        above, own = lines[end:start], lines[start:stop]
        if not dead:
            kept += above + own
        elif len(dead) < len(bound):
            kept += above + _without("\n".join(own), dead).split("\n")
        elif index == 0:
            kept += above
        end = max(end, stop)
    return "\n".join(kept + lines[end:])


def _first_line(statement: ast.stmt) -> int:
    """From 0, with its decorators."""
    decorators: list[ast.expr] = getattr(statement, "decorator_list", [])
    return min([statement.lineno, *(one.lineno for one in decorators)]) - 1


def _without(code: str, names: Collection[str]) -> str:
    """An import without some of its names."""
    import libcst as cst  # slow to import, and few packages drop a part of an import

    module = cst.parse_module(code)
    (statement,) = module.body
    assert isinstance(statement, cst.SimpleStatementLine)
    (part,) = statement.body
    assert isinstance(part, cst.Import | cst.ImportFrom)
    assert not isinstance(part.names, cst.ImportStar)
    bound = {id(one): one.evaluated_alias or one.evaluated_name for one in part.names}
    aliases = [one for one in part.names if bound[id(one)].partition(".")[0] not in names]
    aliases[-1] = aliases[-1].with_changes(comma=cst.MaybeSentinel.DEFAULT)
    line = statement.with_changes(body=[part.with_changes(names=aliases)])
    return module.with_changes(body=[line]).code
