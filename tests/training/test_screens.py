"""What training shows fits a terminal of 80 columns, and says first what it is of."""

from __future__ import annotations

import importlib
import os
import pty
import re
import subprocess
from pathlib import Path

import pytest

from tests.training.conftest import Trainer

GENERATED = Path(__file__).parents[2] / "generated"
PACKAGES = sorted(path.parent.name for path in GENERATED.glob("*/log.py"))


@pytest.mark.parametrize("package", PACKAGES)
def test_a_line_of_a_log_fits_80_columns(
    package: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = importlib.import_module(f"generated.{package}.log")
    names = list(log.FORMATS)
    steps = {name: 123456.7 for name in names if name.endswith("per_second")}
    for name in names[: names.index(next(iter(steps)))]:
        steps[name] = 12.345
    if "mfu" in names:
        steps["mfu"] = 0.456
    with log.open_log(tmp_path / "log.jsonl", 0, 100000) as opened:
        opened.write(99000, {**steps, "ms": 1234.5})
        opened.write(99000, {name: 1234.5678 for name in names if name not in steps}, "(lowest)")
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) < 80, lines
    assert lines[0].startswith("step  99000/100000  ") and "/s" in lines[0]
    assert "mfu" not in names or "MFU" in lines[0]


def test_a_run_says_first_what_it_is_of(trainer: Trainer) -> None:
    said = trainer.train("--validation", "0.2").stdout.splitlines()
    assert re.fullmatch(r"model: [\d,]+ parameters; float32, on cpu", said[0])
    text = len(Path("corpus.txt").read_text())
    held_out = text - int(text * 0.8)
    assert said[1] == f"data: {text - held_out:,} tokens to train on, {held_out:,} held out"
    passes = 6 * 32 / (text - held_out)
    assert said[2] == f"steps: to step 6, of 32 tokens each; {passes:.3g} epochs in all"
    resumed = trainer.run("train", "--resume", "--steps", "8").stdout
    assert "steps: from step 6 to 8, of 32 tokens each" in resumed
    assert all(len(line) < 80 for line in [*said, *resumed.splitlines()])


def test_a_loss_that_is_no_number_leaves_a_plot(
    trainer: Trainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("matplotlib")
    train = trainer.modules["train"]
    step = train.train_step

    def diverged(run: object, lr_scale: float) -> object:
        loss, norm = step(run, lr_scale)
        return (loss * float("nan") if run.step == 4 else loss), norm  # type: ignore[attr-defined]

    monkeypatch.setattr(train, "train_step", diverged)
    done = trainer.train(expect=2)
    assert "the loss is nan at step 4" in done.stderr and done.stderr.count("\n") == 1
    assert Path("out/small/loss.png").exists()


def test_on_a_terminal_bars_begin_where_the_run_stands_and_are_gone_at_its_end(
    trainer: Trainer,
) -> None:
    pytest.importorskip("rich")
    trainer.train("--steps", "4")
    screen, theirs = pty.openpty()
    process = subprocess.Popen(
        trainer.command("train", "--resume", "--steps", "400", "--eval-every", "100"),
        cwd=trainer.folder,
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, "COLUMNS": "80", "TERM": "xterm"},
    )
    os.close(theirs)
    text = b""
    try:
        while part := os.read(screen, 4096):
            text += part
    except OSError:  # its end
        pass
    assert process.wait() == 0
    moves = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")  # the cursor, and colours
    lines = [moves.sub("", part) for part in re.split(r"[\r\n]+", text.decode())]
    counts = [int(n) for line in lines for n in re.findall(r"^training .*?(\d+)/400 ", line)]
    assert counts and counts[0] >= 4
    assert any(line.startswith("evaluating") for line in lines)
    assert not lines[-1] and max(map(len, lines)) <= 80
