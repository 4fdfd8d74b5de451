"""Whatever ends a run, and wherever, what it has learned is kept and goes on as if nothing was."""

from __future__ import annotations

import importlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from safetensors.torch import load_file

from tests.training.conftest import OPTIONS, Trainer

STEPS = ["--steps", "6", "--eval-every", "2", "--checkpoint-every", "2", "--validation", "0.3"]


def interrupted(train: ModuleType, at: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A signal comes while the batch of this number is measured, of all evaluations together."""
    real: Callable[..., Iterator[Any]] = train.validation_batches
    runs: list[Any] = []
    prepare, counted = train.prepare, iter(range(10**6))

    def prepared(options: Any) -> Any:
        runs.append(prepare(options))
        return runs[-1]

    monkeypatch.setattr(train, "prepare", prepared)

    def watched(*arguments: Any) -> Iterator[Any]:
        for batch in real(*arguments):
            if next(counted) == at:
                runs[-1].signals.append(signal.SIGINT)
            yield batch

    monkeypatch.setattr(train, "validation_batches", watched)


@pytest.mark.drawn
@pytest.mark.parametrize("at", [0, 75, 110])
@pytest.mark.parametrize("every", ["2", "4"])  # steps that evaluate save, or not
def test_a_run_stopped_while_it_evaluates_goes_on_as_if_it_had_not_been(
    trainer: Trainer, monkeypatch: pytest.MonkeyPatch, at: int, every: str
) -> None:
    options = [*STEPS, "--checkpoint-every", every]
    trainer.train(*options, "--out", "whole")
    with monkeypatch.context() as patch:
        interrupted(trainer.modules["train"], at, patch)
        done = trainer.train(*options, "--out", "cut", expect=130)
    assert "stopped at step" in done.stdout and "saved in cut; go on with" in done.stdout
    trainer.run("train", "--resume", "--out", "cut")
    assert figures(trainer, "cut") == figures(trainer, "whole")
    for name in ("best.safetensors", "checkpoint.safetensors"):
        one, other = load_file(f"whole/{name}"), load_file(f"cut/{name}")
        assert all(one[key].equal(other[key]) for key in one | other)


def figures(trainer: Trainer, out: str) -> list[dict[str, float]]:
    """A log, less what time decides."""
    clocks = {"ms", "tokens_per_second"}
    return [{k: v for k, v in line.items() if k not in clocks} for line in trainer.log(out)]


def test_the_checkpoint_of_a_step_is_there_before_it_is_evaluated(
    trainer: Trainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint = importlib.import_module("small.checkpoint")
    train, kept = trainer.modules["train"], []
    real: Callable[..., Iterator[Any]] = train.validation_batches

    def look(*arguments: Any) -> Iterator[Any]:
        kept.append(checkpoint.read_checkpoint(Path("out/small/checkpoint.safetensors"))[1]["step"])
        return real(*arguments)

    monkeypatch.setattr(train, "validation_batches", look)
    trainer.train(*STEPS)
    assert kept == [2, 4, 6]
    saved = checkpoint.read_checkpoint(Path("out/small/checkpoint.safetensors"))[1]
    lowest = min(line["validation_loss"] for line in trainer.log() if "validation_loss" in line)
    assert saved["best"] == lowest


def test_the_last_evaluation_can_be_stopped_too(
    trainer: Trainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        interrupted(trainer.modules["train"], 3, patch)
        done = trainer.train("--eval-every", "9", expect=130)
    assert "stopped at step 6" in done.stdout
    assert "validation_loss" not in trainer.log()[-1]
    done = trainer.run("train", "--resume")
    assert "best validation loss" in done.stdout and "validation_loss" in trainer.log()[-1]
    lines = len(trainer.log())
    trainer.run("train", "--resume")  # and nothing is left to do
    assert len(trainer.log()) == lines


@pytest.mark.parametrize("world", [1, 2, 3])
def test_every_rank_measures_as_much_and_the_same_each_time(trainer: Trainer, world: int) -> None:
    train = trainer.modules["train"]
    options = [*OPTIONS, "--validation", "0.5", "--eval-batches", "5"]
    run = train.prepare(train.parse_options(options))
    parts = [list(train.validation_batches(run.data, run.options, r, world)) for r in range(world)]
    again = [list(train.validation_batches(run.data, run.options, r, world)) for r in range(world)]
    counts = {sum(batch.target_count for batch in part) for part in parts}
    assert counts == {-(-5 // world) * 2 * 16}
    for part, same in zip(parts, again, strict=True):
        assert all(a.tokens.equal(b.tokens) for a, b in zip(part, same, strict=True))
    everything = list(
        train.validation_batches(run.data, replace(run.options, eval_batches=0), 0, 1)
    )
    assert sum(batch.target_count for batch in everything) == len(run.data.validation) - 1


def test_no_rank_waits_for_another_that_has_run_out_of_batches(trainer: Trainer) -> None:
    process: Any = importlib.import_module("small.process")
    left = iter([1, 1, 1, 0, 1])  # of another rank: whether it has a batch, time after time

    def all_reduce(tensor: Any) -> Any:
        return tensor + tensor.new_tensor([0, next(left)])

    process.all_reduce = all_reduce
    assert list(process.in_step([], [])) == [] and list(left) == [1]
    left = iter([1])
    with pytest.raises(process.StoppedError):
        list(process.in_step([1], [signal.SIGTERM]))


def started(trainer: Trainer, *options: str) -> subprocess.Popen[str]:
    """A long run, in which several steps are done."""
    process = subprocess.Popen(
        trainer.command("train", *OPTIONS, "--steps", "100000", *options),
        cwd=trainer.folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"},
    )
    log, deadline = trainer.folder / "out/small/log.jsonl", time.monotonic() + 60
    while not (log.exists() and log.read_text().count("\n") > 3):
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.05)
    return process


def test_lines_are_there_when_they_are_printed(trainer: Trainer) -> None:
    process = started(trainer, "--eval-every", "100000")
    assert process.stdout is not None
    os.set_blocking(process.stdout.fileno(), False)
    printed = process.stdout.read()
    process.kill()
    assert "parameters" in printed and "loss" in printed


def test_ctrl_c_is_acknowledged_and_a_second_ends_at_once(trainer: Trainer) -> None:
    slow = trainer.folder / "slow.py"
    slow.write_text(
        "import sys, time\n"
        "from generated.small import train\n"
        "step = train.train_step\n"
        "def slow(run, lr_scale):\n"
        "    if run.step == 5:\n"
        "        print('asleep', flush=True)\n"
        "        time.sleep(60)\n"
        "    return step(run, lr_scale)\n"
        "train.train_step = slow\n"
        "train.leave(train.main(sys.argv[1:]))\n"
    )
    process = subprocess.Popen(
        [sys.executable, str(slow), *OPTIONS],
        cwd=trainer.folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(trainer.folder)},
    )
    assert process.stdout is not None and process.stderr is not None
    while "asleep" not in process.stdout.readline():
        pass
    process.send_signal(signal.SIGINT)
    while "Ctrl-C again ends at once" not in process.stderr.readline():
        pass
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130 and "Traceback" not in err
    assert "stopped at step 5, saved at step 4 in out/small; go on with --resume" in out
    trainer.run("train", "--resume")


def test_a_step_that_ctrl_c_has_broken_is_no_error(
    trainer: Trainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(run: Any, lr_scale: float) -> None:
        run.signals.append(signal.SIGINT)
        raise RuntimeError("the C++ compiler was killed")

    monkeypatch.setattr(trainer.modules["train"], "train_step", broken)
    done = trainer.train(expect=130)
    assert "stopped at step 0, with nothing to save yet" in done.stdout and not done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.long
def test_torchrun_hands_a_signal_on_and_every_rank_saves(trainer: Trainer, number: int) -> None:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    command += ["-m", "generated.small.train", *OPTIONS, "--steps", "100000"]
    process = subprocess.Popen(
        command,
        cwd=trainer.folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(trainer.folder)},
        start_new_session=True,
    )
    log, deadline = trainer.folder / "out/small/log.jsonl", time.monotonic() + 120
    while not (log.exists() and log.read_text().count("\n") > 3):
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.1)
    if number == signal.SIGINT:
        os.killpg(process.pid, number)  # as a terminal does
    else:
        process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert "go on with --resume" in out, out + err
    steps = trainer.log()[-1]["step"]
    trainer.run("train", "--resume", "--steps", str(int(steps) + 2))
