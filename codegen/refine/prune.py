"""text -> text: what this model does not reach is dropped."""

from __future__ import annotations

import ast
from collections.abc import Mapping

from codegen.errors import Diagnostic, Position, TgenError
from codegen.refine.reach import imported_from_siblings, unreachable
from codegen.refine.resolve import unresolved_imports

Files = Mapping[str, str]


def prune_package(files: Files, roots: Mapping[str, tuple[str, ...]]) -> dict[str, str]:
    """The files without definitions and imports that no root reaches; TgenError for a bad import.

    `ast` decides; libcst, slow to import, is loaded only if there is something to remove.
    """
    modules = {path: _parse(path, text) for path, text in files.items() if path.endswith(".py")}
    wanted = imported_from_siblings(modules)
    pruned = dict(files)
    for path, module in modules.items():
        if path not in roots:
            continue
        dead = unreachable(module, {*roots[path], *wanted[path]})
        if dead:
            from codegen.refine.remove import remove_names

            pruned[path] = remove_names(files[path], dead)
            modules[path] = _parse(path, pruned[path])
    _check_imports(modules)
    return pruned


def _check_imports(modules: Mapping[str, ast.Module]) -> None:
    """A package whose files import what isn't there is never written."""
    for path, sentences in unresolved_imports(modules).items():
        raise TgenError(f"{path}: {'; '.join(sentences)}")


def _parse(path: str, text: str) -> ast.Module:
    try:
        return ast.parse(text)
    except (SyntaxError, ValueError) as error:  # ValueError: a NUL byte, before Python 3.12
        number, column = getattr(error, "lineno", None) or 1, getattr(error, "offset", None) or 1
        line = text.split("\n")[number - 1]
        where = Position(path, number, column, line)
        message = f"the rendered text is no Python: {getattr(error, 'msg', error)}"
        raise TgenError(Diagnostic(message, where)) from error
