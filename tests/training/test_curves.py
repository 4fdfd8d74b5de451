"""loss.png is kept fresh while a run goes, at little cost, with its curves smoothed."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.training.conftest import Trainer


class Clock:
    """Seconds that pass when a test says so."""

    now = 0.0

    def perf_counter(self) -> float:
        return self.now


def test_the_running_mean_is_numpys_and_as_wide_at_the_ends_as_it_can_be(trainer: Trainer) -> None:
    log = importlib.import_module("small.log")
    values = np.random.default_rng(0).normal(size=40)
    for half in (1, 3, 30):
        ones = np.ones(2 * half + 1)
        sums, counts = (np.convolve(row, ones)[half:-half] for row in (values, np.ones(40)))
        assert log.running_mean(values.tolist(), half) == pytest.approx(sums / counts)


def test_drawing_takes_two_percent_of_a_runs_time_at_most(
    trainer: Trainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, clock, drawn = importlib.import_module("small.log"), Clock(), []

    def plot(source: Path, picture: Path) -> None:
        drawn.append(clock.now)
        clock.now += 2

    monkeypatch.setattr(log, "time", clock)
    monkeypatch.setattr(log, "plot_losses", plot)
    with log.open_log(trainer.folder / "log.jsonl", 0, 9) as opened:
        opened.drawn = 0.0
        for _ in range(1000):
            clock.now += 1
            opened.draw()
        assert drawn[0] < 15 and 10 <= len(drawn) <= 0.02 * clock.now / 2 + 2
        opened.draw(must=True)
    assert drawn[-1] == clock.now - 2


def test_an_evaluation_draws_what_the_log_has_by_then(
    trainer: Trainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("matplotlib")
    log, seen = importlib.import_module("small.log"), []
    curve, draw = log.draw_curve, log.Log.draw

    def watched(axes: Any, points: list[tuple[int, float]], label: str, color: str) -> None:
        seen.append([label, *(step for step, _ in points)])
        curve(axes, points, label, color)

    monkeypatch.setattr(log, "draw_curve", watched)
    monkeypatch.setattr(log.Log, "draw", lambda self, **_: draw(self, must=True))
    trainer.train("--eval-every", "2", "--steps", "4")
    first, last = [1, 2], [1, 2, 3, 4]
    wanted = [["training", *first], ["validation", 2], ["training", *last], ["validation", 2, 4]]
    assert seen[:4] == wanted and seen[4:] == wanted[2:]
    assert Path("out/small/loss.png").exists()


def test_a_log_that_someone_has_changed_ends_no_run(trainer: Trainer) -> None:
    pytest.importorskip("matplotlib")
    trainer.train("--steps", "2")
    log, path = importlib.import_module("small.log"), Path("out/small/log.jsonl")
    path.write_text(path.read_text() + "no record\n")
    log.plot_losses(path, path.with_name("loss.png"))
    said = trainer.capture.readouterr().err
    assert said.startswith("warning: ") and said.count("\n") == 1
    lines = [json.dumps({"step": step, "loss": 1 / (step + 1)}) + "\n" for step in range(300)]
    path.write_text("".join(lines))
    log.plot_losses(path, path.with_name("loss.png"))
    assert not trainer.capture.readouterr().err
