"""Modules that code makes become specs whose packages compute the same, or are refused."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import load_file

from codegen.capture.compare import Compared
from codegen.capture.look import look_and_tell
from codegen.capture.process import Looked, looked
from codegen.commands import capture as capturing
from codegen.errors import TgenError
from codegen.project import Project
from tests.capture import small
from tests.conftest import Run

SIZE = (3, 16, 16)


@dataclass(frozen=True)
class Made:
    """What a module becomes, of which nothing is written but its weights."""

    text: str
    compared: Compared
    weights: Path


def looked_here(
    factory: str, arguments: Mapping[str, Any], size: tuple[int, ...], folder: Path, out: Path
) -> Looked:
    """What a process of its own would do, without its start."""
    look_and_tell({"factory": factory, "arguments": arguments, "input": list(size)}, out)
    return looked(out)


def captured(name: str, folder: Path, size: tuple[int, ...] = SIZE, **arguments: Any) -> Made:
    """A small module as a spec, and its package's model with its weights."""
    factory = f"tests.capture.small:{name}"
    found = looked_here(factory, arguments, size, folder, folder)
    text, compared = capturing.tried(found, factory, size, folder)
    return Made(text, compared, folder)


def layers_of(made: Made) -> tuple[list[Any], dict[str, Any]]:
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


def test_residuals_become_a_block_and_its_stages(tmp_path: Path) -> None:
    made = captured("residual", tmp_path)
    layers, blocks = layers_of(made)
    assert blocks == {"basic": [BASIC]}
    assert layers[1:-2] == [
        {"basic": {"width": 8, "repeat": 2}},
        {"basic": {"width": 16, "repeat": 2, "stride": 2}},
        {"basic": {"width": 32, "repeat": 2, "stride": 2}},
    ]
    assert layers[-2:] == ["mean_pool", {"linear": "classes"}]


def test_gates_are_found_and_widths_follow_others(tmp_path: Path) -> None:
    _, blocks = layers_of(captured("gated", tmp_path))
    assert blocks == {"gated": [GATED]}


def test_values_that_all_later_layers_read_are_read_once(tmp_path: Path) -> None:
    made = captured("growing", tmp_path)
    layers, blocks = layers_of(made)
    assert layers[1] == {"unit": {"repeat": 30}} and layers[3] == {"unit": {"repeat": 3}}
    assert blocks == {"unit": [{"dense": [{"conv": 4}]}]}
    assert made.compared.scores <= 1e-5


def test_what_a_row_of_layers_makes_is_put_side_by_side(tmp_path: Path) -> None:
    layers, _ = layers_of(captured("aggregated", tmp_path))
    inner = [{"conv": 6}, {"dense": ["conv"]}]
    assert layers[1] == {"dense": inner}


def test_parts_and_shuffles_are_found(tmp_path: Path) -> None:
    layers, blocks = layers_of(captured("shuffled", tmp_path))
    assert layers[1] == {"shuffled": {"repeat": 3}}
    assert blocks["shuffled"] == [
        {"split": {"into": ["here", ["conv"]]}}, {"channel_shuffle": 2}
    ]  # fmt: skip


def test_layers_over_channels_that_come_last_are_of_a_map(tmp_path: Path) -> None:
    made = captured("last", tmp_path)
    assert made.compared.scores <= 1e-5
    layers, blocks = layers_of(made)
    assert layers[1] == {"last": {"repeat": 2}}
    assert blocks["last"][0]["residual"][0] == "norm"
    assert blocks["last"][0]["residual"][-1] == {"scale": 0.01}


def test_a_map_may_become_tokens(tmp_path: Path) -> None:
    layers, _ = layers_of(captured("tokened", tmp_path))
    assert layers[1:4] == ["tokens", {"residual": [{"norm": "layer"}, {"linear": 8}]}, "mean_pool"]


def test_parts_may_wait_for_the_one_before(tmp_path: Path) -> None:
    layers, _ = layers_of(captured("chained", tmp_path))
    assert layers[1] == {"split": {"into": [["conv"], ["conv"], ["conv"], "here"], "chain": True}}


def test_tokens_are_mixed_over_their_positions(tmp_path: Path) -> None:
    layers, blocks = layers_of(captured("mixed", tmp_path))
    assert layers[1:3] == ["tokens", {"mixed": {"repeat": 2}}]
    inner = [{"norm": "layer"}, "transpose", {"linear": 256}, "transpose"]
    assert blocks["mixed"] == [{"residual": inner}]


def test_rows_that_come_again_and_again_are_a_block(tmp_path: Path) -> None:
    layers, blocks = layers_of(captured("rows", tmp_path))
    assert {"unit": {"repeat": 5}} in layers and len(layers) == 4
    assert blocks == {"unit": ["conv", {"norm": "batch"}]}


@pytest.mark.parametrize("classes", [1, 4])
def test_rows_of_numbers_are_told_apart_or_measured(classes: int, tmp_path: Path) -> None:
    made = captured("of_rows", tmp_path, size=(13,), classes=classes)
    said = yaml.safe_load(made.text)
    assert said["task"] == ("regression" if classes == 1 else "classification")
    assert len(said["data"]["inputs"]) == 13
    last = "linear" if classes == 1 else {"linear": "classes"}
    assert said["model"]["layers"] == [{"linear": {"width": 16, "activation": "tanh"}}, last]


def test_what_ways_share_gets_a_name(tmp_path: Path) -> None:
    layers, _ = layers_of(captured("shared", tmp_path))
    assert layers[:3] == [
        {"conv": {"width": 8, "activation": "relu"}, "as": "kept1"},
        "conv",
        {"gate": [{"add": [[{"from": "kept1"}, "conv"], "here"]}, "conv"]},
    ]


