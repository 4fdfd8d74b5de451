"""Runs one after another: what fails is told, what is finished is left, what was stopped goes on.

The packages here are scripts of a few lines that leave what training leaves.
"""

from __future__ import annotations

import json
import textwrap
from pathlib import Path

import click
import pytest

from codegen.commands.training import Run, result_of, train_all, training_options
from codegen.errors import TgenError
from codegen.report import run_line, runs_text

SCRIPT = """
import json, pathlib, signal, sys, time

given, here = sys.argv[1:], pathlib.Path(sys.argv[0]).parent
out = pathlib.Path(given[given.index("--out") + 1])
with (here / "starts").open("a") as file:
    file.write(json.dumps(given) + "\\n")
steps, first = int(given[given.index("--steps") + 1]), 1
if "--resume" in given:
    first += len((out / "log.jsonl").read_text().splitlines())
print("model: 1,234 parameters; float32, on cpu")


def save(step, best):
    texts = {"step": json.dumps(step), "best": json.dumps(best), "digest": "no JSON"}
    header = json.dumps({"__metadata__": texts}).encode()
    (out / "checkpoint.safetensors").write_bytes(len(header).to_bytes(8, "little") + header)


stopped = []
signal.signal(signal.SIGINT, lambda *_: stopped.append(1))
losses = []
with (out / "log.jsonl").open("a" if first > 1 else "w") as log:
    for step in range(first, steps + 1):
        if here.name == "broken" and step == 2:
            sys.exit("error: the loss is nan")
        losses.append(FIGURE(step))
        log.write(json.dumps({"step": step, NAME: losses[-1], "other": 1.0}) + "\\n")
        save(step, min(losses))
        print(f"step {step}/{steps}", flush=True)
        ends = here.name == "stopped" and first == 1 and step == 3
        waits = here.name == "slow" and first == 1 and step == 3
        while waits and not stopped:
            time.sleep(0.01)
        if ends or stopped:
            sys.exit(130)
"""


def package(name: str, figure: str = "1 / step", of: str = "validation_loss") -> Path:
    """A package whose training takes no time."""
    folder = Path("made", name)
    folder.mkdir(parents=True)
    script = SCRIPT.replace("NAME: losses", f"{of!r}: losses").replace("FIGURE(step)", figure)
    (folder / "train.py").write_text(textwrap.dedent(script))
    return folder.absolute()


def starts(folder: Path) -> list[list[str]]:
    """The arguments of each time that a package was trained."""
    path = folder / "starts"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_run_that_fails_or_is_stopped_is_told_and_the_others_go_on() -> None:
    names = ["first", "broken", "stopped", "last"]
    packages, options = [package(name) for name in names], training_options(["--steps", "4"])
    said: list[str] = []
    runs, interrupted = train_all(packages, options, done=lambda run: said.append(run_line(run)))
    assert not interrupted and [run.name for run in runs] == names
    assert [run.state for run in runs] == ["finished", "failed", "interrupted", "finished"]
    assert [run.step for run in runs] == [4, 1, 3, 4] and runs[0].parameters == 1234
    assert runs[1].said == "error: the loss is nan" and runs[0].memory > 0
    said = [click.unstyle(line) for line in said]
    assert [line.split()[:2] for line in said] == [[run.name, run.state] for run in runs]
    assert said[1].endswith("error: the loss is nan") and said[3].split()[2:4] == ["4", "steps,"]


def test_what_is_finished_is_left_and_what_was_stopped_goes_on() -> None:
    packages = [package("first"), package("stopped")]
    options = training_options(["--steps", "5"])
    before = train_all(packages, options)[0]
    runs, _ = train_all(packages, options)
    assert runs[0] == before[0] and [run.state for run in runs] == ["finished"] * 2
    asked = ["--steps", "5", "--out", "out/stopped"]
    assert len(starts(packages[0])) == 1 and starts(packages[1]) == [asked, [*asked, "--resume"]]
    assert runs[1].step == 5 and runs[1].seconds >= before[1].seconds
    assert len(Path("out/stopped/log.jsonl").read_text().splitlines()) == 5


def test_other_options_go_on_and_afresh_begins_anew() -> None:
    packages = [package("first")]
    for words in (["--steps", "3"], ["--steps", "6"], ["--steps", "2", "--overwrite"]):
        (run,), _ = train_all(packages, training_options([*words, "--out=grid"]))
        assert (run.state, run.step) == ("finished", int(words[1]))
    assert ["--resume" in given for given in starts(packages[0])] == [False, True, False]
    assert Path("grid/first/log.jsonl").exists() and not Path("out").exists()


