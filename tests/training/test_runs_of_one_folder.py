"""Two runs never train into one folder: the second says who does, and touches nothing."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.training.conftest import OPTIONS, Trainer

WAITING = """
import sys, time
from generated.small import train
step = train.train_step
def waits(run, lr_scale):
    if run.step == 3:
        print("waits", flush=True)
        sys.stdin.read(1)
    return step(run, lr_scale)
train.train_step = waits
sys.exit(train.main(sys.argv[1:]))
"""


@pytest.fixture
def first(trainer: Trainer) -> Iterator[subprocess.Popen[str]]:
    """A run in a process of its own that waits before its fourth step."""
    process = subprocess.Popen(
        [sys.executable, "-c", WAITING, *OPTIONS],
        cwd=trainer.folder,
        env={**os.environ, "PYTHONPATH": str(trainer.folder)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    while "waits" not in process.stdout.readline():
        assert process.poll() is None
    yield process
    process.kill()
    process.wait()


def contents(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.iterdir()}


def test_the_second_run_names_the_first_and_touches_nothing(
    trainer: Trainer, first: subprocess.Popen[str]
) -> None:
    out = trainer.folder / "out/small"
    before = contents(out)
    for more in ([], ["--overwrite"], ["--resume"]):
        done = trainer.train(*more, expect=2)
        (line,) = done.stderr.splitlines()
        said = rf"error: out/small is in use by process {first.pid} on \S+ since [-0-9]+ [:0-9]+; "
        assert re.match(said, line), line
        assert contents(out) == before
    trainer.train("--out", "out/other")
    trainer.run("sample", "--prompt", "9 green", "--tokens", "3")  # which only reads
    first.communicate("\n", timeout=60)
    assert first.returncode == 0 and not (out / "run.lock").exists()
    trainer.train("--overwrite")


def test_a_run_that_is_killed_leaves_no_lock(
    trainer: Trainer, first: subprocess.Popen[str]
) -> None:
    lock = trainer.folder / "out/small/run.lock"
    first.send_signal(signal.SIGKILL)
    first.wait()
    assert lock.exists()
    trainer.train("--resume")
    assert not lock.exists()


def test_a_lock_is_nobodys_whatever_it_says(trainer: Trainer) -> None:
    lock = trainer.folder / "out/small/run.lock"
    lock.parent.mkdir(parents=True)
    for said in ("", f"process {os.getpid()} on here since today\n", "\0\n"):
        lock.write_text(said)
        trainer.train("--overwrite")


def test_what_is_no_lock_is_refused(trainer: Trainer) -> None:
    lock = trainer.folder / "out/small/run.lock"
    lock.mkdir(parents=True)
    assert "is no file to lock" in trainer.train(expect=2).stderr


def test_a_run_that_fails_before_it_begins_leaves_no_folder(trainer: Trainer) -> None:
    trainer.train("--data", "nowhere.txt", expect=2)
    assert not (trainer.folder / "out/small").exists()


@pytest.mark.long
def test_two_processes_of_torchrun_are_one_run(trainer: Trainer) -> None:
    trainer.launch("-m", "generated.small.train", *OPTIONS, processes=2)
    trainer.launch("-m", "generated.small.train", "--resume", "--steps", "7", processes=2)
    assert trainer.log()[-1]["step"] == 7


@pytest.mark.long
def test_runs_that_begin_at_once_are_one_and_refusals(trainer: Trainer) -> None:
    command = trainer.command("train", *OPTIONS)
    environment = {**os.environ, "PYTHONPATH": str(trainer.folder)}
    runs = [
        subprocess.Popen(command, cwd=trainer.folder, env=environment, stderr=subprocess.PIPE)
        for _ in range(3)
    ]
    errors = [run.communicate(timeout=120)[1].decode() for run in runs]
    codes = sorted(run.returncode for run in runs)
    assert codes == [0, 2, 2], errors
    words = ("is in use by process", "holds a checkpoint")  # which is there when the first is done
    assert sum(any(word in error for word in words) for error in errors) == 2
