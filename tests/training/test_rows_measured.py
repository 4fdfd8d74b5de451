"""What is measured of rows is what numpy makes of the predictions, and what training has logged."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.packages import import_package

LAYERS = {"model": {"layers": [{"linear": 12}, "relu", "linear"]}}
OPTIONS = ["--steps", "80", "--batch", "16", "--eval-every", "40", "--lr", "3e-2", "--out", "out"]


def write(path: Path, count: int, seed: int, target: str) -> list[dict[str, Any]]:
    """Rows of two columns, with a number or a class that follows from both, not quite."""
    draw, rows = np.random.default_rng(seed), []
    for a, b in (100 + 20 * draw.standard_normal((count, 2))).tolist():
        y = 3 * a - 2 * b + 15 * draw.standard_normal()
        kind = "low" if y < 80 else "middle" if y < 130 else "high"
        rows.append({"a": a, "b": b, target: f"{y}" if target == "y" else kind})
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return rows


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def measured(evaluate: Any, *options: str) -> dict[str, Any]:
    assert evaluate.main(["--checkpoint", "out", "--json", "found.json", *options]) == 0
    (found,) = json.loads(Path("found.json").read_text())
    return dict(found)


def logged(name: str) -> float:
    """A figure of the evaluation whose loss was the lowest."""
    lines = [json.loads(line) for line in Path("out/log.jsonl").read_text().splitlines()]
    rows = [line for line in lines if "validation_loss" in line]
    return float(min(rows, key=lambda row: row["validation_loss"])[name])


def test_numbers_of_rows(capsys: pytest.CaptureFixture[str]) -> None:
    spec = {"name": "told_numbers", "family": "network", "task": "regression", **LAYERS}
    spec["data"] = {"inputs": ["a", "b"], "target": "y"}
    train, predict, evaluate = import_package(Path.cwd(), spec, "train", "predict", "evaluate")
    write(Path("rows.csv"), 200, 1, "y")
    assert train.main(["--data", "rows.csv", *OPTIONS]) == 0
    held_out = measured(evaluate)["figures"]
    assert held_out["RMSE"]["value"] == pytest.approx(logged("validation_rmse"), rel=1e-4)
    asked = write(Path("others.csv"), 60, 2, "y")
    told = np.array([predict.predict(Path("out"), [row["a"], row["b"]], "cpu") for row in asked])
    there = np.array([float(row["y"]) for row in asked])
    found = measured(evaluate, "--data", "others.csv")
    assert found["count"] == 60
    figures = {name: one["value"] for name, one in found["figures"].items()}
    assert figures["RMSE"] == pytest.approx(np.sqrt(((told - there) ** 2).mean()), rel=1e-4)
    assert figures["MAE"] == pytest.approx(np.abs(told - there).mean(), rel=1e-4)
    assert figures["correlation"] == pytest.approx(np.corrcoef(told, there)[0, 1], rel=1e-4)
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 80


def test_classes_of_rows(capsys: pytest.CaptureFixture[str]) -> None:
    spec = {"name": "told_classes", "family": "network", "task": "classification", **LAYERS}
    spec["data"] = {"inputs": ["a", "b"], "target": "kind"}
    train, predict, evaluate = import_package(Path.cwd(), spec, "train", "predict", "evaluate")
    write(Path("rows.csv"), 300, 1, "kind")
    assert train.main(["--data", "rows.csv", *OPTIONS]) == 0
    held_out = measured(evaluate)["figures"]
    assert held_out["accuracy"]["value"] == pytest.approx(logged("validation_accuracy"))
    assert held_out["loss"]["value"] == pytest.approx(logged("validation_loss"), rel=1e-4)
    asked = write(Path("others.csv"), 90, 2, "kind")
    rows = np.array([[row["a"], row["b"]] for row in asked])
    told = [likely[0][0] for likely in predict.predict(Path("out"), rows, "cpu", 1)]
    there = [row["kind"] for row in asked]
    found = measured(evaluate, "--data", "others.csv")
    right = [one == other for one, other in zip(told, there, strict=True)]
    assert 0.5 < np.mean(right) == pytest.approx(found["figures"]["accuracy"]["value"])
    for kind, part in found["parts"].items():
        both = sum(one == other == kind for one, other in zip(told, there, strict=True))
        assert part["recall"]["value"] == pytest.approx(both / there.count(kind))
        assert part["precision"]["value"] == pytest.approx(both / told.count(kind))
    assert len(found["parts"]) == 3
    Path("odd.csv").write_text("a,b,kind\n1,2,tiny\n")
    capsys.readouterr()
    assert evaluate.main(["--checkpoint", "out", "--data", "odd.csv"]) == 2
    assert "odd.csv has classes that the model doesn't know: ['tiny']" in capsys.readouterr().err
