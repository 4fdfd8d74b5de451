"""Compilations worth keeping between runs: a folder that is always safe to delete."""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import suppress
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path

from codegen.project import is_own_cache
from codegen.prove.usage import CRASHED, LATE, Request, Usage, usage_from


def request_key(request: Request, triton: str) -> str:
    """A digest of everything that a usage depends on, this stage's own code included."""
    parts = {"request": asdict(request), "triton": triton, "code": _code_digest()}
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def recall(folder: Path, key: str) -> Usage | None:
    """The usage kept under a key, or None; what is damaged counts as absent."""
    try:
        document = json.loads(_path(folder, key).read_text(encoding="utf-8"))
        return usage_from(document["usage"]) if document["key"] == key else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def remember(folder: Path, key: str, usage: Usage) -> None:
    """Keep a usage; a folder that can't be written is no error."""
    if not _lasting(usage):
        return
    path = _path(folder, key)
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    with suppress(OSError):
        if not is_own_cache(folder):
            return
        folder.mkdir(parents=True, exist_ok=True)
        temporary.unlink(missing_ok=True)  # of a process of the same number, or a link
        try:
            text = json.dumps({"key": key, "usage": asdict(usage)}, sort_keys=True)
            with open(temporary, "x", encoding="utf-8", newline="\n") as file:
                file.write(text + "\n")
            os.replace(temporary, path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


def _lasting(usage: Usage) -> bool:
    """Whether another run would find the same: not so where time or memory ran out."""
    killed = usage.outcome == CRASHED and not usage.message.startswith(("SIGABRT", "SIGSEGV"))
    return usage.outcome != LATE and not killed


def _path(folder: Path, key: str) -> Path:
    return folder / f"{key}.json"


@lru_cache
def _code_digest() -> str:
    total = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        total.update(path.name.encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()
