"""What a file should hold: the rendering, with what a person changed carried over to it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from codegen.emit.file_state import FileState
from codegen.emit.generated import find_generated
from codegen.emit.lock import git_blob_of, sha256_of
from codegen.emit.merge import WHOLE, Side, Sides, merge_texts

if TYPE_CHECKING:
    from codegen.refine import Facts

NOT_OURS = "it is in the way: tgen didn't write it"
NO_LOCK = "it is in the way: without a tgen.lock beside it, it may be your work"
NO_MORE = "you changed it, and the new rendering has no such file"
NO_BASE = "you changed it, and what was generated before is neither in .tgen/ nor in git"


def carry(state: FileState, project: Path, side: Side | None = None) -> FileState:
    """The state with what the file should hold, or with what stands against that."""
    disk, rendered = state.disk, state.rendered
    if disk is None or disk == rendered:
        return replace(state, wanted=rendered)
    if state.locked is None:
        return _in_the_way(state, side)
    if not state.foreign:
        return replace(state, wanted=rendered)
    if rendered is None:
        return _no_more(state, side)
    if sha256_of(rendered) == state.locked.sha256:
        return _kept(replace(state, base=rendered), disk, side)
    base = find_generated(project, state.locked, disk)
    if base is None:
        return _decided(state, side, NO_BASE)
    return _merged(replace(state, base=base), Sides(base, disk, rendered), side)


def _kept(state: FileState, disk: bytes, side: Side | None) -> FileState:
    """An edited file of which nothing new is rendered; cut off or half merged, it is no edit."""
    trouble = _damage(state, disk)
    return _decided(state, side, trouble) if trouble else replace(state, wanted=disk)


def _damage(state: FileState, disk: bytes) -> str | None:
    """Why a text can't be what a person wants of a file."""
    import ast  # slow to import, and a package without edits needs none

    edit = state.locked.edit if state.locked else None
    if not disk and (edit is None or edit.blob != git_blob_of(disk)):
        return "it is empty now"
    if not state.name.endswith(".py"):
        return None
    try:
        ast.parse(disk)
    except (SyntaxError, ValueError) as error:  # ValueError: a NUL byte, before Python 3.12
        line = getattr(error, "lineno", None) or 1
        return f"line {line}: your text is no Python ({getattr(error, 'msg', error)}); mend it"
    return None


def _merged(state: FileState, sides: Sides[bytes], side: Side | None) -> FileState:
    try:
        texts = sides.each(lambda data: data.decode("utf-8-sig"))  # some editors add a mark
    except UnicodeDecodeError as error:
        return _decided(state, side, f"your text isn't UTF-8 ({error.reason})")
    merged = merge_texts(state.name, texts, side)
    text = merged.text.encode("utf-8")
    if not merged.conflicts:
        return replace(state, wanted=text, merged=merged, dropped=merged.dropped)
    troubles = tuple(map(str, merged.conflicts))
    marked = None if merged.text == texts.mine else text
    return replace(state, wanted=state.disk, merged=merged, troubles=troubles, marked=marked)


def _in_the_way(state: FileState, side: Side | None) -> FileState:
    return _decided(state, side, NOT_OURS if state.has_lock else NO_LOCK)


def _no_more(state: FileState, side: Side | None) -> FileState:
    """An edited file that is no longer rendered; kept, it is the person's own from now on."""
    if side == "mine":
        return replace(state, wanted=state.disk)
    if side == "new":
        return replace(state, wanted=None, dropped=(WHOLE,))
    return replace(state, wanted=state.disk, troubles=(NO_MORE,))


def _decided(state: FileState, side: Side | None, trouble: str) -> FileState:
    if side == "new":
        return replace(state, wanted=state.rendered, dropped=(WHOLE,))
    if side == "mine":
        return replace(state, wanted=state.disk, base=state.rendered)
    return replace(state, wanted=state.disk, troubles=(trouble,))


def troubles_of_imports(files: Sequence[FileState], decided: Collection[str]) -> list[FileState]:
    """Files that import from a sibling what that has no more are for a person to decide.

    Unless a person renamed it there. `decided` are the names of those that a person has decided on.
    """
    lost = [name for name in _lost(files) if name not in decided]
    if not lost:
        return list(files)
    from codegen.emit.renamed import with_names_followed

    files = with_names_followed(files, lost)
    left = _lost(files)
    return [
        replace(file, troubles=left[file.name], marked=file.wanted, wanted=file.disk)
        if file.name in left and file.name not in decided
        else file
        for file in files
    ]


def _lost(files: Sequence[FileState]) -> Mapping[str, tuple[str, ...]]:
    """By file, the imports from siblings that lead nowhere."""
    from codegen.refine import lost_imports

    known = [file for file in files if file.name.endswith(".py") and not file.troubles]
    texts = {text for file in known for text in (file.disk, file.rendered, file.wanted) if text}
    facts = {text: found for text in texts if (found := _facts(text))}
    modules = {file.name: facts[file.wanted] for file in known if file.wanted in facts}
    had = {
        file.name: {
            name for text in (file.disk, file.rendered) if text in facts for name in facts[text].top
        }
        for file in known
        if file.wanted is None or file.wanted in facts
    }
    return lost_imports(modules, had)


def _facts(text: bytes) -> Facts | None:
    import ast  # slow to import, and a package without edits needs none

    from codegen.refine import facts_of

    try:
        return facts_of(ast.parse(text))
    except (SyntaxError, ValueError):
        return None
