"""A package's files change together: staged beside it, then moved as a journal says.

Layout of `<generated>/.tgen-NAME/`: `new/` the files to come, `old/` the files they replace,
`journal.json` once both are complete. Until the journal is there, nothing has happened and the
folder can be deleted; from then on the moves can be carried out again and again until they are
done. If one fails, the journal becomes `undo.json` and the same moves are made backwards.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Literal

from codegen.emit.disk import check_folder, read_plain, sync_folder, write_through
from codegen.emit.file_state import FileState
from codegen.emit.lock import sha256_of
from codegen.emit.package import is_file_name
from codegen.errors import OutputError
from codegen.frozen import frozen
from codegen.project import LOCK_NAME

JOURNAL = "journal.json"
UNDO = "undo.json"
Outcome = Literal["finished", "undone", "discarded"]


@frozen
class Move:
    """One file's change, by the digests of its old and new text; None where there is no file."""

    name: str
    old: str | None
    new: str | None

    def reversed(self) -> Move:
        """The move that takes this one back."""
        return Move(self.name, old=self.new, new=self.old)


def staging_path(folder: Path) -> Path:
    """Where the changes of the package in `folder` are staged: on the same file system."""
    return folder.parent / f".tgen-{folder.name}"


def commit(folder: Path, files: Sequence[FileState]) -> tuple[str, ...]:
    """Bring files to what they should hold, all or none; names those changed by a person meanwhile.

    The caller holds the package. An OSError leaves the old files and no staging.
    """
    staging = staging_path(folder)
    try:
        _stage(staging, folder, files)
        _write_journal(staging, [_move(file) for file in files])
    except BaseException:
        discard(staging)
        raise
    return _carry_out(staging, folder)


def settle(folder: Path) -> Outcome | None:
    """Finish or clear away what a killed process left of a commit; None if there is nothing."""
    staging = staging_path(folder)
    if not os.path.lexists(staging):
        return None
    check_folder(staging)
    if (staging / UNDO).exists():
        _undo(staging, folder)
        return "undone"
    if (staging / JOURNAL).exists():
        _carry_out(staging, folder)
        return "finished"
    discard(staging)
    return "discarded"


def discard(staging: Path) -> None:
    """Delete a staging folder, its journal first: without that the rest means nothing."""
    import shutil  # slow to import, and a fresh package needs none

    for name in (JOURNAL, UNDO):
        with suppress(FileNotFoundError):
            os.unlink(staging / name)
    shutil.rmtree(staging, ignore_errors=True)


def _stage(staging: Path, folder: Path, files: Sequence[FileState]) -> None:
    for part in (staging, staging / "new", staging / "old"):
        os.mkdir(part)
    for file in files:
        if file.wanted is not None:
            write_through(staging / "new" / file.name, file.wanted)
        if file.disk is not None:
            _keep_old(folder / file.name, staging / "old" / file.name)
        if file.disk is not None and file.wanted is not None:
            _keep_mode(folder / file.name, staging / "new" / file.name)


def _keep_mode(path: Path, copy: Path) -> None:
    """An executable train.py stays one, where the file system knows of such things."""
    with suppress(OSError):
        os.chmod(copy, os.stat(path).st_mode & 0o777)


def _keep_old(path: Path, copy: Path) -> None:
    try:
        os.link(path, copy)
    except OSError:  # a file system without hard links
        write_through(copy, path.read_bytes())


def _move(file: FileState) -> Move:
    old = None if file.disk is None else sha256_of(file.disk)
    new = None if file.wanted is None else sha256_of(file.wanted)
    return Move(file.name, old, new)


def _write_journal(staging: Path, moves: Sequence[Move]) -> None:
    text = json.dumps([asdict(move) for move in moves], indent=1)
    for part in ("new", "old"):
        sync_folder(staging / part)
    write_through(staging / "journal.tmp", text.encode())
    os.replace(staging / "journal.tmp", staging / JOURNAL)
    sync_folder(staging)
    sync_folder(staging.parent)


def _read_journal(path: Path) -> list[Move]:
    try:
        moves = [Move(**entry) for entry in json.loads(path.read_bytes())]
        if all(_is_sane(move) for move in moves):
            return moves
    except (ValueError, TypeError, RecursionError):
        pass
    raise _damaged(path)


def _damaged(path: Path) -> OutputError:
    return OutputError(
        f"{path} is damaged, so an interrupted build can't be finished",
        hint="delete the folder .tgen-NAME that it is in, and build again",
    )


def _is_sane(move: Move) -> bool:
    digests = all(value is None or isinstance(value, str) for value in (move.old, move.new))
    named = isinstance(move.name, str) and (move.name == LOCK_NAME or is_file_name(move.name))
    return digests and named


def _carry_out(staging: Path, folder: Path) -> tuple[str, ...]:
    moves = _read_journal(staging / JOURNAL)
    try:
        kept = _make_moves(moves, staging / "new", folder)
    except OSError:
        os.replace(staging / JOURNAL, staging / UNDO)
        _undo(staging, folder)
        raise
    discard(staging)
    return kept


def _check_staged(path: Path, digest: str) -> None:
    """Refuse to move what isn't the file that the journal speaks of."""
    data = read_plain(path)  # a link is refused
    if data is not None and sha256_of(data) != digest:
        raise _damaged(path)


def _undo(staging: Path, folder: Path) -> None:
    moves = [move.reversed() for move in _read_journal(staging / UNDO)]
    _make_moves(moves, staging / "old", folder)
    with suppress(OSError):
        os.rmdir(folder)  # if it is empty, the package is new
    discard(staging)


def _make_moves(moves: Sequence[Move], source: Path, folder: Path) -> tuple[str, ...]:
    """Carry out what isn't done yet, in order; a file that is neither old nor new is kept."""
    kept = []
    check_folder(folder)
    check_folder(source)
    if not folder.exists():
        if all(move.new is None for move in moves):
            return ()
        os.mkdir(folder)
    for move in moves:
        data = read_plain(folder / move.name)
        there = None if data is None else sha256_of(data)
        if there == move.new:
            continue
        if there not in (None, move.old):
            kept.append(move.name)
        elif move.new is None:
            os.unlink(folder / move.name)
        else:
            _check_staged(source / move.name, move.new)
            os.replace(source / move.name, folder / move.name)
    sync_folder(folder)
    sync_folder(folder.parent)
    return tuple(kept)
