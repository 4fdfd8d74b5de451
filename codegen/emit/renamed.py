"""Names that a person gave to what one module defines, followed into the modules that import it."""

from __future__ import annotations

import ast
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from codegen.emit.file_state import FileState
from codegen.emit.merge import Merged


def with_names_followed(files: Sequence[FileState], asked: Collection[str]) -> list[FileState]:
    """The files, of which those `asked` import what a person renamed by its new name."""
    from codegen.emit.merge.renames import follow

    known = {file.name.removesuffix(".py"): given_names(file) for file in files}
    renamed = {module: names for module, names in known.items() if names}
    return [
        _followed(file, follow(_text(file.wanted), renamed))
        if renamed and file.name in asked and file.wanted is not None
        else file
        for file in files
    ]


def given_names(file: FileState) -> Mapping[str, str]:
    """What a person calls the definitions of a module, by the names that were generated."""
    from codegen.emit.merge.renames import definitions_renamed

    if not file.edited or not file.name.endswith(".py") or file.base is None or not file.wanted:
        return {}
    try:
        ast.parse(file.wanted)
    except (SyntaxError, ValueError):
        return {}
    return definitions_renamed(_text(file.base), _text(file.wanted))


def _followed(file: FileState, followed: tuple[str, tuple[str, ...]]) -> FileState:
    """A file with other names in it, which is an edit of it."""
    text, names = followed
    if not names:
        return file
    carried = file.merged.carried if file.merged else ()
    merged = Merged(text, carried=(*carried, *names))
    return replace(file, wanted=text.encode(), base=file.base or file.rendered, merged=merged)


def _text(data: bytes | None) -> str:
    return (data or b"").decode("utf-8-sig")
