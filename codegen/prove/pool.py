"""Worker processes, and who uses them."""

from __future__ import annotations

import importlib.util
import json
import os
import queue
import re
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import Any

from codegen.errors import TgenError
from codegen.prove.usage import CRASHED, Request, Usage, usage_from

ROOT = Path(__file__).parent.parent.parent
# A person's settings of the compiler must not change what is found.
COMPILER_SETTINGS = re.compile(
    r"TRITON_|MLIR_|LLVM_|NVPTX_|AMDGCN_|PTXAS_|DISABLE_|ENABLE_|USE_IR_LOC"
)


@lru_cache
def triton_version() -> str:
    """The version that workers will run, read without importing it; TgenError if there is none."""
    found = importlib.util.find_spec("triton")
    text = Path(found.origin).read_text(encoding="utf-8") if found and found.origin else ""
    version = re.search(r"^__version__ = ['\"](.+)['\"]", text, re.MULTILINE)
    if not version:
        hint = "pip install triton, or build with --no-prove"
        raise TgenError("compiling kernels needs Triton", hint=hint)
    return version[1]


class Pool:
    """As many workers as jobs, each started when it is first needed and again if it dies.

    Used as a context manager; `compile` may be called from as many threads as there are jobs.
    """

    def __init__(self, jobs: int, timeout: float = 120) -> None:
        self.timeout = timeout
        self.idle: queue.SimpleQueue[_Worker] = queue.SimpleQueue()
        self.workers = [_Worker() for _ in range(jobs)]

    def __enter__(self) -> Pool:
        self.folder = tempfile.TemporaryDirectory(prefix="tgen-triton-")
        for worker in self.workers:
            worker.cache = self.folder.name
            self.idle.put(worker)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for worker in self.workers:
            worker.stop()
        self.folder.cleanup()

    def compile(self, request: Request, keep: Path | None = None) -> Usage:
        """What the kernel uses; a crash is an outcome like others."""
        worker = self.idle.get()
        try:
            return worker.ask(
                {
                    "request": asdict(request),
                    "keep": str(keep.absolute()) if keep else None,
                    "timeout": self.timeout,
                }
            )
        finally:
            self.idle.put(worker)


class _Worker:
    def __init__(self) -> None:
        self.process: subprocess.Popen[bytes] | None = None
        self.cache = ""
        self.stopped = False

    def ask(self, job: dict[str, Any]) -> Usage:
        """The answer of a running worker; a job that ends two workers is a crash."""
        for _ in range(2):
            answer = self._answer(job)
            if answer.endswith(b"\n"):
                return usage_from(json.loads(answer))
            self._kill()
        return Usage(CRASHED, "the worker itself died")

    def _answer(self, job: dict[str, Any]) -> bytes:
        process = self.process or self._start()
        assert process.stdin is not None and process.stdout is not None
        try:
            process.stdin.write(json.dumps(job).encode() + b"\n")
            process.stdin.flush()
            return process.stdout.readline()
        except (OSError, ValueError):  # it died, or was stopped meanwhile
            return b""

    def _start(self) -> subprocess.Popen[bytes]:
        if self.stopped:
            raise TgenError("compilation was stopped")
        kept = {
            name: value for name, value in os.environ.items() if not COMPILER_SETTINGS.match(name)
        }
        settings = {
            "OMP_NUM_THREADS": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), kept.get("PYTHONPATH")])),
            "TRITON_CACHE_DIR": self.cache,
            "TRITON_DEFAULT_FP_FUSION": "1",  # as Triton 3.9 does of itself, but without a warning
            "TRITON_DISABLE_LINE_INFO": "1",  # kept assembly names no folders
        }
        self.process = subprocess.Popen(
            [sys.executable, "-m", "codegen.prove.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**kept, **settings},
            start_new_session=True,  # an interrupt is for us to pass on
        )
        return self.process

    def stop(self) -> None:
        """No more answers; a compilation under way is dropped."""
        self.stopped = True
        self._kill()

    def _kill(self) -> None:
        process, self.process = self.process, None
        if process is None:
            return
        # The worker leads a session of its own, so its child goes with it.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for stream in (process.stdin, process.stdout):
            with suppress(OSError):  # what was never read is lost
                if stream:
                    stream.close()
