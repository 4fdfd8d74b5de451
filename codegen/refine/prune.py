"""text -> text: what this model does not reach is dropped."""

from __future__ import annotations

import ast
from collections.abc import Mapping

from codegen.errors import Diagnostic, Position, TgenError
from codegen.refine.facts import facts_of
from codegen.refine.reach import unreached
from codegen.refine.remove import remove_names
from codegen.refine.resolve import unresolved_imports

Files = Mapping[str, str]


def prune_package(
    files: Files, roots: Mapping[str, tuple[str, ...]], *, whole: bool = True
) -> dict[str, str]:
    """The files without definitions and imports that no root of the package reaches.

    TgenError for an import that leads nowhere, unless the files are not the `whole` package.
    libcst, slow to import, is loaded only where a part of an import goes.
    """
    modules = {path: _parse(path, text) for path, text in files.items() if path.endswith(".py")}
    facts = {path: facts_of(module) for path, module in modules.items()}
    dead = unreached(facts, roots)
    for path, sentences in unresolved_imports(facts, dead).items() if whole else ():
        raise TgenError(f"{path}: {'; '.join(sentences)}")
    pruned = dict(files)
    for path, names in dead.items():
        if names:
            pruned[path] = remove_names(files[path], modules[path], names)
    return pruned


def _parse(path: str, text: str) -> ast.Module:
    try:
        return ast.parse(text)
    except (SyntaxError, ValueError) as error:  # ValueError: a NUL byte, before Python 3.12
        number, column = getattr(error, "lineno", None) or 1, getattr(error, "offset", None) or 1
        line = text.split("\n")[number - 1]
        where = Position(path, number, column, line)
        message = f"the rendered text is no Python: {getattr(error, 'msg', error)}"
        raise TgenError(Diagnostic(message, where)) from error
