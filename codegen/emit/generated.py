"""What was generated, found again by the digest that a lock has of it."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from codegen.emit.disk import to_unix
from codegen.emit.lock import FileDigest, git_blob_of, sha256_of
from codegen.emit.undo import undone
from codegen.emit.verdicts import ensure_cache
from codegen.project import is_own_cache

MOST = 50_000  # files of a kind that are kept; the oldest go first
GIT_PATIENCE = 20.0  # seconds; a partial clone may fetch


def keep_generated(root: Path, texts: Iterable[bytes]) -> None:
    """Keep texts in the project's .tgen/; where that can't be written, git may have them."""
    for text in texts:
        path = _place(root, git_blob_of(text))
        if path.exists():
            continue
        with suppress(OSError):
            if not (is_own_cache(path.parent.parent) and is_own_cache(path.parent)):
                return
            ensure_cache(root, path.parent)
            temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
            temporary.unlink(missing_ok=True)  # of a process of the same number, or a link
            with open(temporary, "xb") as file:
                file.write(zlib.compress(text, 1))
            os.replace(temporary, path)


def drop_oldest(root: Path, most: int = MOST) -> None:
    """Let go of the oldest texts and verdicts, so that .tgen/ does not grow for ever."""
    for pattern in ("generated/??/*", "verdicts/*.json"):
        kept = [(path.lstat().st_mtime_ns, path) for path in (root / ".tgen").glob(pattern)]
        for _, path in sorted(kept)[: max(0, len(kept) - most)]:
            with suppress(OSError):  # another process was faster
                path.unlink()


def find_generated(root: Path, digest: FileDigest, disk: bytes) -> bytes | None:
    """The generated text of which `disk` is an edit; None if it is nowhere to be found."""
    for text in _candidates(root, digest, disk):
        if text is not None and sha256_of(text) == digest.sha256:
            return text
    return None


def _candidates(root: Path, digest: FileDigest, disk: bytes) -> Iterator[bytes | None]:
    """From the nearest place to the farthest: .tgen/, the edited file with its way back, git."""
    yield _from_cache(root, digest.blob)
    edit = digest.edit
    if edit and edit.blob == git_blob_of(disk):
        yield undone(disk, edit.undo)
    yield _from_git(root, digest.blob)
    if edit and (edited := _from_git(root, edit.blob)) is not None:
        yield undone(edited, edit.undo)


def _place(root: Path, blob: str) -> Path:
    return root / ".tgen" / "generated" / blob[:2] / blob[2:]


def _from_cache(root: Path, blob: str) -> bytes | None:
    try:
        return zlib.decompress(_place(root, blob).read_bytes())
    except (OSError, zlib.error):
        return None


def _from_git(root: Path, blob: str) -> bytes | None:
    import subprocess  # slow to import, and a fresh package needs none

    command = ["git", "-C", str(root), "cat-file", "blob", blob]
    environment = {**os.environ, "GIT_TERMINAL_PROMPT": "0"}
    try:
        done = subprocess.run(command, capture_output=True, timeout=GIT_PATIENCE, env=environment)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return to_unix(done.stdout) if done.returncode == 0 else None
