"""text -> text: what this model does not reach is dropped, then all files are formatted."""

from __future__ import annotations

import ast
from collections.abc import Mapping

from codegen.errors import TgenError
from codegen.refine.reach import imported_from_siblings, unreachable
from codegen.refine.style import format_files

Files = Mapping[str, str]


def refine(packages: Mapping[str, tuple[Files, Mapping[str, tuple[str, ...]]]]) -> dict[str, Files]:
    """Every package's files, pruned and formatted; ruff runs once for all of them.

    Each package comes with the roots of its files: what users call, hence what stays.
    """
    pruned = {name: prune_package(files, roots) for name, (files, roots) in packages.items()}
    joined = {f"{name}/{path}": text for name, files in pruned.items() for path, text in files.items()}
    formatted = format_files(joined)
    return {
        name: {path: formatted[f"{name}/{path}"] for path in files} for name, files in pruned.items()
    }


def prune_package(files: Files, roots: Mapping[str, tuple[str, ...]]) -> dict[str, str]:
    """The files without definitions and imports that no root reaches.

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
            from codegen.refine.prune import prune

            pruned[path] = prune(files[path], dead)
    return pruned


def _parse(path: str, text: str) -> ast.Module:
    try:
        return ast.parse(text)
    except SyntaxError as error:
        line = text.splitlines()[(error.lineno or 1) - 1 : error.lineno]
        shown = line[0].strip() if line else ""
        raise TgenError(f"{path}:{error.lineno}: the rendered text is no Python: {shown}") from error
