"""What a package says of itself holds: what is drawn, what MFU is of, which torch it needs."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.packages import write_package

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[2]
SMALL = {"vocab_size": 50, "context_length": 32, "d_model": 32, "layers": 2}
MODEL = {**SMALL, "attention": {"heads": 2}, "mlp": {"d_ff": 48}}


@pytest.mark.parametrize("dropout", [0.0, 0.1])
def test_only_training_with_dropout_says_that_it_draws_it(dropout: float, tmp_path: Path) -> None:
    spec = {"name": "words", "model": {**MODEL, "dropout": dropout}}
    train = (write_package(tmp_path, spec) / "train.py").read_text()
    assert ("Batches and dropout are drawn" in train) == (dropout > 0)
    assert ("torch.manual_seed(int(" in train) == (dropout > 0)


def test_branches_that_samples_skip_are_drawn_too(tmp_path: Path) -> None:
    model = {
        **SMALL,
        "attention": {"heads": 2},
        "image": {"size": 16, "patch_size": 4},
        "drop_path": 0.1,
    }
    del model["vocab_size"], model["context_length"]
    spec = {"name": "words", "task": "image-classification", "model": model}
    train = (write_package(tmp_path, spec) / "train.py").read_text()
    assert "Batches and dropout are drawn" in train
    spec = {**spec, "name": "changed", "train": {"augment": True}}
    train = (write_package(tmp_path, spec) / "train.py").read_text()
    assert "Batches, their augmentation and dropout are drawn" in train


def test_utilisation_is_shown_of_the_model_whose_flops_were_counted(tmp_path: Path) -> None:
    train = (write_package(tmp_path, {"name": "words", "model": MODEL}) / "train.py").read_text()
    assert "measured = run.config == Config() and options.context_length ==" in train


def test_the_rate_that_is_logged_is_that_of_most_weights(tmp_path: Path) -> None:
    for kind, rate in (("adamw", "options.lr"), ("muon", "options.matrix_lr")):
        spec = {"name": kind, "model": MODEL, "train": {"optimizer": {"kind": kind}}}
        train = (write_package(tmp_path, spec) / "train.py").read_text()
        assert f"report(run, log, mean, {rate} * lr_scale" in train


def test_the_readme_says_which_torch_is_needed(tmp_path: Path) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    (torch,) = [need for need in project["dependencies"] if need.startswith("torch>=")]
    readme = (write_package(tmp_path, {"name": "words", "model": MODEL}) / "README.md").read_text()
    assert f"torch ({torch.removeprefix('torch>=')} or newer)" in readme
