"""The kernels beside attention: rendered, run in Triton's interpreter, compared with float64."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from codegen.plan.kernels.kernel_plan import KernelPlan
from codegen.plan.kernels.row_kernels import (
    GLU_NAMES,
    GluKernel,
    LossKernel,
    NormKernel,
    RopeKernel,
)
from codegen.plan.transformer.parts import NormPlan
from codegen.refine.style import format_files
from codegen.render.render import environment
from tests.kernels.row_kernel_checks import CHECKS

FOLDER = Path(__file__).parent
NORMS = tuple(NormPlan("rms", weight, False, "d", "eps") for weight in (True, False))
BUDGET = 4096  # bytes of logits: chunks of 64 tokens, the smallest


def loss(bias: bool, softcap: bool, z_loss: bool) -> LossKernel:
    return LossKernel(bias, softcap, z_loss, log_probs=not softcap, budget=BUDGET, chunk=7)


def render(name: str, kernels: KernelPlan) -> dict[str, str]:
    context = {"plan": SimpleNamespace(kernels=kernels), "name": name, "header": "# A test"}
    files = ("kernels.py", "ops.py")
    env = environment()
    texts = {f: env.get_template(f"package/{f}.jinja").render(context) for f in files}
    return format_files(texts)


EVERYTHING = KernelPlan(
    targets=(),
    norms=(NormKernel(True), NormKernel(False)),
    ropes=(RopeKernel(), *map(RopeKernel, NORMS)),
    glus=tuple(map(GluKernel, GLU_NAMES)),
    loss=loss(True, True, True),
)


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("packages")
    for name, kernels in (
        ("bare", KernelPlan((), loss=loss(False, False, False))),
        ("capped", KernelPlan((), loss=loss(False, True, False))),
        ("full", EVERYTHING),
    ):
        (folder / name).mkdir()
        (folder / name / "__init__.py").touch()
        for path, text in render(name, kernels).items():
            (folder / name / path).write_text(text, encoding="utf-8")
    return folder


def run_checks(packages: Path, interpret: str) -> dict[str, str]:
    done = subprocess.run(
        [sys.executable, str(FOLDER / "row_kernel_checks.py"), str(packages)],
        capture_output=True,
        text=True,
        env={**os.environ, "TRITON_INTERPRET": interpret, "CUDA_VISIBLE_DEVICES": ""},
    )
    assert done.returncode == 0, done.stderr
    failed: dict[str, str] = json.loads(done.stdout.splitlines()[-1])
    return failed


@pytest.fixture(scope="module")
def interpreted(packages: Path) -> dict[str, str]:
    return run_checks(packages, "1")


@pytest.fixture(scope="module")
def plain(packages: Path) -> dict[str, str]:
    return run_checks(packages, "0")


@pytest.mark.drawn
@pytest.mark.parametrize("name", CHECKS)
def test_interpreted_kernels(name: str, interpreted: dict[str, str]) -> None:
    assert name not in interpreted, interpreted[name]


@pytest.mark.parametrize("name", CHECKS)
def test_plain_forms(name: str, plain: dict[str, str]) -> None:
    assert name not in plain, plain[name]


def test_rows_are_counted_in_64_bits(packages: Path) -> None:
    """rows * columns may pass 2^31: no product of two run-time numbers is narrower than 64 bits.

    The kernels are compiled as the plan's records say, so those fit the package's functions too.
    """
    done = subprocess.run(
        [sys.executable, str(FOLDER / "compile_row_kernels.py"), str(packages)],
        capture_output=True,
        text=True,
        env={
            **os.environ,
            "TRITON_INTERPRET": "0",
            "TRITON_CACHE_DIR": str(packages / "cache"),
            "PYTHONPATH": str(FOLDER.parent.parent),
        },
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert len(found) == 8
    assert not {name: pairs for name, pairs in found.items() if pairs}
