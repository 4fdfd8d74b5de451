"""Tuning without a GPU: the kernels run in Triton's interpreter, and the clock is a stand-in.

Run as a program, with TRITON_INTERPRET=1, on a spec it tunes it with a clock that knows what it
wants, and prints what it heard.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from codegen.build import rendering
from codegen.commands import tune
from codegen.errors import TgenError
from codegen.plan import Plan
from codegen.plan.kernels.kernel import Tile
from codegen.plan.targets import candidates, known_targets, read_target, tile_row
from codegen.project import Project
from tests.conftest import Run

ROOT = Path(__file__).parent.parent
SPEC = """\
name: small
model:
  vocab_size: 61
  context_length: {context}
  d_model: 32
  layers: 1
  attention: {{heads: 2, kv_heads: {kv_heads}, {attention}}}
"""
SMALL = {"context": 24, "kv_heads": 1, "attention": "mask: causal & window(8)"}
TUNED = ("attention_forward", "attention_dkdv", "attention_dq")
ALL = "mask: causal & document & window(8), softcap: 5, alibi: true, relative_bias: t5, sinks: true"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project of one spec, and the current folder."""
    (tmp_path / "pyproject.toml").write_text("[tool.tgen]\n")
    (tmp_path / "specs").mkdir()
    (tmp_path / "specs/small.yaml").write_text(SPEC.format(**SMALL))
    monkeypatch.chdir(tmp_path)
    return Project(tmp_path, tmp_path / "specs", tmp_path / "generated")


def plan_of(project: Project, **more: Any) -> Plan:
    (project.specs / "small.yaml").write_text(SPEC.format(**{**SMALL, **more}))
    return rendering.make_plan(project.specs / "small.yaml", project)


# What would be timed


def test_trials_are_every_kernel_with_every_tile_of_its_table(project: Project) -> None:
    found = tune.trials(plan_of(project), "sm_90")
    assert [trial.kernel for trial in found] == list(TUNED)
    for trial in found:
        assert trial.tiles == candidates(read_target("sm_90"), trial.kind, 16)
        assert trial.numbers == (("window", 8),)


@pytest.mark.parametrize(("context", "batch"), [(64, 256), (16_384, 1), (10_000, 1), (65_536, 1)])
def test_a_trial_has_the_models_heads_and_as_many_tokens_whatever_the_length(
    project: Project, context: int, batch: int
) -> None:
    for trial in tune.trials(plan_of(project, context=context), "sm_80"):
        assert trial.shape == tune.Shape(batch, 2, 1, min(context, 16_384), 16)


@pytest.mark.parametrize("target", known_targets())
def test_every_gpu_has_trials(project: Project, target: str) -> None:
    assert all(trial.tiles for trial in tune.trials(plan_of(project), target))


@pytest.mark.parametrize("attention", ["mask: causal", "mask: causal & block(16)"])
def test_a_model_without_free_tiles_has_no_trials(project: Project, attention: str) -> None:
    assert tune.trials(plan_of(project, attention=attention), "sm_90") == ()


def test_each_kind_of_layer_has_trials_of_its_own(project: Project) -> None:
    blocks = "layers: [a, b]\n  blocks: {a: {attention: {softcap: 5}}, b: {}}"
    text = SPEC.format(**SMALL).replace("layers: 1", blocks)
    (project.specs / "small.yaml").write_text(text)
    plan = rendering.make_plan(project.specs / "small.yaml", project)
    names = [trial.kernel for trial in tune.trials(plan, "sm_90")]
    assert names == [prefix + kind for prefix in ("a_", "b_") for kind in TUNED]


# Timing