def test_a_run_that_someone_has_trained_on_is_not_taken_for_finished() -> None:
    packages, options = [package("first")], training_options(["--steps", "3"])
    train_all(packages, options)
    record = json.loads(Path("out/first/trained.json").read_text())
    Path("out/first/trained.json").write_text(json.dumps({**record, "step": 2}))
    train_all(packages, options)
    assert len(starts(packages[0])) == 2
    for damaged in ("", "[]", '{"name": "first"}', '{"options": 3}'):
        Path("out/first/trained.json").write_text(damaged)
        (run,), _ = train_all(packages, options)
        assert run.state == "finished"


def test_a_run_of_an_earlier_spec_is_refused() -> None:
    packages, options = [package("first")], training_options(["--steps", "3"])
    train_all(packages, options)
    record = json.loads(Path("out/first/trained.json").read_text())
    Path("out/first/trained.json").write_text(json.dumps({**record, "spec": "another"}))
    (run,), _ = train_all(packages, options)
    assert run.state == "failed" and "--overwrite" in run.said and len(starts(packages[0])) == 1


def test_ctrl_c_lets_a_run_save_and_begins_no_other() -> None:
    packages, options = [package(name) for name in ("first", "slow", "last")], ["--steps", "9"]
    heard = []

    def moved(done: int, total: int, about: str) -> None:
        heard.append((done, total, about))
        if about == "slow (2 of 3)" and done == 3:
            raise KeyboardInterrupt

    runs, interrupted = train_all(packages, training_options(options), moved)
    assert interrupted and [run.state for run in runs] == ["finished", "interrupted"]
    assert runs[1].step == 3 and heard[-1] == (3, 9, "slow (2 of 3)") and not starts(packages[2])
    runs, interrupted = train_all(packages, training_options(options))
    assert not interrupted and [run.step for run in runs] == [9, 9, 9]
    assert [len(starts(one)) for one in packages] == [1, 2, 1]


def test_the_figure_of_a_run_is_what_its_checkpoint_calls_the_best(
    capsys: pytest.CaptureFixture[str],
) -> None:
    packages = [
        package("falling", "10 / step"),
        package("rising", "1 + step / 8"),
        package("distant", "abs(3 - step) + 40.0", of="frechet"),
    ]
    options = training_options(["--steps", "4"])
    runs, _ = train_all(packages, options)
    results = [result_of(run, Path("out", run.name)) for run in runs]
    assert [result.figure for result in results] == ["validation_loss"] * 2 + ["frechet"]
    assert [result.best for result in results] == [2.5, 1.125, 40.0]
    assert [result.last for result in results] == [2.5, 1.5, 41.0]
    runs_text(results[:2], Path("out/runs.png"))
    rows = {line.split()[0]: line.split() for line in capsys.readouterr().out.splitlines() if line}
    assert rows["falling"][1:6] == ["finished", "4", "2.5000", "2.5000", "1,234"]
    assert rows["rising"][1:7] == ["finished", "4", "*", "1.1250", "1.5000", "1,234"]


def test_all_curves_are_in_one_picture(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("matplotlib")
    from PIL import Image

    runs = [Run(f"run_{number}", "finished", (), "", 4) for number in range(12)]
    for run in runs[:-1]:  # the last has left nothing
        folder = Path("out", run.name)
        folder.mkdir(parents=True)
        lines = [{"step": s, "validation_loss": 1 / s} for s in range(1, 5)]
        lines += [{"step": s, "loss": 2 / s, "lr": 1.0} for s in range(1, 900)]
        (folder / "log.jsonl").write_text("\n".join(map(json.dumps, lines)))
    results = [result_of(run, Path("out", run.name)) for run in runs]
    runs_text(results, Path("out/runs.png"))
    assert "their curves are in out/runs.png" in capsys.readouterr().out
    assert len(results[0].losses) == 899 and results[-1].best is None
    with Image.open("out/runs.png") as picture:
        assert picture.width > 1000 and picture.height > 600
    runs_text(results[-1:], Path("out/none.png"))
    assert Path("out/none.png").exists()


@pytest.mark.parametrize("words", [["--resume"], ["--steps", "3", "--out"], ["--out="]])
def test_what_runs_cannot_share_is_refused(words: list[str]) -> None:
    with pytest.raises(TgenError):
        training_options(words)
