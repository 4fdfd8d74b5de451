"""Kernels that read quantised weights: interpreted beside float64, and compiled for every GPU."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from codegen.plan.kernels.kernel import Kernel
from codegen.plan.kernels.kernel_plan import KernelPlan
from codegen.plan.kernels.quantized_kernels import QuantizedKernel, quantized_kernels
from codegen.plan.kernels.tiles import fixed_tiles
from codegen.plan.targets import known_targets, read_target
from codegen.prove import Usage, prove
from tests.kernels.quantized_checks import CHECKS
from tests.kernels.test_row_kernels import render

FOLDER = Path(__file__).parent
BOTH = (QuantizedKernel(8), QuantizedKernel(4))


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("package")
    (folder / "quantized").mkdir()
    (folder / "quantized/__init__.py").touch()
    for path, text in render("quantized", KernelPlan((), quantized=BOTH)).items():
        (folder / "quantized" / path).write_text(text, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def interpreted(package: Path) -> dict[str, str]:
    done = subprocess.run(
        [sys.executable, str(FOLDER / "quantized_checks.py"), str(package)],
        capture_output=True,
        text=True,
        env={**os.environ, "TRITON_INTERPRET": "1", "CUDA_VISIBLE_DEVICES": ""},
    )
    assert done.returncode == 0, done.stderr
    failed: dict[str, str] = json.loads(done.stdout.splitlines()[-1])
    return failed


@pytest.mark.drawn
@pytest.mark.parametrize("name", CHECKS)
def test_interpreted_kernels(name: str, interpreted: dict[str, str]) -> None:
    assert name not in interpreted, interpreted[name]


@pytest.mark.drawn
@pytest.mark.parametrize("target", known_targets())
def test_they_fit_every_gpu_several_times(target: str, package: Path, tmp_path: Path) -> None:
    facts = read_target(target)
    for kernel, usage in used(target, package, tmp_path, inputs=2048):
        assert bool(usage.tensor_core) == kernel.dots
        assert usage.shared <= facts.shared_memory / 2 and usage.registers <= facts.registers * 0.6


@pytest.mark.long
@pytest.mark.parametrize("target", known_targets())
def test_they_spill_nothing_whatever_they_read(target: str, package: Path, tmp_path: Path) -> None:
    """Rows that no vector of 16 bytes divides, and other numbers than bfloat16."""
    for inputs, dtype in ((2050, "bf16"), (2048, "fp16"), (2048, "fp32")):
        assert len([*used(target, package, tmp_path, inputs, dtype)]) == 4


def used(
    target: str, package: Path, cache: Path, inputs: int, dtype: str = "bf16"
) -> Iterator[tuple[Kernel, Usage]]:
    """What each kernel needs of a GPU, once it is sound; outputs are counted in 64 bits."""
    source = (package / "quantized/kernels.py").read_text(encoding="utf-8")
    kernels = [kernel for v in BOTH for kernel in quantized_kernels(v, inputs, dtype)]
    for choice in prove(source, kernels, [target], cache, 1, fixed=fixed_tiles(kernels)):
        lacking = {"uses no tensor cores"} if dtype == "fp32" else set()
        assert not {*choice.faults} - lacking, (choice.kernel.kind, choice.faults)
        assert choice.usage.wide_offsets and not choice.usage.narrow_offsets, choice.kernel.kind
        yield choice.kernel, choice.usage
