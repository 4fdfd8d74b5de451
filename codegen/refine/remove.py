"""Removes top-level definitions and imports by name, with everything else left to the letter."""

from __future__ import annotations

import libcst as cst

Pruned = cst.BaseStatement | cst.FlattenSentinel[cst.BaseStatement] | cst.RemovalSentinel


def remove_names(text: str, names: set[str]) -> str:
    """The module without the top-level definitions and imports of `names`."""
    module = cst.parse_module(text)
    body = [kept for statement in module.body if (kept := _keep(statement, names)) is not None]
    return module.with_changes(body=body).code


def _keep(
    statement: cst.SimpleStatementLine | cst.BaseCompoundStatement, names: set[str]
) -> cst.SimpleStatementLine | cst.BaseCompoundStatement | None:
    if isinstance(statement, cst.FunctionDef | cst.ClassDef):
        return None if statement.name.value in names else statement
    if not isinstance(statement, cst.SimpleStatementLine):
        return statement
    kept = [small for part in statement.body if (small := _keep_small(part, names)) is not None]
    return statement.with_changes(body=kept) if kept else None


def _keep_small(part: cst.BaseSmallStatement, names: set[str]) -> cst.BaseSmallStatement | None:
    match part:
        case cst.Assign(targets=[cst.AssignTarget(target=cst.Name(value=name))]):
            return None if name in names else part
        case cst.AnnAssign(target=cst.Name(value=name)):
            return None if name in names else part
        case cst.Import() | cst.ImportFrom():
            return _keep_import(part, names)
    return part


def _keep_import(
    part: cst.Import | cst.ImportFrom, names: set[str]
) -> cst.Import | cst.ImportFrom | None:
    if isinstance(part.names, cst.ImportStar):
        return part
    aliases = [alias for alias in part.names if _bound(alias) not in names]
    if not aliases:
        return None
    aliases[-1] = aliases[-1].with_changes(comma=cst.MaybeSentinel.DEFAULT)
    return part.with_changes(names=aliases)


def _bound(alias: cst.ImportAlias) -> str:
    return (alias.evaluated_alias or alias.evaluated_name).partition(".")[0]
