"""Packages trained one after another: what is finished is left, what was stopped goes on."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from codegen.commands.training.options import TrainingOptions
from codegen.commands.training.process import finished, interrupted_by_signals
from codegen.commands.training.run import (
    PRINTED,
    Run,
    State,
    parameters_of,
    progress_of,
    read_checkpoint,
    read_run,
    reason_of,
    write_run,
)
from codegen.counted import Counted, unheard
from codegen.emit import read_lock
from codegen.errors import OutputError

STATES: dict[int, State] = {0: "finished", 130: "interrupted"}  # by exit code; else it failed


def train_all(
    packages: Sequence[Path],
    options: TrainingOptions,
    moved: Counted = unheard,
    done: Callable[[Run], None] = unheard,
) -> tuple[list[Run], bool]:
    """The runs of packages in their order, and whether Ctrl-C ended them before their end.

    `moved` hears of steps, `done` of each run that is over. One that fails, or that somebody
    stops, is told so and the next begins.
    """
    runs: list[Run] = []
    with interrupted_by_signals():
        for number, package in enumerate(packages, 1):
            about = f"{package.name} ({number} of {len(packages)})"
            try:
                runs.append(_train(package, options, moved, about))
            except KeyboardInterrupt:
                begun = read_run(options.out / package.name)
                return [*runs, *([begun] if begun else [])], True
            done(runs[-1])
    return runs, False


def _train(package: Path, options: TrainingOptions, moved: Counted, about: str) -> Run:
    """One run, or the record of it if there is nothing left to do."""
    folder = options.out / package.name
    new = Run(package.name, "interrupted", options.given, _spec_of(package))
    saved = {} if options.afresh else read_checkpoint(folder)
    before = read_run(folder) if saved else None
    if before and before.spec != new.spec:
        said = f"{folder} is of an earlier spec; --overwrite after -- trains it afresh"
        return replace(before, state="failed", said=said)
    if before and _is_finished(before, new, saved.get("step")):
        return before
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not saved:
            (folder / PRINTED).unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(f"{folder} can't be used: {error}") from None
    command = _command(package, options, folder, resume=bool(saved))
    if before:
        new = replace(new, seconds=before.seconds, memory=before.memory)
    return _run(command, package, folder, new, moved, about)


def _run(
    command: Sequence[str], package: Path, folder: Path, run: Run, moved: Counted, about: str
) -> Run:
    """What becomes of it, kept in its folder however it ends."""
    began = time.perf_counter()
    code, memory = 130, 0
    try:
        ended = finished(
            command,
            folder / PRINTED,
            {"PYTHONPATH": _python_path(package), "PYTHONSAFEPATH": "1"},
            lambda: moved(*progress_of(folder), about),
        )
        code, memory = ended.code, ended.memory
    finally:
        state = STATES.get(code, "failed")
        run = replace(
            run,
            state=state,
            step=read_checkpoint(folder).get("step", 0),
            seconds=round(run.seconds + time.perf_counter() - began, 1),
            memory=max(run.memory, memory),
            parameters=parameters_of(folder),
            said=reason_of(folder) if state == "failed" else "",
        )
        write_run(folder, run)
    return run


def _is_finished(before: Run, new: Run, step: int | None) -> bool:
    same = before.options == new.options and before.step == step
    return before.state == "finished" and same


def _command(package: Path, options: TrainingOptions, folder: Path, *, resume: bool) -> list[str]:
    module = f"{package.parent.name}.{package.name}.train"
    how = ["--resume"] if resume else []
    return [sys.executable, "-u", "-m", module, *options.given, "--out", str(folder), *how]


def _python_path(package: Path) -> str:
    """Where its folder of packages is found first."""
    others = os.environ.get("PYTHONPATH")
    return os.pathsep.join([str(package.parent.parent), *([others] if others else [])])


def _spec_of(package: Path) -> str:
    lock = read_lock(package)
    return lock.spec_digest if lock else ""
