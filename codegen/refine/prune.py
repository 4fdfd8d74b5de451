"""text -> text: what this model does not reach is dropped."""

from __future__ import annotations

import ast
import functools
from collections.abc import Mapping

from codegen.errors import Diagnostic, Position, TgenError
from codegen.refine.facts import Facts, facts_of
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
    parsed = {path: _parsed(path, text) for path, text in files.items() if path.endswith(".py")}
    facts = {path: found for path, (_, found) in parsed.items()}
    dead = unreached(facts, roots)
    for path, sentences in unresolved_imports(facts, dead).items() if whole else ():
        raise TgenError(f"{path}: {'; '.join(sentences)}")
    pruned = dict(files)
    for path, names in dead.items():
        if names:
            pruned[path] = remove_names(files[path], parsed[path][0], names)
    return pruned


def _parsed(path: str, text: str) -> tuple[ast.Module, Facts]:
    """A file's tree, and what it says: packages differ in their files' first line, a comment."""
    try:
        return _read(text[text.find("\n") :] if text.startswith("#") and "\n" in text else text)
    except (SyntaxError, ValueError) as error:  # ValueError: a NUL byte, before Python 3.12
        number, column = getattr(error, "lineno", None) or 1, getattr(error, "offset", None) or 1
        line = text.split("\n")[number - 1]
        where = Position(path, number, column, line)
        message = f"the rendered text is no Python: {getattr(error, 'msg', error)}"
        raise TgenError(Diagnostic(message, where)) from error


@functools.lru_cache(maxsize=64)  # the files of a few packages: many have the same as another
def _read(text: str) -> tuple[ast.Module, Facts]:
    module = ast.parse(text)
    return module, facts_of(module)
