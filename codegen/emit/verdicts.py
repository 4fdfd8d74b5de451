"""Results worth keeping between runs, in `<project>/.tgen/`, which is always safe to delete."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from codegen.emit.disk import output_errors
from codegen.project import is_own_cache

CODEGEN = Path(__file__).parent.parent
CODE_SUFFIXES = (".py", ".yaml")


def remember(project: Path, key: str, verdict: Mapping[str, object]) -> None:
    """Keep a verdict (JSON values) under a key that names everything it depends on.

    A cache that can't be written is no error: the verdict is worked out again next time.
    """
    path = _verdict_path(project, key)
    body = json.dumps({"key": key, "verdict": dict(verdict)}, sort_keys=True)
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    with suppress(OSError):
        if not is_own_cache(path.parent):
            return
        ensure_cache(project, path.parent)
        temporary.unlink(missing_ok=True)  # of a process of the same number, or a link
        try:
            with open(temporary, "x", encoding="utf-8", newline="\n") as file:
                file.write(f"{_digest(body)}\n{body}\n")
            os.replace(temporary, path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


def recall(project: Path, key: str) -> dict[str, object] | None:
    """The verdict kept under a key, or None; what is damaged counts as absent."""
    try:
        text = _verdict_path(project, key).read_text(encoding="utf-8")
        digest, body = text.rstrip("\n").split("\n")
        if digest != _digest(body):
            return None
        document = json.loads(body)
        kept_key, verdict = document["key"], document["verdict"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return verdict if kept_key == key and isinstance(verdict, dict) else None


def code_digest() -> str:
    """A digest of tgen's own code: part of the key of every verdict."""
    return _framed(sorted(_files(CODEGEN, "codegen", CODE_SUFFIXES)))


def templates_digest(folder: Path) -> str:
    """The same of templates, which may change under a process that has run for long."""
    with output_errors(folder, doing="read"):
        return _framed(sorted(_files(folder, "templates", ("",))))


def _framed(files: Iterable[tuple[str, str]]) -> str:
    total = hashlib.sha256()
    for name, path in files:
        with open(path, "rb", buffering=0) as file:
            data = file.read()
        # Lengths keep apart what would read the same when joined.
        framed = name.encode()
        total.update(b"%d %d\n%b%b" % (len(framed), len(data), framed, data))
    return total.hexdigest()


def _files(folder: Path | str, label: str, suffixes: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """The files below a folder whose names end so: (posix path from `label` on, path)."""
    with os.scandir(folder) as entries:
        for entry in entries:
            name = f"{label}/{entry.name}"
            if entry.is_dir():
                if entry.name != "__pycache__":
                    yield from _files(entry.path, name, suffixes)
            elif entry.name.endswith(suffixes):
                yield name, entry.path


def _verdict_path(project: Path, key: str) -> Path:
    return project / ".tgen" / "verdicts" / f"{_digest(key)}.json"


def ensure_cache(project: Path, folder: Path) -> None:
    """Make a folder of the project's .tgen/, which git ignores."""
    folder.mkdir(parents=True, exist_ok=True)
    ignore = project / ".tgen" / ".gitignore"
    if not os.path.lexists(ignore):
        ignore.write_text("*\n", encoding="utf-8")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8")).hexdigest()