def tuned(folder: Path, scenario: str, **more: Any) -> dict[str, Any]:
    """What tuning said of a spec in a process whose kernels are interpreted."""
    (folder / "specs").mkdir(exist_ok=True)
    path = folder / "specs/small.yaml"
    path.write_text(SPEC.format(**{**SMALL, **more}))
    env = os.environ | {"TRITON_INTERPRET": "1", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "tests.test_tune", str(path), scenario]
    done = subprocess.run(command, env=env, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def rows(kind: str) -> list[dict[str, int]]:
    return [tile_row(tile) for tile in candidates(read_target("sm_90"), kind, 16)]


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return tuned(tmp_path_factory.mktemp("tuned"), "last fastest refusing broken")


def test_the_fastest_tile_wins(outcomes: dict[str, Any]) -> None:
    assert outcomes["last"]["winners"] == {kernel: rows(kernel)[-1] for kernel in TUNED}
    assert outcomes["fastest"]["winners"] == {kernel: rows(kernel)[1] for kernel in TUNED}


def test_every_tile_is_timed_with_a_launch_of_its_own(outcomes: dict[str, Any]) -> None:
    for kernel in TUNED:
        assert [tile for name, tile, _ in outcomes["last"]["heard"] if name == kernel] == rows(
            kernel
        )
        assert outcomes["last"]["launched"][kernel] == rows(kernel)


def test_what_is_timed_computes_what_it_should(outcomes: dict[str, Any]) -> None:
    """A forward pass for the forward kernel, and gradients of q, k and v for the others."""
    assert outcomes["last"]["shapes"] == {
        "attention_forward": [[2, 2, 24, 16]],
        "attention_dkdv": [[2, 2, 24, 16], [2, 1, 24, 16], [2, 1, 24, 16]],
        "attention_dq": [[2, 2, 24, 16], [2, 1, 24, 16], [2, 1, 24, 16]],
    }


def test_a_tile_that_does_not_run_is_passed_over(outcomes: dict[str, Any]) -> None:
    found = outcomes["refusing"]
    assert found["winners"] == {kernel: rows(kernel)[1] for kernel in TUNED}
    for kernel in TUNED:
        times = [time for name, _, time in found["heard"] if name == kernel]
        assert times[0] is None and None not in times[1:]


def test_a_kernel_that_runs_with_no_tile_is_an_error(outcomes: dict[str, Any]) -> None:
    said = outcomes["broken"]["error"]
    assert said == "error: no tile of attention_forward runs on sm_90: out of shared memory"


def test_whatever_an_attention_takes_is_made_up(tmp_path: Path) -> None:
    found = tuned(tmp_path, "last", attention=ALL)
    assert set(found["last"]["winners"]) == set(TUNED)
    assert all(time is not None for _, _, time in found["last"]["heard"])


@pytest.mark.parametrize("mask", ["causal | prefix", "causal & padding"])
@pytest.mark.long
def test_inputs_of_a_row_are_made_up_too(mask: str, tmp_path: Path) -> None:
    found = tuned(tmp_path, "last", attention=f"mask: {mask}")
    assert set(found["last"]["winners"]) == set(TUNED)


def test_both_halves_of_a_split_kernel_can_be_timed(tmp_path: Path) -> None:
    """Where a package launches dK and dV one after the other, tiles are tried for both at once."""
    split = "{BLOCK_Q: 16, BLOCK_K: 16, SPLIT: 1, stages: 1, warps: 4}"
    attention = "mask: causal & window(8)}\ntiles: {sm_90: {attention_dkdv: " + split + "}"
    found = tuned(tmp_path, "last", attention=attention)
    assert found["last"]["winners"]["attention_dkdv"] == rows("attention_dkdv")[-1]


# The file of winners

WINNERS = {
    "attention_forward": Tile((("BLOCK_Q", 64), ("BLOCK_K", 16)), 3, 4),
    "attention_dkdv": Tile((("BLOCK_Q", 16), ("BLOCK_K", 64), ("SPLIT", 1)), 1, 8),
}


def test_winners_are_a_file_that_a_spec_can_extend(project: Project, tgen: Run) -> None:
    (project.root / "tiles").mkdir()
    text = tune.tiles_yaml("specs/small.yaml", "sm_90", WINNERS)
    (project.root / "tiles/small.yaml").write_text(text)
    spec = project.specs / "small.yaml"
    spec.write_text("extends: ../tiles/small.yaml\n" + spec.read_text())
    plan = rendering.make_plan(spec, project)
    assert plan.kernels is not None
    for kernel, tile in WINNERS.items():
        assert plan.kernels.tiles[""][kernel]["sm_90"] == tile
    code, _, err = tgen("build", "--no-test")
    assert code == 0, err
    written = (project.generated / "small/kernels.py").read_text()
    assert '"sm_90": {"BLOCK_Q": 64, "BLOCK_K": 16, "num_stages": 3, "num_warps": 4}' in written
    assert tgen("check")[0] == 0


def test_a_folder_of_tiles_is_no_folder_of_specs(project: Project, tgen: Run) -> None:
    (project.root / "tiles").mkdir()
    (project.root / "tiles/small.yaml").write_text(tune.tiles_yaml("s", "sm_90", WINNERS))
    code, out, err = tgen("build", "--no-test")
    assert code == 0 and "built 1 package" in out, err


def test_winners_say_how_they_were_found() -> None:
    text = tune.tiles_yaml("specs/small.yaml", "sm_90", WINNERS)
    assert text.splitlines() == [
        "# Timed on sm_90 by: tgen tune specs/small.yaml",
        "tiles:",
        "  sm_90:",
        "    attention_forward: {BLOCK_Q: 64, BLOCK_K: 16, stages: 3, warps: 4}",
        "    attention_dkdv: {BLOCK_Q: 16, BLOCK_K: 64, SPLIT: 1, stages: 1, warps: 8}",
    ]


# The command


def test_without_a_gpu_the_command_says_what_it_would_time(
    project: Project, tgen: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tune, "gpu_here", lambda: None)
    code, out, _ = tgen("tune", "specs/small.yaml")
    assert code == 0
    assert out.startswith("no GPU here; on sm_90, tuning would time\n")
    assert "attention_forward at batch 682, 2 heads, 24 tokens, head dim 16:" in out
    assert out.count("warps") == sum(len(rows(kernel)) for kernel in TUNED)
    assert not (project.root / "tiles").exists()
    code, out, _ = tgen("tune", "specs/small.yaml", "--target", "gfx942")
    assert code == 0 and "on gfx942, tuning would time" in out


def test_an_unknown_gpu_is_an_error_with_a_hint(
    project: Project, tgen: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tune, "gpu_here", lambda: None)
    code, _, err = tgen("tune", "specs/small.yaml", "--target", "sm_91")
    assert code == 2 and "no GPU `sm_91`" in err and "did you mean" in err


@pytest.mark.parametrize("path", ["", "elsewhere/best.yaml"])
def test_with_a_gpu_the_command_writes_the_winners_and_how_to_use_them(
    project: Project, tgen: Run, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setattr(tune, "gpu_here", lambda: "sm_90")
    monkeypatch.setattr(tune, "tune", lambda *_: WINNERS)
    code, out, err = tgen("tune", "specs/small.yaml", *(["--write", path] if path else []))
    path = path or "tiles/small.yaml"
    assert code == 0, err
    assert f"written {path}; add `extends: ../{path}` to the spec" in out
    assert (project.root / path).read_text() == tune.tiles_yaml(
        "specs/small.yaml", "sm_90", WINNERS
    )


def test_a_gpu_without_a_table_has_no_trials(project: Project) -> None:
    with pytest.raises(TgenError, match="no GPU `sm_70`"):
        tune.trials(plan_of(project), "sm_70")


@pytest.mark.parametrize(
    ("target", "capability"),
    [("any", (7, 0)), ("hip", (9, 0)), ("{device: cuda, arch: sm_90}", (8, 0))],
)
def test_a_gpu_that_the_kernels_are_not_for_is_an_error_and_no_traceback(
    project: Project,
    tgen: Run,
    monkeypatch: pytest.MonkeyPatch,
    target: str,
    capability: tuple[int, int],
) -> None:
    text = SPEC.format(**SMALL).replace("model:\n", f"target: {target}\nmodel:\n", 1)
    (project.specs / "small.yaml").write_text(text)
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    monkeypatch.setattr("torch.cuda.get_device_capability", lambda *_: capability)
    name = f"sm_{10 * capability[0] + capability[1]}"
    monkeypatch.setattr(tune, "gpu_here", lambda: name)
    code, _, err = tgen("tune", "specs/small.yaml")
    assert code == 2 and name in err and "Traceback" not in err


def test_where_no_tile_is_free_no_file_is_written(
    project: Project, tgen: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan_of(project, attention="mask: causal & block(16)")
    monkeypatch.setenv("TRITON_INTERPRET", "1")  # as the name of the device
    monkeypatch.setattr(tune, "gpu_here", lambda: "sm_90")
    code, _, _ = tgen("tune", "specs/small.yaml")
    assert code == 0 and not (project.root / "tiles").exists()


def test_a_spec_without_kernels_says_so(
    project: Project, tgen: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan_of(project, attention="mask: causal")
    monkeypatch.setattr(tune, "gpu_here", lambda: "sm_90")
    code, out, _ = tgen("tune", "specs/small.yaml")
    assert code == 0 and "attention_forward" not in out and "no GPU here" not in out


def program(path: Path, scenarios: str) -> None:
    """Tunes the spec once for each scenario."""
    project = Project(path.parent.parent, path.parent, path.parent.parent / "generated")
    plan, source, _ = rendering.rendered_kernels(path, project)
    tune.TOKENS = 48
    found = {}
    for scenario in scenarios.split():
        found[scenario] = heard_of(plan, source, scenario)
    print(json.dumps(found))


def heard_of(plan: Plan, source: str, scenario: str) -> dict[str, Any]:
    heard: list[tuple[str, dict[str, int], float | None]] = []
    shapes: dict[str, list[list[int]]] = {}
    launched: dict[str, list[dict[str, int]]] = {}

    def timer(call: Callable[[], object]) -> float:
        kernel = next(k for k in TUNED if len([1 for n, *_ in heard if n == k]) < len(rows(k)))
        index = len([1 for name, *_ in heard if name == kernel])
        if scenario == "broken" or (scenario == "refusing" and index == 0):
            raise RuntimeError("out of shared memory")
        if scenario == "last" and kernel not in shapes:
            made: Any = call()
            tensors = made if isinstance(made, tuple) else (made,)
            shapes[kernel] = [list(tensor.shape) for tensor in tensors]
        kernels: Any = sys.modules["tgen_tuned_kernels"]
        row = getattr(kernels, tune.TABLES[kernel])[kernels.device_name()]
        row = dict(row[0] if isinstance(row, tuple) else row)
        stages, warps = row.pop("num_stages"), row.pop("num_warps")
        launched.setdefault(kernel, []).append({**row, "stages": stages, "warps": warps})
        return float(9 - index if scenario == "last" else abs(index - 1) + 1)

    def hear(kernel: str, tile: Tile, milliseconds: float | None) -> None:
        heard.append((kernel, tile_row(tile), milliseconds))

    try:
        winners = tune.tune(plan, source, "sm_90", timer, hear, device="cpu")
    except TgenError as error:
        return {"error": str(error)}
    return {
        "winners": {kernel: tile_row(tile) for kernel, tile in winners.items()},
        "heard": heard,
        "shapes": shapes,
        "launched": launched,
    }


if __name__ == "__main__":
    program(Path(sys.argv[1]), sys.argv[2])
