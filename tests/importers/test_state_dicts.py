"""`tgen import FILE`: the architecture of a file of tensors, its spec, its weights."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from codegen.commands.import_file import import_file, read_state_dict
from codegen.commands.read_model import loaded
from codegen.commands.recognise import spec_of
from codegen.errors import CheckpointError
from codegen.importers.architectures import known_architectures, mapping_of
from codegen.importers.network_text import network_text
from codegen.importers.tensors import open_tensors
from codegen.plan import Plan, lower
from codegen.project import Project, find_project
from codegen.spec import load_text

LITE0 = "efficientnet_pytorch:efficientnet_lite0"


def plan_of(said: str, **fields: int) -> Plan:
    """An architecture's plan, with some of its numbers changed."""
    library, family = known_architectures()[said]
    own = mapping_of(library, family).fields[said.partition(":")[2]]
    spec = spec_of(library, family, said, {**own, **fields})
    return lower(load_text(network_text("network", spec, "one"), "network.yaml"))


def tensors_of(said: str, **fields: int) -> dict[str, Tensor]:
    """Tensors with the names and shapes of an architecture's, in the library's layout."""
    from codegen.commands.read_model import ReadModel
    from codegen.importers.config import Config

    plan = plan_of(said, **fields)
    read = ReadModel("network", said, Config("", "", {}, {}), "", plan)
    with loaded(read) as package:
        torch.manual_seed(0)
        model = package.model.Model(package.model.Config())
        model.init_weights()
        saved: dict[str, Tensor] = getattr(package.weights, f"save_{said.partition(':')[0]}")(model)
    return saved


@pytest.fixture(scope="module")
def lite() -> dict[str, Tensor]:
    return tensors_of(LITE0, classes=7, channels=1)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    (tmp_path / "project/specs").mkdir(parents=True)
    (tmp_path / "project/pyproject.toml").write_text("[tool.tgen]\n")
    return find_project(tmp_path / "project")


def test_an_architecture_is_told_by_its_tensors(lite: dict[str, Tensor], tmp_path: Path) -> None:
    save_file(lite, tmp_path / "some.safetensors")
    read = read_state_dict(tmp_path / "some.safetensors")
    assert read.name == "efficientnet_lite0"
    assert "image: {size: 224, channels: 1}" in read.text and "classes: 7" in read.text
    assert "checkpoint: {efficientnet_pytorch: efficientnet}" in read.text
    with loaded(read) as package:
        ours = package.model.Model(package.model.Config())
        package.weights.load_efficientnet_pytorch(
            ours, open_tensors((tmp_path / "some.safetensors",))
        )
        again = package.weights.save_efficientnet_pytorch(ours)
    assert again.keys() == lite.keys()
    assert all(torch.equal(again[name], tensor) for name, tensor in lite.items())


@pytest.mark.long
def test_names_that_libraries_share_are_the_first_ones(tmp_path: Path) -> None:
    save_file(tensors_of("timm:resnet18", classes=3), tmp_path / "some.safetensors")
    read = read_state_dict(tmp_path / "some.safetensors")
    assert read.name == "resnet18" and "checkpoint: {torchvision: resnet}" in read.text


def test_tensors_of_two_networks_are_refused(tmp_path: Path) -> None:
    save_file(tensors_of("timm:tf_efficientnet_b0", classes=3), tmp_path / "some.safetensors")
    said = refusal(tmp_path / "some.safetensors")
    assert "timm:efficientnet_b0 or timm:tf_efficientnet_b0, which compute different" in said


def test_a_file_becomes_a_package_with_weights_and_facts(
    lite: dict[str, Tensor], tmp_path: Path, project: Project
) -> None:
    file, names = tmp_path / "some.pth", [f"kind {n}" for n in range(7)]
    torch.save(tensors_of(LITE0, classes=7), file)
    (tmp_path / "classes.txt").write_text("\n".join(names))
    made = import_file(
        file,
        project,
        name="lite",
        image=160,
        allow_pickle=True,
        classes=tmp_path / "classes.txt",
        test=False,
    )
    assert "image: 160" in made.spec.read_text()
    assert made.weights is not None
    facts = json.loads((made.weights / "images.json").read_text())
    assert facts["classes"] == names and facts["mean"] == [0.485, 0.456, 0.406]
    record = json.loads((made.weights / "weights.json").read_text())
    assert record["skipped"] == [] and record["parameters"] > 3e6


def refusal(file: Path, **given: object) -> str:
    with pytest.raises(CheckpointError) as refused:
        read_state_dict(file, **given)  # type: ignore[arg-type]
    (one,) = refused.value.diagnostics
    return f"{one.message} {one.hint or ''}"


def test_files_that_are_not_what_they_should_be_are_refused(
    lite: dict[str, Tensor], tmp_path: Path
) -> None:
    torch.save(lite, tmp_path / "some.pth")
    assert "--allow-pickle" in refusal(tmp_path / "some.pth")
    torch.save({"epoch": 3, "model": lite}, tmp_path / "run.pt")
    assert "torch.save(model.state_dict()" in refusal(tmp_path / "run.pt", allow_pickle=True)
    (tmp_path / "some.onnx").write_bytes(b"")
    assert "no file of weights" in refusal(tmp_path / "some.onnx")
    (tmp_path / "broken.safetensors").write_bytes(b"none")
    assert "damaged" in refusal(tmp_path / "broken.safetensors")
    save_file({"encoder.weight": torch.zeros(3)}, tmp_path / "other.safetensors")
    assert "no known architecture" in refusal(tmp_path / "other.safetensors")


def test_tensors_that_an_architecture_lacks_or_has_not_are_named(
    lite: dict[str, Tensor], tmp_path: Path
) -> None:
    file = tmp_path / "some.safetensors"
    save_file(lite, file)
    assert "nearest: torchvision:resnet18" in refusal(file, architecture="torchvision:resnet81")
    said = refusal(file, architecture="efficientnet_pytorch:efficientnet_lite2")
    assert "no efficientnet_pytorch:efficientnet_lite2: _blocks.16._expand_conv.weight is" in said
    save_file({**lite, "_blocks.3._bn1.bias": torch.zeros(3)}, file)
    assert "_blocks.3._bn1.bias has shape [3], not [144]" in refusal(file, architecture=LITE0)
    save_file({**lite, "extra.weight": torch.zeros(2)}, file)
    assert "extra.weight is no part of it" in refusal(file, architecture=LITE0)
    less = {name: tensor for name, tensor in lite.items() if name != "_blocks.3._bn1.bias"}
    save_file(less, file)
    assert "_blocks.3._bn1.bias is missing" in refusal(file, architecture=LITE0)


def test_names_of_classes_are_as_many_as_the_classes(
    lite: dict[str, Tensor], tmp_path: Path, project: Project
) -> None:
    save_file(lite, tmp_path / "some.safetensors")
    (tmp_path / "classes.txt").write_text("one\ntwo\n")
    with pytest.raises(CheckpointError, match="2 classes, the model 7"):
        import_file(
            tmp_path / "some.safetensors",
            project,
            architecture=LITE0,
            classes=tmp_path / "classes.txt",
        )
    assert not list(project.specs.iterdir())
