"""Networks of plain layers learn what they are for, by the commands that a person types."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import yaml

from tests.packages import import_package

ROOT = Path(__file__).parents[2]


def package(folder: Path, name: str, *modules: str) -> list[ModuleType]:
    """A committed spec's modules."""
    spec: dict[str, Any] = yaml.safe_load((ROOT / f"specs/{name}.yaml").read_text())
    return import_package(folder, spec, *modules)


def test_a_line_through_five_points_is_found(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train, predict = package(tmp_path, "linear_regression", "train", "predict")
    points, out = tmp_path / "points.csv", str(tmp_path / "out")
    points.write_text("x,y\n" + "".join(f"{x},{2 * x}\n" for x in range(1, 6)))
    assert train.main(["--data", str(points), "--out", out]) == 0
    capsys.readouterr()
    assert predict.main(["--checkpoint", out, "--x", "6"]) == 0
    assert capsys.readouterr().out.startswith(("12.00", "11.99"))


def test_a_mistake_in_a_file_is_said_with_its_row_and_column(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (train,) = package(tmp_path, "linear_regression", "train")
    points = tmp_path / "points.csv"
    points.write_text("x,y\n1,2\n2,four\n")
    assert train.main(["--data", str(points), "--out", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err
    assert said == f"error: {points}, line 3, column 'y': 'four' is no number\n"


def test_a_hidden_layer_reads_digits(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    datasets = pytest.importorskip("sklearn.datasets")
    digits = datasets.load_digits()
    images = np.round(digits.images * (255 / 16)).astype(np.uint8)
    np.savez(tmp_path / "digits.npz", images=images, labels=digits.target)
    (train,) = package(tmp_path, "mlp_digits", "train")
    given = ["--data", str(tmp_path / "digits.npz"), "--out", str(tmp_path / "out")]
    assert train.main([*given, "--steps", "600", "--eval-every", "600"]) == 0
    (line,) = [one for one in capsys.readouterr().out.splitlines() if "accuracy" in one]
    assert float(line.rpartition("accuracy ")[2].partition("%")[0]) >= 96
