"""Packages of models with a class of the user's own: it computes, and is held to its word."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import torch

from codegen.build.outcome import Outcome
from codegen.commands.build import build_packages
from codegen.commands.check import check_packages
from codegen.project import Project
from tests.packages import import_package

CODE = """\
import torch
from torch import Tensor, nn


class Mine(nn.Module):
    def __init__(
        self, channels: int, width: int, act: str, factor: float = 1.0, stride: int = 1
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, width, 3, stride=stride, padding=1)
        self.act, self.factor = act, factor
        self.gain = nn.Parameter(torch.empty(width, 1, 1))

    def reset_parameters(self) -> None:
        nn.init.ones_(self.gain)

    def forward(self, x: Tensor) -> Tensor:
        return getattr(torch, self.act)(self.factor * self.gain * self.conv(x))
"""
LAYERS: list[Any] = [
    {"conv": 8},
    {"mine": {"width": 16, "stride": 2, "act": "sigmoid"}},
    {"mine": {"width": 24, "factor": 0.5, "repeat": 2}},
    {"residual": [{"mine": {"width": 24}}]},
    "mean_pool",
    "linear",
]


def spec(out: dict[str, Any]) -> dict[str, Any]:
    block = {"python": "mine.py:Mine", "out": out, "act": "tanh"}
    model = {"image": 16, "classes": 3, "blocks": {"mine": block}, "layers": LAYERS}
    return {"name": "some", "family": "network", "task": "image-classification", "model": model}


def test_a_model_of_ones_own_class_computes_what_the_class_does(tmp_path: Path) -> None:
    (tmp_path / "specs").mkdir()
    (tmp_path / "specs/mine.py").write_text(CODE)
    said = spec({"channels": "width", "stride": "stride"})
    model, blocks = import_package(tmp_path, said, "model", "blocks")
    ours = model.Model(model.Config()).eval()
    ours.init_weights()
    mine = [one for one in ours.modules() if isinstance(one, blocks.Mine)]
    given = [(one.conv.in_channels, one.conv.out_channels, one.conv.stride[0], one.act, one.factor)
             for one in mine]  # fmt: skip
    assert given == [
        (8, 16, 2, "sigmoid", 1.0), (16, 24, 1, "tanh", 0.5), (24, 24, 1, "tanh", 0.5),
        (24, 24, 1, "tanh", 1.0),
    ]  # fmt: skip
    assert all(bool((one.gain == 1).all() and one.conv.weight.std() > 0.01) for one in mine)
    images = torch.randn(2, 3, 16, 16)
    x = ours.before[0](images)
    for one in mine[:3]:
        x = one(x)
    wanted = ours.after(x + mine[3](x))
    assert torch.equal(ours(images), wanted)


def run_tests(folder: Path) -> tuple[int, str]:
    file = folder / "generated/some/test_some.py"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(file), "-k",
         "hand_on or planned_number"],
        capture_output=True, text=True, cwd=folder,
    )  # fmt: skip
    return done.returncode, done.stdout


def test_the_packages_tests_hold_a_class_to_the_shape_that_the_spec_says(tmp_path: Path) -> None:
    (tmp_path / "specs").mkdir()
    (tmp_path / "specs/mine.py").write_text(CODE)
    import_package(tmp_path, spec({"channels": "width", "stride": "stride"}), "model")
    code, output = run_tests(tmp_path)
    assert code == 0 and "2 passed" in output
    import_package(tmp_path, spec({"channels": "width"}), "model")
    code, output = run_tests(tmp_path)
    assert code == 1 and "assert found == wanted" in output and "1 failed, 1 passed" in output


def test_a_check_notices_a_change_of_the_class(tmp_path: Path) -> None:
    (tmp_path / "specs").mkdir()
    (tmp_path / "specs/mine.py").write_text(CODE)
    import_package(tmp_path, spec({"channels": "width", "stride": "stride"}), "model")
    project = Project(tmp_path, tmp_path / "specs", tmp_path / "generated")

    def checked() -> Outcome:
        (outcome,) = check_packages([tmp_path / "specs/some.yaml"], project, out=project.generated)
        return outcome

    assert not checked().changes and not checked().changes
    (tmp_path / "specs/mine.py").write_text(CODE.replace("self.factor *", "2 *"))
    changed = [Path(change.path).name for change in checked().changes]
    assert "blocks.py" in changed and "model.py" not in changed
    paths = [tmp_path / "specs/some.yaml"]
    build_packages(paths, project, out=project.generated, test=False)
    assert not checked().changes
