"""The committed packages' kernels fit their GPUs, and the locks say what the compiler says."""

from __future__ import annotations

import hashlib
import re
from importlib.metadata import version
from pathlib import Path

import pytest

from codegen.build.proof import entry_names
from codegen.build.rendering import make_plan
from codegen.emit import Lock, read_lock
from codegen.plan import Plan
from codegen.plan.kernels.kernel import Kernel
from codegen.plan.kernels.kernel_plan import kernels_of
from codegen.plan.kernels.tiles import fixed_tiles
from codegen.plan.targets import known_targets, read_target, tile_from_text
from codegen.project import find_project
from codegen.prove import measure

ROOT = Path(__file__).parents[2]
PACKAGES = sorted(path.parent.name for path in (ROOT / "generated").glob("*/kernels.py"))
ENTRY = re.compile(r"(\d+) registers, (\d+) spilled, (\d+) bytes shared((?:, \w+)*); .+")
CLEAN_TO = 128  # head dims that may not spill


def proven(name: str) -> tuple[Plan, tuple[Kernel, ...], Lock]:
    plan = make_plan(ROOT / f"specs/{name}.yaml", find_project(ROOT))
    lock = read_lock(ROOT / "generated" / name)
    assert plan.kernels is not None and lock is not None
    return plan, kernels_of(plan.model, plan.kernels), lock


@pytest.mark.parametrize("name", PACKAGES)
def test_every_kernel_fits_every_gpu(name: str) -> None:
    _, kernels, lock = proven(name)
    text = (ROOT / "generated" / name / "kernels.py").read_bytes().replace(b"\r\n", b"\n")
    assert lock.kernels["source"] == hashlib.sha256(text).hexdigest(), "run: tgen build --prove"
    report = lock.kernels["targets"]
    assert isinstance(report, dict) and set(report) == set(known_targets())
    for target, entries in report.items():
        facts = read_target(target)
        names = entry_names(kernels)
        assert set(entries) == set(names.values())
        for kernel in kernels:
            found = ENTRY.fullmatch(entries[names[kernel]])
            assert found, entries[names[kernel]]
            assert int(found[1]) <= facts.registers
            assert int(found[3]) <= facts.shared_memory
            assert int(found[2]) == 0 or (kernel.head_dim or 0) > CLEAN_TO, (target, kernel.name)
            assert found[4] or not kernel.dots, (target, kernel.name)


@pytest.mark.long
@pytest.mark.parametrize("target", known_targets())
@pytest.mark.parametrize("name", PACKAGES)
def test_the_compiler_says_what_the_lock_says(name: str, target: str, tmp_path: Path) -> None:
    """Figures are the same under the Triton that the lock names; what must hold, under any."""
    _, kernels, lock = proven(name)
    facts, same = read_target(target), lock.kernels["triton"] == version("triton")
    source = (ROOT / "generated" / name / "kernels.py").read_text(encoding="utf-8")
    fixed, rows, entries = fixed_tiles(kernels), lock.tiles[target], lock.kernels["targets"][target]
    tiles = [fixed.get(kernel) or tile_from_text(rows[kernel.name]) for kernel in kernels]
    names = entry_names(kernels)
    work = [(kernel, tile, target) for kernel, tile in zip(kernels, tiles, strict=True)]
    for (kernel, _, _), usage in zip(work, measure(source, work, tmp_path, jobs=1), strict=True):
        cores = "".join(f", {name}" for name, _ in usage.tensor_core)
        said = f"{usage.registers} registers, {usage.spilled} spilled, {usage.shared} bytes shared"
        assert not same or entries[names[kernel]].startswith(f"{said}{cores}; "), kernel.name
        assert usage.registers <= facts.registers and usage.shared <= facts.shared_memory
        assert usage.spilled == 0 or (kernel.head_dim or 0) > CLEAN_TO, kernel.name
        assert usage.tensor_core or not kernel.dots, kernel.name
        assert usage.wide_offsets and not usage.narrow_offsets, kernel.name
