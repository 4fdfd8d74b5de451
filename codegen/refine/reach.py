"""Which top-level names of a module nothing reaches, found with `ast` alone."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Mapping


def names_bound(statement: ast.stmt) -> list[str]:
    """The names that a top-level definition or import binds; none for any other statement."""
    match statement:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            return [name]
        case ast.ImportFrom(module="__future__"):
            return []
        case ast.Import(names=names) | ast.ImportFrom(names=names):
            return [(a.asname or a.name).partition(".")[0] for a in names]
        case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
            return [] if name == "__all__" else [name]
    return []


def names_used(node: ast.AST) -> set[str]:
    """Every name read anywhere below a node, annotations and `__all__` as text included."""
    used: set[str] = set()
    for inner in ast.walk(node):
        match inner:
            case ast.Name(id=name):
                used.add(name)
            case ast.arg(annotation=ast.expr() as kind) | ast.AnnAssign(annotation=kind):
                used |= _words_in_text(kind)
            case (
                ast.FunctionDef(returns=ast.expr() as kind)
                | ast.AsyncFunctionDef(returns=ast.expr() as kind)
            ):
                used |= _words_in_text(kind)
    match node:
        case ast.Assign(
            targets=[ast.Name(id="__all__")], value=ast.List(elts=items) | ast.Tuple(elts=items)
        ):
            used |= {str(item.value) for item in items if isinstance(item, ast.Constant)}
    return used


def _words_in_text(node: ast.AST) -> set[str]:
    """The words of the texts below a node: `"list[Tensor]"` names `list` and `Tensor`."""
    texts = [n.value for n in ast.walk(node) if isinstance(n, ast.Constant)]
    return {word for text in texts if isinstance(text, str) for word in re.findall(r"\w+", text)}


def unreachable(module: ast.Module, roots: Iterable[str]) -> set[str]:
    """The names bound at the top of a module that neither a root nor a loose statement reaches."""
    uses: dict[str, set[str]] = {}
    todo = set(roots)
    for statement in module.body:
        bound = names_bound(statement)
        for name in bound:
            uses.setdefault(name, set()).update(names_used(statement) - set(bound))
        if not bound:
            todo |= names_used(statement)
    reached: set[str] = set()
    while todo:
        name = todo.pop()
        if name in uses and name not in reached:
            reached.add(name)
            todo |= uses[name]
    return set(uses) - reached


def imported_from_siblings(modules: Mapping[str, ast.Module]) -> dict[str, set[str]]:
    """For each file of a package, the names that its other files import from it or read of it."""
    wanted: dict[str, set[str]] = {path: set() for path in modules}
    for module in modules.values():
        siblings: set[str] = set()
        for node in ast.walk(module):
            if isinstance(node, ast.ImportFrom) and node.level == 1:
                names = {alias.name for alias in node.names}
                if node.module is None:
                    siblings |= names
                else:
                    wanted.setdefault(f"{node.module}.py", set()).update(names)
        for node in ast.walk(module) if siblings else ():
            match node:
                case ast.Attribute(value=ast.Name(id=name), attr=read) if name in siblings:
                    wanted.setdefault(f"{name}.py", set()).add(read)
    return wanted
