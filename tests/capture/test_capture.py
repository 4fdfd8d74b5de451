"""Modules that code makes become specs whose packages compute the same, or are refused."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import load_file

from codegen.capture.look import look_and_tell
from codegen.capture.process import Looked, looked
from codegen.commands import capture as capturing
from codegen.commands.capture import Captured
from codegen.errors import TgenError
from codegen.project import Project
from tests.capture import small
from tests.conftest import Run


def here(
    factory: str, arguments: Mapping[str, Any], size: tuple[int, ...], folder: Path, out: Path
) -> Looked:
    """What a process of its own would do, without its start."""
    look_and_tell({"factory": factory, "arguments": arguments, "input": list(size)}, out)
    return looked(out)


def captured(
    name: str, folder: Path, monkeypatch: pytest.MonkeyPatch, side: int = 16, **arguments: Any
) -> Captured:
    monkeypatch.setattr(capturing, "look_at", here)
    project = Project(folder, folder / "specs", folder / "generated")
    return capturing.capture(
        f"tests.capture.small:{name}", project, name="some", size=(3, side, side),
        arguments=arguments, test=False,
    )  # fmt: skip


def layers_of(made: Captured) -> tuple[list[Any], dict[str, Any]]:
    model = yaml.safe_load(made.text)["model"]
    return model["layers"], model.get("blocks", {})


BASIC = {"residual": {"activation": "relu", "layers": [
    {"conv": {"width": "width", "stride": "stride"}}, {"conv": {"activation": "none"}},
]}}  # fmt: skip
GATED = {"residual": [
    {"conv": {"width": "3 * channels", "kernel": 1}},
    {"gate": [
        {"mean_pool": {"size": 1}}, {"conv": {"width": "channels / 3", "kernel": 1}},
        {"conv": {"width": "3 * channels", "kernel": 1, "activation": "sigmoid"}},
    ]},
    {"conv": {"width": "channels / 3", "kernel": 1, "activation": "none"}},
]}  # fmt: skip


def test_residuals_become_a_block_and_its_stages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = captured("residual", tmp_path, monkeypatch)
    layers, blocks = layers_of(made)
    assert blocks == {"basic": [BASIC]}
    assert layers[1:-2] == [
        {"basic": {"width": 8, "repeat": 2}},
        {"basic": {"width": 16, "repeat": 2, "stride": 2}},
        {"basic": {"width": 32, "repeat": 2, "stride": 2}},
    ]
    assert layers[-2:] == ["mean_pool", {"linear": "classes"}]


def test_gates_are_found_and_widths_follow_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, blocks = layers_of(captured("gated", tmp_path, monkeypatch))
    assert blocks == {"gated": [GATED]}


def test_values_that_all_later_layers_read_are_read_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = captured("growing", tmp_path, monkeypatch)
    assert made.text.count("dense:") == 33
    assert made.compared.scores <= 1e-5


def test_what_a_row_of_layers_makes_is_put_side_by_side(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    layers, _ = layers_of(captured("aggregated", tmp_path, monkeypatch))
    inner = [{"conv": 6}, {"dense": ["conv"]}]
    assert layers[1] == {"dense": inner}


def test_parts_and_shuffles_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    layers, blocks = layers_of(captured("shuffled", tmp_path, monkeypatch))
    assert layers[1] == {"shuffled": {"repeat": 3}}
    assert blocks["shuffled"] == [
        {"split": {"into": ["here", ["conv"]]}}, {"channel_shuffle": 2}
    ]  # fmt: skip


def test_layers_over_channels_that_come_last_are_of_a_map(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = captured("last", tmp_path, monkeypatch)
    assert made.compared.scores <= 1e-5
    layers, blocks = layers_of(made)
    assert layers[1] == {"last": {"repeat": 2}}
    assert blocks["last"][0]["residual"][0] == "norm"
    assert blocks["last"][0]["residual"][-1] == {"scale": 0.01}


def test_a_map_may_become_tokens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    layers, _ = layers_of(captured("tokened", tmp_path, monkeypatch))
    assert layers[1:4] == ["tokens", {"residual": [{"norm": "layer"}, {"linear": 8}]}, "mean_pool"]


REFUSED = {
    "shared": ("small.Shared: no layer is what it gives is read by ways that part", "a, b ="),
    "baked": ("batches of 2 and 3 images give [2, 3] and [2, 3]", ""),
    "branching": ("small.Branching: it can't be traced", ""),
    "rolled": ("small.Rolled: no layer is `torch.roll`", "torch.roll(x, 1, 2)"),
    "idle": ("2 parameters take no part in what comes out: 2.idle.weight, 2.idle.bias", ""),
    "twice": ("modules that run twice: 2.layer.bias, 2.layer.weight", ""),
    "hooked": ("2 has hooks or is parametrised", ""),
    "no_module": ("makes a int, no nn.Module", ""),
    "failing": ("fails: ValueError: on purpose", ""),
    "missing": ("can't be imported", ""),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_no_spec_says_is_refused_and_nothing_is_left(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    message, line = REFUSED[name]
    with pytest.raises(TgenError) as caught:
        captured(name, tmp_path, monkeypatch)
    said = str(caught.value)
    assert message in said and line in said
    assert not [
        path for path in tmp_path.rglob("*") if path.is_file() and ".tgen" not in path.parts
    ]


def test_a_difference_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = capturing.read_graph

    def wrong(graph: Any) -> Any:
        line = read(graph)
        line[1].kind = "tanh"
        return line

    monkeypatch.setattr(capturing, "read_graph", wrong)
    with pytest.raises(TgenError, match="scores differ by"):
        captured("last", tmp_path, monkeypatch)
    assert not (tmp_path / "specs/some.yaml").exists() and not (tmp_path / "weights").exists()


def test_weights_are_the_modules_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = captured("sized", tmp_path, monkeypatch, side=4, classes=5, deep=True)
    assert yaml.safe_load(made.text)["model"]["classes"] == 5
    kept = load_file(made.weights / "checkpoint.safetensors")
    torch.manual_seed(0)
    wanted = list(small.sized(5, deep=True).parameters())
    assert all(any(torch.equal(one, other) for other in kept.values()) for one in wanted)


def test_the_command_captures_in_a_process_of_its_own(
    tgen: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.tgen]\n")
    code = (Path(__file__).parent / "small.py").read_text()
    (tmp_path / "mine.py").write_text(code + f"\nPLACE = {os.getpid()}\n")
    monkeypatch.chdir(tmp_path)
    options = ("--input", "1x3x4x4", "--arg", "classes=4", "--arg", "deep=true", "--no-test")
    status, out, error = tgen("capture", "mine:sized", "--name", "mine_too", *options)
    assert status == 0, error
    assert "captured" in out and "specs/mine_too.yaml" in out and "weights/mine_too/" in out
    assert (tmp_path / "generated/mine_too/model.py").is_file()
    assert tgen("check")[0] == 0
    status, _, error = tgen("capture", "mine:rolled", "--input", "3x16x16", "--no-test")
    assert status == 2 and "no layer is `torch.roll`" in error and "mine.py:" in error
    status, _, error = tgen("capture", "mine:sized", "--input", "3x4", "--no-test")
    assert status == 2 and "--input" in error
