"""Whether a package's imports lead anywhere."""

from __future__ import annotations

import ast
import importlib.util
import sys
from collections.abc import Iterator, Mapping

from codegen.refine.reach import names_bound, names_used

# What generated code may import, installed here or not.
KNOWN = {"torch", "numpy", "safetensors", "triton", "tokenizers", "matplotlib", "tqdm", "rich"}
KNOWN |= {"pytest", "PIL"}


def unresolved_imports(modules: Mapping[str, ast.Module]) -> dict[str, tuple[str, ...]]:
    """By file, the imports of a package's modules that lead nowhere, as sentences."""
    bound = {path: bound_names(module) for path, module in modules.items()}
    found = {path: tuple(_unresolved(module, bound)) for path, module in modules.items()}
    return {path: sentences for path, sentences in found.items() if sentences}


def _unresolved(module: ast.Module, bound: Mapping[str, set[str]]) -> Iterator[str]:
    """What ruff will drop, as nothing uses it, needn't lead anywhere."""
    used = names_used(module)
    for node in ast.walk(module):
        match node:
            case ast.ImportFrom(level=1, names=names):
                live = [alias for alias in names if (alias.asname or alias.name) in used]
                for alias in live if node.module is None else ():
                    if f"{alias.name}.py" not in bound:
                        yield f"line {node.lineno}: the package has no {alias.name}.py"
                if node.module and live:
                    yield from _of_sibling(node.lineno, node.module, live, bound)
            case ast.ImportFrom(level=0, module=str(name)):
                yield from _of_library(node.lineno, name)
            case ast.Import(names=names):
                for alias in names:
                    yield from _of_library(node.lineno, alias.name)


def _of_sibling(
    line: int, sibling: str, names: list[ast.alias], bound: Mapping[str, set[str]]
) -> Iterator[str]:
    path = f"{sibling}.py"
    if path not in bound:
        yield f"line {line}: the package has no {path}"
        return
    for alias in names:
        if alias.name not in bound[path] and alias.name != "*":
            yield f"line {line}: {path} has no `{alias.name}`"


def _of_library(line: int, name: str) -> Iterator[str]:
    root = name.partition(".")[0]
    if root not in KNOWN and root not in sys.stdlib_module_names and not _installed(root):
        yield f"line {line}: there is no module `{root}` here"


def _installed(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):
        return False


def bound_names(module: ast.Module) -> set[str]:
    """The names that a module has at its top, those bound under `if` and `try` too."""
    names: set[str] = set()
    todo: list[ast.AST] = [*module.body]
    while todo:
        node = todo.pop()
        match node:
            case (
                ast.FunctionDef(name=name)
                | ast.AsyncFunctionDef(name=name)
                | ast.ClassDef(name=name)
            ):
                names.add(name)
                continue
            case ast.Name(id=name, ctx=ast.Store()):
                names.add(name)
            case ast.Import() | ast.ImportFrom():
                names.update(names_bound(node))
        todo += ast.iter_child_nodes(node)
    return names
