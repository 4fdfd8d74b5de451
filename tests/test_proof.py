"""The gate joined to the lock: tiles and a report outlive the build that found them."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from codegen.build import proof, rendering
from codegen.build.locked import launched_as, locked_tiles
from codegen.build.outcome import Outcome
from codegen.commands.build import build_packages
from codegen.commands.check import check_packages
from codegen.errors import OutputError, TgenError
from codegen.plan import Plan
from codegen.plan.kernels.kernel import Kernel, Tile
from codegen.plan.kernels.kernel_plan import kernels_of
from codegen.plan.kernels.tiles import fixed_tiles
from codegen.project import Project, templates_folder
from codegen.prove import ChosenTile, Usage
from codegen.render import render
from tests.conftest import Run

ROOT = Path(__file__).parent.parent
SPEC = """\
name: small
target: {device: cuda, arch: sm_90}
model:
  vocab_size: 61
  context_length: 64
  d_model: 32
  layers: 1
  attention: {heads: 2, mask: causal & window(8)}
"""
CHOSEN = Tile((("BLOCK_Q", 16), ("BLOCK_K", 64)), 5, 2)
TEXT = "BLOCK_Q=16 BLOCK_K=64 stages=5 warps=2"
ROW = '"sm_90": {"BLOCK_Q": 16, "BLOCK_K": 64, "num_stages": 5, "num_warps": 2}'
USAGE = Usage("compiled", shared=1024, registers=99, tensor_core=(("wgmma", 4),))
KERNELS = ("attention_forward", "attention_dkdv", "attention_dq", "attention_decode")


class Gate:
    """Stands for the gate: chooses one tile for all that is free, and counts its calls."""

    def __init__(self) -> None:
        self.tile, self.calls = CHOSEN, 0
        self.faults: tuple[str, ...] = ()

    def __call__(
        self, plan: Plan, source: str, cache: Path, jobs: int, progress: Any = None
    ) -> list[ChosenTile]:
        assert plan.kernels is not None and "def attention_forward(" in source
        self.calls += 1
        kernels = kernels_of(plan.model, plan.kernels)
        fixed = fixed_tiles(kernels)
        return [
            ChosenTile(kernel, target, fixed.get(kernel) or self.fitted(kernel), USAGE, "the first",
                   self.faults if kernel.kind == "attention_dq" else ())
            for kernel in kernels
            for target in plan.kernels.targets
        ]  # fmt: skip

    def fitted(self, kernel: Kernel) -> Tile:
        sizes = self.tile.sizes[1:] if kernel.kind == "attention_decode" else self.tile.sizes
        return replace(self.tile, sizes=sizes)


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Gate:
    stand_in = Gate()
    monkeypatch.setattr(proof, "prove_plan", stand_in)
    return stand_in


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project of one spec, and the current folder."""
    (tmp_path / "pyproject.toml").write_text("[tool.tgen]\n")
    (tmp_path / "specs").mkdir()
    (tmp_path / "specs/small.yaml").write_text(SPEC)
    monkeypatch.chdir(tmp_path)
    return Project(tmp_path, tmp_path / "specs", tmp_path / "generated")


def build(project: Project, prove: bool | None = None) -> Outcome:
    (outcome,) = build_packages(
        [project.specs / "small.yaml"],
        project,
        out=project.generated,
        test=False,
        prove=prove,
    )
    return outcome


def check(project: Project) -> Outcome:
    """Without any verdict: all is rendered and compared."""
    shutil.rmtree(project.root / ".tgen", ignore_errors=True)
    (outcome,) = check_packages([project.specs / "small.yaml"], project, out=project.generated)
    return outcome


def lock_of(project: Project) -> dict[str, Any]:
    lock: dict[str, Any] = json.loads((project.generated / "small/tgen.lock").read_text())
    return lock


def kernels_of_package(project: Project) -> str:
    return (project.generated / "small/kernels.py").read_text()


def respecify(project: Project, old: str, new: str) -> None:
    assert old in SPEC
    (project.specs / "small.yaml").write_text(SPEC.replace(old, new))


