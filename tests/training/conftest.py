"""A small package, trained and sampled by its command line, in this process or one of its own."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pytest

from tests.packages import write_package

MODEL = {
    "vocab_size": 300,
    "context_length": 32,
    "d_model": 32,
    "layers": 2,
    "attention": {"heads": 4, "kv_heads": 2},
}
LINE = "{} green bottles hanging on the wall; one fell, {} left.\n"
TEXT = "".join(LINE.format(n, n - 1) for n in range(99))
OPTIONS = ["--data", "corpus.txt", "--context-length", "16", "--batch", "2", "--steps", "6"]
OPTIONS += ["--log-every", "1", "--eval-every", "6", "--checkpoint-every", "2", "--warmup", "1"]


@dataclass(frozen=True)
class Result:
    """What a command printed."""

    stdout: str
    stderr: str


@dataclass(frozen=True)
class Trainer:
    """A folder with a package `generated.small` and a corpus; the current one."""

    folder: Path
    modules: dict[str, ModuleType]
    capture: pytest.CaptureFixture[str]

    def run(self, module: str, *arguments: str, expect: int = 0) -> Result:
        """What `python -m generated.small.MODULE ...` does, its exit code checked."""
        self.capture.readouterr()
        try:
            code = self.modules[module].main(list(arguments))
        except SystemExit as error:
            code = int(error.code or 0)
        result = Result(*self.capture.readouterr())
        assert code == expect, result
        return result

    def train(self, *arguments: str, expect: int = 0) -> Result:
        """A short run; later arguments win over the usual ones."""
        return self.run("train", *OPTIONS, *arguments, expect=expect)

    def log(self, out: str = "out/small") -> list[dict[str, float]]:
        """The records of a run's log."""
        lines = (self.folder / out / "log.jsonl").read_text().splitlines()
        return [json.loads(line) for line in lines]

    def command(self, module: str, *arguments: str) -> list[str]:
        """The command for a process of its own."""
        return [sys.executable, "-m", f"generated.small.{module}", *arguments]

    def launch(self, *arguments: str, processes: int) -> None:
        """A command under torchrun."""
        launcher = ["-m", "torch.distributed.run", "--standalone"]
        command = [sys.executable, *launcher, f"--nproc-per-node={processes}", *arguments]
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(self.folder)}
        done = subprocess.run(
            command, cwd=self.folder, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="session")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built once for all tests of training."""
    folder = tmp_path_factory.mktemp("training")
    write_package(folder, {"name": "small", "model": MODEL, "data": {"tokenizer": "char"}})
    return folder


@pytest.fixture
def trainer(
    package: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Iterator[Trainer]:
    """A fresh working folder with the package and a corpus in it."""
    (tmp_path / "generated").symlink_to(package / "generated")
    (tmp_path / "corpus.txt").write_text(TEXT)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(package / "generated")
    modules = {
        name: importlib.import_module(f"small.{name}") for name in ("train", "sample", "evaluate")
    }
    yield Trainer(tmp_path, modules, capsys)
    for name in [module for module in sys.modules if module.partition(".")[0] == "small"]:
        del sys.modules[name]  # other tests have packages of that name
