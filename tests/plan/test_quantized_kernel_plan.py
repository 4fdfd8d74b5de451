"""Which packages have the kernels that read quantised weights, and how those are launched."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from codegen.build.proof import entry_names
from codegen.plan import Plan, lower
from codegen.plan.families import family_of
from codegen.plan.kernels.kernel_plan import tunable
from codegen.plan.kernels.tiles import fixed_tiles
from codegen.refine import prune_package
from codegen.render import package_roots, render_package
from codegen.spec import load_spec
from tests.packages import write_package
from tests.plan.test_kernel_plan import plan_for

QUANTIZED = "train: {quantize: {weights: int4, group: 32}}"
NAMES = ("int8_linear", "int4_linear", "reads_codes")
IMAGES = """
name: some_model
task: image-classification
train: {quantize: {weights: int8}}
"""
VIT = """
model: {image: {size: 8, patch_size: 4}, classes: 4, d_model: 16, layers: 1, attention: {heads: 2}}
"""
CNN = """
family: network
model: {image: {size: 8, channels: 1}, classes: 4, layers: [flatten, linear: classes]}
"""


def texts_of(plan: Plan) -> dict[str, str]:
    """The files of a package, without what nothing reaches."""
    return prune_package(render_package(plan), package_roots(plan))


def test_a_spec_that_quantises_has_them_wherever_there_are_kernels(tmp_path: Path) -> None:
    for target in ("any", "cuda", "{device: hip, arch: gfx942}", "{kernels: all}"):
        plan = plan_for(tmp_path, f"target: {target}", QUANTIZED, mask="causal")
        texts = texts_of(plan)
        assert all(f"def {name}(" in texts["ops.py"] for name in NAMES), target
        assert "def int8_linear_kernel" in texts["kernels.py"]
        assert "def int4_linear_kernel" in texts["kernels.py"]
    assert "from .ops" not in texts_of(plan_for(tmp_path, QUANTIZED, mask="causal"))["model.py"]


@pytest.mark.parametrize("target", ["cpu", "{kernels: none}"])
def test_they_are_not_where_there_are_no_kernels(target: str, tmp_path: Path) -> None:
    plan = plan_for(tmp_path, f"target: {target}", QUANTIZED)
    assert plan.kernels is None and not {"ops.py", "kernels.py"} & set(render_package(plan))


def test_without_quantised_weights_they_leave_no_trace(tmp_path: Path) -> None:
    texts = texts_of(plan_for(tmp_path, "target: {kernels: all}"))
    words = (*NAMES, "add_times", "MOST_ROWS", "kernels_read")
    assert not [(path, word) for path, text in texts.items() for word in words if word in text]
    assert plan_for(tmp_path, mask="causal").kernels is None


def test_images_have_them_only_in_transformers(tmp_path: Path) -> None:
    found = []
    for model in (VIT, CNN):
        path = tmp_path / "spec.yaml"
        path.write_text(IMAGES + model)
        found.append(lower(load_spec(path, tmp_path, ())))
    assert found[0].kernels is not None and found[0].kernels.quantized
    assert "def test_kernels_read_the_codes" in texts_of(found[0])["test_some_model.py"]
    assert found[1].kernels is None


def test_each_is_launched_in_one_way_and_shown_by_a_name_of_its_own(tmp_path: Path) -> None:
    plan = plan_for(tmp_path, QUANTIZED, mask="causal")
    assert plan.kernels is not None and tunable(plan.kernels) == ()
    kernels = family_of(plan).kernels(plan)
    tiles = fixed_tiles(kernels)
    assert [tiles[kernel].warps for kernel in kernels] == [4, 2, 4, 2]
    assert set(entry_names(kernels).values()) == {
        f"int{bits}_linear_kernel, int{bits}_{rows}"
        for bits in (8, 4)
        for rows in ("one_row", "few_rows")
    }
    text = texts_of(plan)["kernels.py"]
    for kernel in kernels:  # what is compiled is what is launched
        sizes = {**dict(kernel.constants), "num_warps": tiles[kernel].warps}
        rows = "ONE_ROW" if sizes["ROWS"] == 1 else "FEW_ROWS"
        line = next(line for line in text.splitlines() if line.startswith(f"{rows} = "))
        assert all(f'"{name}": {x}' in line for name, x in sizes.items() if name != "GROUP")


@pytest.mark.long
def test_a_package_tries_them_itself(tmp_path: Path) -> None:
    spec: dict[str, object] = {
        "name": "some_model",
        "target": {"kernels": "all"},
        "train": {"quantize": {"weights": "int8"}},
        "model": {
            "vocab_size": 61,
            "context_length": 32,
            "d_model": 32,
            "layers": 1,
            "attention": {"heads": 2, "mask": "causal & window(8)"},
            "mlp": {"kind": "gated"},
        },
    }
    package = write_package(tmp_path, spec)
    command = [sys.executable, "-m", "pytest", "-q", f"{package}/test_some_model.py"]
    done = subprocess.run([*command, "-k", "kernels"], cwd=tmp_path, capture_output=True, text=True)
    assert "3 passed" in done.stdout, done.stdout