def other_template(folder: Path, patch: pytest.MonkeyPatch) -> None:
    """From now on kernels come from a template that says one thing otherwise."""
    shutil.copytree(templates_folder(), folder)
    path = folder / "kernels/attention_shared.py.jinja"
    text = path.read_text()
    assert "tl.constexpr(-1e30)" in text
    path.write_text(text.replace("tl.constexpr(-1e30)", "tl.constexpr(-2e30)"))
    patch.setattr(render, "templates_folder", lambda: folder)
    render.environment.cache_clear()


@pytest.fixture(autouse=True)
def own_templates() -> Iterator[None]:
    """No test leaves its templates to another."""
    yield
    render.environment.cache_clear()


def test_a_proven_build_is_rendered_with_the_chosen_tiles(project: Project, gate: Gate) -> None:
    outcome = build(project, prove=True)
    assert gate.calls == 1 and not outcome.problems
    assert kernels_of_package(project).count(ROW) == 3
    lock = lock_of(project)
    assert tuple(lock["tiles"]["sm_90"]) == tuple(sorted(KERNELS))
    assert lock["tiles"]["sm_90"]["attention_dq"] == TEXT
    assert lock["tiles"]["sm_90"]["attention_decode"] == TEXT.split(" ", 1)[1]
    report = lock["kernels"]
    assert report["triton"] and set(report["targets"]) == {"sm_90"}
    said = report["targets"]["sm_90"]["attention_forward"]
    assert said == "99 registers, 0 spilled, 1024 bytes shared, wgmma; the first"
    assert set(KERNELS) < set(report["targets"]["sm_90"])


def test_the_report_is_of_the_text_that_was_written(project: Project, gate: Gate) -> None:
    build(project, prove=True)
    text = (project.generated / "small/kernels.py").read_bytes()
    assert lock_of(project)["kernels"]["source"] == hashlib.sha256(text).hexdigest()


def test_a_proven_package_is_fresh_without_proving_again(project: Project, gate: Gate) -> None:
    build(project, prove=True)
    before = lock_of(project)
    assert check(project).fresh and gate.calls == 1
    outcome = build(project, prove=False)
    assert outcome.fresh and lock_of(project) == before and gate.calls == 1


def test_a_proven_package_is_fresh_in_another_process(project: Project, gate: Gate) -> None:
    build(project, prove=True)
    shutil.rmtree(project.root / ".tgen")
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-m", "codegen", "check"], capture_output=True, text=True, env=env
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_build_after_another_choice_changes_tiles_and_report(
    project: Project, gate: Gate
) -> None:
    build(project, prove=True)
    gate.tile = Tile((("BLOCK_Q", 32), ("BLOCK_K", 32)), 1, 4)
    outcome = build(project, prove=True)
    assert outcome.written and set(outcome.written.written) == {"kernels.py", "tgen.lock"}
    assert ROW not in kernels_of_package(project)
    assert lock_of(project)["tiles"]["sm_90"]["attention_dq"].startswith("BLOCK_Q=32")
    assert check(project).fresh


def test_a_package_elsewhere_has_tiles_of_its_own(project: Project, gate: Gate) -> None:
    build(project, prove=True)
    spec = [project.specs / "small.yaml"]
    other = project.root / "other"
    build_packages(spec, project, out=other, test=False, prove=False)
    assert ROW not in (other / "small/kernels.py").read_text()
    assert "tiles" not in json.loads((other / "small/tgen.lock").read_text())