def test_a_value_that_is_shared_inside_of_a_way_is_named_before_it(tmp_path: Path) -> None:
    layers, _ = layers_of(captured("nested", tmp_path))
    assert layers[0]["as"] == "kept1" and str(layers[1]).count("{'from': 'kept1'}") == 1
    assert layers[1]["as"] == "kept2" and str(layers[2]).count("{'from': 'kept2'}") == 1


def test_branches_of_several_sizes_are_found(tmp_path: Path) -> None:
    layers, _ = layers_of(captured("fused", tmp_path))
    assert layers[0]["as"] == "kept1" and layers[1:3] == [
        {"conv": {"as": "kept2"}},
        {"from": "kept1"},
    ]


def test_sums_of_a_loop_are_read_and_what_shapes_choose(tmp_path: Path) -> None:
    layers, blocks = layers_of(captured("summed", tmp_path))
    assert {"summed": {"repeat": 2}} in layers and blocks["summed"][1] == "relu"
    assert str(blocks["summed"]).count("{'rescale': 0.3}") == 3


def test_gates_of_vectors_are_found_however_they_are_spread(tmp_path: Path) -> None:
    layers, blocks = layers_of(captured("squeezed", tmp_path))
    assert [*blocks["squeezed"][0]] == ["gate"] and layers.count("squeezed") == 2


def test_what_lies_around_a_map_is_read_and_what_a_stride_leaves_out(tmp_path: Path) -> None:
    layers, _ = layers_of(captured("mirrored", tmp_path))
    convs = [layer["conv"] for layer in layers if isinstance(layer, dict) and "conv" in layer]
    said = [one if isinstance(one, dict) else {} for one in convs]
    assert [one.get("padding_mode") for one in said] == [None, "reflect", "circular", None, None]
    assert [one.get("output_padding") for one in said] == [None] * 4 + [1]
    assert str(layers).count("'affine': True") == 1


@pytest.mark.parametrize(
    ("name", "arguments", "task", "last"),
    [
        ("unet", {"classes": 5}, "image-segmentation", "classes"),
        ("unet", {"classes": 3}, "image-to-image", "outputs"),
        ("unet", {"classes": 1}, "image-to-image", "outputs"),
        ("enlarging", {}, "super-resolution", ""),
    ],
)
def test_modules_that_give_maps_are_of_pixels_or_pictures(
    name: str, arguments: dict[str, Any], task: str, last: str, tmp_path: Path
) -> None:
    made = captured(name, tmp_path, **arguments)
    said = yaml.safe_load(made.text)
    assert said["task"] == task and last in str(said["model"]["layers"][-1])
    assert (made.weights / "images.json").is_file() == (task == "image-segmentation")


REFUSED = {
    "shrinking": ("gives 3 x 7 x 7 for an item, no row of scores and no picture", ""),
    "baked": ("batches of 2 and 3 give [2, 3] and [2, 3]", ""),
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
def test_what_no_spec_says_is_refused_with_its_class_and_its_line(
    name: str, tmp_path: Path
) -> None:
    message, line = REFUSED[name]
    with pytest.raises(TgenError) as caught:
        captured(name, tmp_path)
    assert message in str(caught.value) and line in str(caught.value)


def test_where_scores_differ_nothing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = capturing.read_graph

    def wrong(graph: Any) -> Any:
        line = read(graph)
        line[1].kind = "tanh"
        return line

    monkeypatch.setattr(capturing, "look_at", looked_here)
    monkeypatch.setattr(capturing, "read_graph", wrong)
    project = Project(tmp_path, tmp_path / "specs", tmp_path / "generated")
    with pytest.raises(TgenError, match="scores differ by"):
        capturing.capture("tests.capture.small:last", project, name="some", size=SIZE)
    assert not [path.name for path in tmp_path.iterdir() if path.name != ".tgen"]


def test_weights_are_the_modules_own(tmp_path: Path) -> None:
    made = captured("sized", tmp_path, size=(3, 4, 4), classes=5, deep=True)
    assert yaml.safe_load(made.text)["model"]["classes"] == 5
    kept = load_file(made.weights / "checkpoint.safetensors")
    torch.manual_seed(0)
    facts = json.loads((made.weights / "images.json").read_text())
    assert facts["classes"] == ["0", "1", "2", "3", "4"] and facts["mean"] == [0.0] * 3
    wanted = list(small.sized(5, deep=True).parameters())
    assert all(any(torch.equal(one, other) for other in kept.values()) for one in wanted)


def test_the_command_captures_in_a_process_of_its_own(
    tgen: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.tgen]\n")
    code = (Path(__file__).parent / "small.py").read_text()
    own = f"\n\nimport os\n\nassert os.getpid() != {os.getpid()}\n"
    (tmp_path / "mine.py").write_text(code + own)
    monkeypatch.chdir(tmp_path)
    options = ("--input", "1x3x4x4", "--arg", "classes=4", "--arg", "deep=true", "--no-test")
    status, out, error = tgen("capture", "mine:sized", "--name", "mine_too", *options)
    assert status == 0, error
    assert "captured" in out and "specs/mine_too.yaml" in out and "weights/mine_too/" in out
    assert (tmp_path / "generated/mine_too/model.py").is_file()
    assert tgen("check")[0] == 0
    status, _, error = tgen("capture", "mine:sized", "--input", "3xx4", "--no-test")
    assert status == 2 and "--input" in error
