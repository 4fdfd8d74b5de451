"""A module's text -> one kernel and what it needs of the module."""

from __future__ import annotations

import ast
import threading
from functools import lru_cache

from codegen.errors import TgenError

PARSING = threading.Lock()  # two threads at once can fail in Python 3.11 (python/cpython#106905)
Statement = ast.stmt | ast.ExceptHandler


def kernel_source(module: str, name: str) -> str:
    """The statements of a module that the function `name` reaches, in their order.

    What launches a kernel is left out, so a worker needs no torch, and a change there (such as
    another tile in a table) is no other kernel.
    """
    body = _statements(module)
    providers: dict[str, list[ast.stmt]] = {}
    for statement in body:
        for bound in _names_bound(statement):
            providers.setdefault(bound, []).append(statement)
    if name not in providers:
        raise TgenError(f"kernels.py has no kernel `{name}`")
    kept: set[ast.stmt] = {statement for statement in body if _is_future(statement)}
    todo, seen = [name], {name}
    while todo:
        for statement in providers.get(todo.pop(), ()):
            kept.add(statement)
            new = _names_read(statement) - seen
            seen |= new
            todo += sorted(new)
    return "\n\n".join(_text(module, statement) for statement in body if statement in kept) + "\n"


def _statements(module: str) -> list[ast.stmt]:
    """Those of the module; parsed once, for all of its kernels and their tiles."""
    try:
        with PARSING:
            return _parsed(module)
    except SyntaxError as error:
        raise TgenError(f"kernels.py:{error.lineno}: {error.msg}") from None


@lru_cache(maxsize=4)
def _parsed(module: str) -> list[ast.stmt]:
    return ast.parse(module).body


def _names_bound(statement: Statement) -> set[str]:
    """The names that a top-level statement gives a value, inside `if` and `try` too."""
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return {statement.name}
    bound: set[str] = set()
    for child in ast.iter_child_nodes(statement):
        if isinstance(child, ast.alias):
            bound.add((child.asname or child.name).partition(".")[0])
        elif isinstance(child, ast.stmt | ast.ExceptHandler):
            bound |= _names_bound(child)
        else:
            bound |= {
                node.id
                for node in ast.walk(child)
                if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
            }
    return bound


def _names_read(statement: ast.stmt) -> set[str]:
    return {
        node.id
        for node in ast.walk(statement)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
    }


def _is_future(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.ImportFrom) and statement.module == "__future__"


def _text(module: str, statement: ast.stmt) -> str:
    """The statement as written; decorators are part of a function but not of its span."""
    decorators = getattr(statement, "decorator_list", [])
    first = min([statement.lineno, *(decorator.lineno for decorator in decorators)])
    return "\n".join(module.splitlines()[first - 1 : statement.end_lineno])