def test_another_template_drops_the_report_but_not_the_tiles(
    project: Project, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    build(project, prove=True)
    other_template(project.root / "templates", monkeypatch)
    changes = {Path(change.path).name for change in check(project).changes}
    assert {"kernels.py", "tgen.lock"} <= changes
    build(project, prove=False)
    lock, text = lock_of(project), kernels_of_package(project)
    assert "-2e30" in text and ROW in text
    assert lock["tiles"]["sm_90"]["attention_dq"] == TEXT and "kernels" not in lock
    assert check(project).fresh and gate.calls == 1


def test_a_spec_that_has_other_kernels_keeps_the_tiles_that_it_still_has(
    project: Project, gate: Gate
) -> None:
    build(project, prove=True)
    respecify(project, "mask: causal & window(8)", "mask: causal & block(16)")
    build(project, prove=False)
    assert set(lock_of(project)["tiles"]["sm_90"]) == {"attention_decode"}
    respecify(project, "mask: causal & window(8)", "mask: causal")
    build(project, prove=False)
    assert "tiles" not in lock_of(project) and "kernels" not in lock_of(project)


DAMAGES: dict[str, Any] = {
    "a gpu that is a text": {"sm_90": "BLOCK_Q=16 BLOCK_K=64 stages=5 warps=2"},
    "a text": "BLOCK_Q=16",
    "a list": ["sm_90"],
    "a number": 3,
    "a gpu that is a number": {"sm_90": 7},
    "a gpu that is a list of kernels": {"sm_90": ["attention_dq"]},
    "a gpu that is nothing": {"sm_90": None},
    "words": {"sm_90": {"attention_dq": "as fast as can be"}},
    "an empty tile": {"sm_90": {"attention_dq": ""}},
    "no stages": {"sm_90": {"attention_dq": "BLOCK_Q=16 BLOCK_K=64 warps=2"}},
    "a tile that is a mapping": {"sm_90": {"attention_dq": {"BLOCK_Q": 16}}},
    "a tile that is nothing": {"sm_90": {"attention_dq": None}},
    "a size that is none": {"sm_90": {"attention_dq": "BLOCK_Q=16 BLOCK_K=x stages=5 warps=2"}},
}


@pytest.mark.parametrize("command", ["check", "build"])
@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_tiles_are_an_error_that_names_the_lock(
    project: Project, gate: Gate, tgen: Run, proven: bytes, damage: str, command: str
) -> None:
    path = project.generated / "small/tgen.lock"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({**json.loads(proven), "tiles": DAMAGES[damage]}))
    code, _, err = tgen(command, *(["--no-test", "--no-prove"] if command == "build" else []))
    assert code in (2, 3) and "Traceback" not in err  # 3: the project has no package yet
    assert "small/tgen.lock is damaged" in err and "hint: restore it" in err


@pytest.mark.parametrize(
    "damage",
    [
        {"sm_90": {"attention_dq": "BLOCK_K=64 stages=5 warps=2"}},
        {"sm_90": {"attention_dq": "BLOCK_Q=48 BLOCK_K=64 stages=5 warps=2"}},
        {"sm_90": {"attention_dq": "BLOCK_Q=16 BLOCK_K=64 import=1 stages=5 warps=2"}},
        {"sm_90": {"attention_dq": "BLOCK_Q=-16 BLOCK_K=64 stages=5 warps=2"}},
    ],
    ids=lambda damage: damage["sm_90"]["attention_dq"],
)
def test_tiles_that_no_kernel_can_have_are_an_error_too(
    project: Project, tgen: Run, proven: bytes, damage: dict[str, Any]
) -> None:
    path = project.generated / "small/tgen.lock"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({**json.loads(proven), "tiles": damage}))
    code, _, err = tgen("check")
    assert code in (2, 3) and "small/tgen.lock is damaged" in err


