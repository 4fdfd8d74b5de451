"""`tgen build --train`: all variants of a grid by one command, each as if trained alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml

from tests.conftest import Run
from tests.training.conftest import MODEL, TEXT

OPTIONS = ["--data", "corpus.txt", "--steps", "6", "--eval-every", "3", "--log-every", "1"]
OPTIONS += ["--batch", "2", "--context-length", "16"]
CLOCKS = {"ms", "tokens_per_second"}


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A grid of two packages, and a text."""
    monkeypatch.chdir(tmp_path)
    grid = {"model.layers": [1, 2]}
    spec = {"name": "grid", "model": MODEL, "data": {"tokenizer": "char"}, "variants": grid}
    Path("specs").mkdir()
    Path("specs/grid.yaml").write_text(yaml.safe_dump(spec))
    Path("corpus.txt").write_text(TEXT)


def log(out: str) -> list[dict[str, float]]:
    """A run's log, less what time decides."""
    lines = Path(out, "log.jsonl").read_text().splitlines()
    return [{k: v for k, v in json.loads(line).items() if k not in CLOCKS} for line in lines]


@pytest.mark.long
@pytest.mark.skipif(not find_spec("matplotlib"), reason="it draws")
def test_each_variant_is_trained_as_by_its_own_command(tgen: Run) -> None:
    command = ["build", "specs/grid.yaml", "--no-test", "--train", "--", *OPTIONS]
    code, out, err = tgen(*command)
    assert code == 0 and Path("out/runs.png").exists(), out + err
    names = ["grid_layers1", "grid_layers2"]
    assert [line.split()[:2] for line in out.splitlines() if "6 steps" in line] == [
        [name, "finished"] for name in names
    ]
    for name in names:
        alone = [
            sys.executable,
            "-m",
            f"generated.{name}.train",
            *OPTIONS,
            "--out",
            f"alone/{name}",
        ]
        subprocess.run(alone, check=True, env={**os.environ, "PYTHONPATH": "."})
        assert log(f"out/{name}") == log(f"alone/{name}")
        last = log(f"alone/{name}")[-1]["validation_loss"]
        (row,) = [line.split() for line in out.splitlines() if line.split()[:1] == [name]][-1:]
        assert row[2] == "6" and f"{last:.4f}" in row
    code, out, _ = tgen(*command[:-8], *OPTIONS[:2], "--steps", "zero")
    said = " ".join(out.split())
    assert code == 6 and said.count("error: argument --steps: invalid int value: 'zero'") == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--train"], "--train takes the SPECS to train"),
        (["specs/grid.yaml", "--train", "--json"], "neither --json nor --dry-run"),
        (["specs/grid.yaml", "--train", "--dry-run", "--", "--steps", "3"], "neither --json nor"),
        (["specs/grid.yaml", "--train", "--", "--resume"], "--resume is for one run"),
    ],
)
def test_what_cannot_be_trained_is_refused_before_anything_is_built(
    arguments: list[str], said: str, tgen: Run
) -> None:
    code, _, err = tgen("build", *arguments)
    assert code == 2 and said in err and not Path("generated").exists()


def test_without_train_a_path_may_still_follow_two_dashes(tgen: Run) -> None:
    code, out, _ = tgen("build", "--no-test", "--", "specs/grid.yaml")
    assert code == 0 and "grid_layers2" in out and not Path("out").exists()
