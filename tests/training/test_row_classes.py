"""Classes of rows are learned from a CSV file, and told under the names that are written there."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

from codegen.errors import SpecError
from tests.packages import import_package
from tests.parity.trial import plan_of

INPUTS = ["sepal_length", "sepal_width", "petal_length", "petal_width"]


def spec_of(**data: Any) -> dict[str, Any]:
    spec = {"name": "flowers", "family": "network", "task": "classification"}
    layers = [{"linear": 16}, "relu", {"linear": "classes"}]
    said = {"inputs": INPUTS, "target": "species", **data}
    return {**spec, "data": said, "model": {"classes": 3, "layers": layers}}


@pytest.fixture(scope="module")
def modules(tmp_path_factory: pytest.TempPathFactory) -> list[ModuleType]:
    """data.py, train.py and predict.py of a classifier of flowers."""
    return import_package(
        tmp_path_factory.mktemp("rows"), spec_of(), "data", "train", "predict", "model"
    )


def test_flowers_are_told_apart(
    modules: list[ModuleType], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    datasets = pytest.importorskip("sklearn.datasets")
    _, train, predict, _ = modules
    iris = datasets.load_iris()
    rows, out = tmp_path / "iris.csv", str(tmp_path / "out")
    lines = [",".join([*INPUTS, "species"])]
    for values, target in zip(iris.data, iris.target, strict=True):
        lines.append(",".join([*map(str, values), f" {iris.target_names[target]}"]))
    rows.write_text("\n".join(lines))
    given = ["--data", str(rows), "--out", out, "--steps", "400", "--lr", "1e-2"]
    assert train.main([*given, "--validation", "0.3", "--eval-every", "400"]) == 0
    record = json.loads((tmp_path / "out/log.jsonl").read_text().splitlines()[-1])
    assert record["validation_accuracy"] >= 0.9
    capsys.readouterr()

    assert predict.main(["--checkpoint", out, "--data", str(rows), "--format", "csv"]) == 0
    table = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    told = np.array([row["species"] for row in table])
    assert np.mean(told == iris.target_names[iris.target]) >= 0.95
    facts = json.loads((tmp_path / "out/columns.json").read_text())
    assert facts["classes"] == ["setosa", "versicolor", "virginica"]
    inputs = (iris.data - facts["mean"]) / facts["deviation"]
    parameters = predict.load(tmp_path / "out", "cpu").parameters()
    first, first_bias, second, second_bias = (p.detach().double().numpy() for p in parameters)
    scores = np.maximum(inputs @ first.T + first_bias, 0) @ second.T + second_bias
    parts = (np.exp(scores) / np.exp(scores).sum(1, keepdims=True)).max(1)
    assert [float(row["probability"]) for row in table] == pytest.approx(parts, abs=1e-5)

    setosa = zip(INPUTS, ("5.1", "3.5", "1.4", "0.2"), strict=True)
    one = [part for name, value in setosa for part in (f"--{name}", value)]
    assert predict.main(["--checkpoint", out, *one, "--top", "1"]) == 0
    assert capsys.readouterr().out.startswith("setosa ")
    assert predict.main(["--checkpoint", out, *one[:6]]) == 2
    assert "say --petal_width, or give rows with --data" in capsys.readouterr().err


def test_classes_are_named_as_written_and_ordered(
    modules: list[ModuleType], tmp_path: Path
) -> None:
    data, _, _, model = modules
    assert data.in_order({"10", "9", "-1", "2.5"}) == ["-1", "2.5", "9", "10"]
    assert data.in_order({"b", "a", "10"}) == ["10", "a", "b"]
    path = tmp_path / "rows.csv"
    lines = [",".join([*INPUTS, "species"])]
    lines += [f"{n},{n % 7},1,0.5,class {n % 5}" for n in range(40)]
    path.write_text("\n".join(lines))
    options = type("Given", (), {"data": str(path), "validation": 0.25, "seed": 3})
    rows, config = data.read_data(options, model.Config())
    assert config.classes == 5 and rows.facts.classes == [f"class {n}" for n in range(5)]
    whole = torch.cat([rows.train.inputs, rows.validation.inputs])
    targets = torch.cat([rows.train.targets, rows.validation.targets])
    first = (whole[:, 0] * rows.facts.deviation[0] + rows.facts.mean[0]).round().long()
    assert sorted(first.tolist()) == list(range(40)) and torch.equal(first % 5, targets)
    assert len(rows.validation.targets) == 10 and bool((whole[:, 2:] == 0).all())
    assert rows.train.inputs[:, 0].mean().item() == pytest.approx(0, abs=1e-6)
    assert rows.train.inputs[:, 0].std(correction=0).item() == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"inputs": ["a", "top"]}, "`--top` is another option"),
        ({"inputs": ["a", "species"]}, "the column `species` is said twice"),
        ({"target": "of course"}, "a column's name becomes an option"),
    ],
)
def test_columns_that_can_not_be_options_are_refused(said: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        plan_of(spec_of(**said))