@pytest.fixture(scope="module")
def proven(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The lock of a proven package."""
    folder = tmp_path_factory.mktemp("proven")
    (folder / "specs").mkdir()
    (folder / "specs/small.yaml").write_text(SPEC)
    project = Project(folder, folder / "specs", folder / "generated")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(proof, "prove_plan", Gate())
        build(project, prove=True)
    return (project.generated / "small/tgen.lock").read_bytes()


def test_a_damaged_lock_is_an_output_error(project: Project, proven: bytes) -> None:
    folder = project.generated / "small"
    folder.mkdir(parents=True)
    damaged = {**json.loads(proven), "tiles": {"sm_90": 1}}
    (folder / "tgen.lock").write_text(json.dumps(damaged))
    plan = rendering.make_plan(project.specs / "small.yaml", project)
    with pytest.raises(OutputError, match="its tiles are none"):
        launched_as(plan, locked_tiles(plan, folder), folder)


OWN = "\ntiles: {sm_90: {attention_dq: [32, 32, 1, 4]}}\nmodel:\n"


def test_tiles_of_the_spec_win_over_those_of_the_lock(project: Project, gate: Gate) -> None:
    build(project, prove=True)
    respecify(project, "\nmodel:\n", OWN)
    build(project, prove=False)
    text = kernels_of_package(project)
    table = text[text.index("DQ_TILES = {") :].split("\n}\n")[0]
    assert '"sm_90": {"BLOCK_Q": 32, "BLOCK_K": 32, "num_stages": 1, "num_warps": 4}' in table
    lock = lock_of(project)
    assert "attention_dq" not in lock["tiles"]["sm_90"]
    assert lock["tiles"]["sm_90"]["attention_forward"] == TEXT
    assert check(project).fresh


def test_tiles_of_the_spec_win_over_those_that_the_gate_chooses(
    project: Project, gate: Gate
) -> None:
    respecify(project, "\nmodel:\n", OWN)
    build(project, prove=True)
    text = kernels_of_package(project)
    table = text[text.index("DQ_TILES = {") :].split("\n}\n")[0]
    assert '"sm_90": {"BLOCK_Q": 32, "BLOCK_K": 32, "num_stages": 1, "num_warps": 4}' in table
    assert check(project).fresh


@pytest.mark.parametrize("prove", [True, None])
def test_a_package_for_cpus_is_never_proven(
    project: Project, gate: Gate, prove: bool | None
) -> None:
    respecify(project, "target: {device: cuda, arch: sm_90}", "target: cpu")
    assert not build(project, prove=prove).problems
    assert gate.calls == 0 and not {"tiles", "kernels"} & set(lock_of(project))


@pytest.mark.parametrize(
    ("target", "calls"),
    [
        ("cuda", 1),
        ("hip", 1),
        ("{device: cuda, arch: sm_90}", 1),
        ("any", 0),
        ("{kernels: none}", 0),
    ],
)
def test_by_default_what_is_for_a_gpu_is_proven(
    project: Project, gate: Gate, target: str, calls: int
) -> None:
    respecify(project, "target: {device: cuda, arch: sm_90}", f"target: {target}")
    build(project)
    assert gate.calls == calls


def test_no_prove_proves_nothing(project: Project, gate: Gate) -> None:
    build(project, prove=False)
    assert gate.calls == 0 and not {"tiles", "kernels"} & set(lock_of(project))


def test_warnings_of_the_gate_are_printed_and_no_failure(
    project: Project, gate: Gate, tgen: Run
) -> None:
    gate.faults = ("spills 8 bytes",)
    code, _, err = tgen("build", "--no-test", "--prove")
    assert code == 0
    message = "attention_dq on sm_90: the best tile, 16x64, 5 stages, 2 warps, spills 8 bytes"
    assert f"warning: {message}" in err and err.count("warning") == 1


def test_a_kernel_that_nothing_fits_fails_its_spec_and_no_other(
    project: Project, gate: Gate, tgen: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project.specs / "other.yaml").write_text(SPEC.replace("small", "other"))

    def broken(plan: Plan, *rest: Any) -> list[ChosenTile]:
        if plan.name == "small":
            raise TgenError("no tile of attention_dq compiles for sm_90")
        return gate(plan, *rest)

    monkeypatch.setattr(proof, "prove_plan", broken)
    code, _, err = tgen("build", "--no-test")
    assert code == 2 and "no tile of attention_dq compiles for sm_90" in err
    assert not (project.generated / "small").exists()
    assert (project.generated / "other/kernels.py").exists()


def test_kernels_shows_what_is_really_compiled(project: Project, tgen: Run) -> None:
    code, out, err = tgen("kernels", "specs/small.yaml", "--target", "sm_90", "--json")
    assert code == 0, err
    document = json.loads(out)
    assert document["version"] == 1 and document["kind"] == "kernels"
    rows = {row["kernel"]: row for row in document["kernels"]}
    assert set(rows) == {*KERNELS, "attention_delta", "attention_combine"}
    for name, row in rows.items():
        assert row["target"] == "sm_90" and row["usage"]["outcome"] == "compiled"
        assert row["faults"] == [] and row["usage"]["spilled"] == 0, name
        assert row["usage"]["shared"] <= row["shared_memory_limit"]
        assert row["usage"]["narrow_offsets"] == 0, name
    cores = {name for name, row in rows.items() if "wgmma" in row["usage"]["tensor_core"]}
    assert {"attention_forward", "attention_dkdv", "attention_dq"} <= cores
