"""The process in which Triton runs: requests come in, usages go out, one JSON line each.

It imports Triton once and forks a child for every request, so that a tile that aborts LLVM or never
ends takes down nothing else, and no compilation sees what another left behind.
"""

from __future__ import annotations

import importlib
import json
import os
import select
import signal
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO

from codegen.prove.compile import compile_request, first_cause
from codegen.prove.usage import CRASHED, LATE, Request, Usage


def main() -> None:
    """Serve requests until the other side closes."""
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)  # whatever prints must not get between the answers
    importlib.import_module("triton.compiler")  # once, for all children

    while line := sys.stdin.buffer.readline():
        job = json.loads(line)
        keep = Path(job["keep"]) if job["keep"] else None
        usage = in_child(_request(job["request"]), keep, job["timeout"])
        answers.write(json.dumps(usage).encode() + b"\n")


def in_child(request: Request, keep: Path | None, timeout: float) -> dict[str, Any]:
    """What `compile_request` says in a process of its own, as plain data."""
    reads, writes = os.pipe()
    with tempfile.TemporaryFile() as said:
        child = os.fork()
        if child == 0:
            os.close(reads)
            _answer(request, keep, writes, said)
        os.close(writes)
        answer, late = _wait(reads, timeout)
        if late:
            os.kill(child, signal.SIGKILL)
        os.close(reads)
        _, status = os.waitpid(child, 0)
        if late:
            return asdict(Usage(LATE, f"stopped after {timeout:.0f} s"))
        if answer.endswith(b"\n"):
            found: dict[str, Any] = json.loads(answer)
            return found
        said.seek(0)
        return asdict(Usage(CRASHED, _crash(status, said.read().decode(errors="replace"))))


def _answer(request: Request, keep: Path | None, writes: int, said: BinaryIO) -> None:
    """The child's whole life; it never returns to the loop that it was forked from."""
    try:
        for stream in (1, 2):
            os.dup2(said.fileno(), stream)
        usage = compile_request(request, keep)
        os.write(writes, json.dumps(asdict(usage)).encode() + b"\n")
    except BaseException as error:
        os.write(2, f"{type(error).__name__}: {error}\n".encode())
        os._exit(1)
    os._exit(0)


def _wait(reads: int, timeout: float) -> tuple[bytes, bool]:
    """What the child wrote before it closed its end, and whether it took too long."""
    answer, end = b"", time.monotonic() + timeout
    while True:
        ready, _, _ = select.select([reads], [], [], max(0.0, end - time.monotonic()))
        if not ready:
            return answer, True
        data = os.read(reads, 1 << 16)
        if not data:
            return answer, False
        answer += data


def _crash(status: int, said: str) -> str:
    number = -os.waitstatus_to_exitcode(status)
    how = signal.Signals(number).name if number > 0 else f"exit code {-number}"
    cause = first_cause(said)
    return f"{how}: {cause}" if cause else how


def _request(document: dict[str, Any]) -> Request:
    pairs = ("arguments", "constants")
    tuples = {name: tuple((key, value) for key, value in document[name]) for name in pairs}
    return Request(**{**document, **tuples, "aligned": tuple(document["aligned"])})


if __name__ == "__main__":
    main()
