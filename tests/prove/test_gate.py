"""The gate over small kernels, really compiled for GPUs that are not here."""

from __future__ import annotations

import json
import shutil
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from codegen.errors import TgenError
from codegen.plan.kernels.kernel import Kernel, Tile
from codegen.plan.targets import known_targets, read_target
from codegen.prove import Usage, describe, faults, gate, measure, prove, targets_for
from codegen.prove import pool as pools
from codegen.prove.cache import request_key
from codegen.prove.pool import Pool
from codegen.prove.requests import requests
from codegen.prove.usage import CRASHED, LATE
from codegen.report.kernels import kernels_json, kernels_text
from tests.prove.older_table import FACTS
from tests.prove.samples import SOURCE, dkdv_record, forward_record, matmul_record, record


def tile(queries: int, keys: int, stages: int, warps: int) -> Tile:
    return Tile((("BLOCK_Q", queries), ("BLOCK_K", keys)), stages, warps)


SCALED = record("scaled", "rows", "X Y", ("BLOCK",))
FIXED = record("scaled", "rows", "X Y", (), BLOCK=1024)
DEEP = replace(matmul_record(), constants=(("DEPTH", 128),))
SHALLOW = replace(matmul_record(), constants=(("DEPTH", 32),))
SHORT = record("short_of_bits", "rows", "X Y", ("BLOCK_Q",))
SPLIT = Tile((("BLOCK_Q", 32), ("BLOCK_K", 64), ("SPLIT", 1)), 1, 4)
WORK = [
    (SHALLOW, tile(128, 128, 1, 1), "gfx942"),
    (SHALLOW, tile(64, 128, 1, 1), "sm_80"),
    (matmul_record(), tile(64, 64, 2, 4), "sm_90"),
    (DEEP, tile(128, 128, 4, 8), "sm_86"),
    (dkdv_record(64), SPLIT, "gfx942"),
    (SHORT, Tile((("BLOCK_Q", 64),), 1, 4), "sm_90"),
    (FIXED, Tile((), 1, 4), "sm_90"),
    (FIXED, Tile((), 1, 8), "sm_90"),
    (SCALED, Tile((("BLOCK", 512),), 1, 4), "sm_90"),
]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache that most tests find filled, so that workers start once."""
    folder = tmp_path_factory.mktemp("kernels")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRITON_INTERPRET", "1")  # as the tests of generated code set it
        measure(SOURCE, WORK, folder, 2)
    return folder


@pytest.fixture
def older(monkeypatch: pytest.MonkeyPatch) -> None:
    """sm_80 with the table of `older_table`."""
    monkeypatch.setattr(
        gate, "read_target", lambda name: FACTS if name == "sm_80" else read_target(name)
    )


def usage(cache: Path, kernel: Kernel, form: Tile, target: str) -> Usage:
    return measure(SOURCE, [(kernel, form, target)], cache, 1)[0]


def test_a_tile_that_fits_has_no_faults(cache: Path) -> None:
    found = usage(cache, matmul_record(), tile(64, 64, 2, 4), "sm_90")
    assert faults(found, matmul_record(), read_target("sm_90")) == ()
    assert dict(found.tensor_core)["wgmma"] > 0 and found.registers > 16
    assert 2 * 64 * 64 * 2 <= found.shared <= 232448


def test_more_shared_memory_than_a_block_may_use_is_a_fault(cache: Path) -> None:
    found = usage(cache, DEEP, tile(128, 128, 4, 8), "sm_86")
    assert faults(found, DEEP, read_target("sm_86"))[0] == (
        f"needs {found.shared:,} bytes of shared memory, of 101,376"
    )
    assert faults(found, DEEP, replace(read_target("sm_86"), shared_memory=1 << 20)) == ()


def test_spills_are_bytes_of_stack_or_vector_registers(cache: Path) -> None:
    amd, nvidia = measure(SOURCE, WORK[:2], cache, 2)
    assert nvidia.spilled > 0 and nvidia.spill_unit == "bytes"
    assert dict(nvidia.tensor_core)["mma"] > 0
    assert amd.spilled > 0 and amd.spill_unit == "registers"
    assert amd.registers == 512 and dict(amd.tensor_core)["mfma"] > 0


@pytest.mark.usefixtures("older")
def test_a_spilling_tile_is_helped_by_more_warps(cache: Path, tmp_path: Path) -> None:
    seen: list[tuple[int, int, str]] = []
    kernels, keep = [forward_record(128)], tmp_path / "asm"
    (choice,) = prove(SOURCE, kernels, ["sm_80"], cache, 2, lambda *said: seen.append(said), keep)
    assert describe(choice.tile) == "64x64, 3 stages, 8 warps"
    assert choice.why.startswith("64x64, 3 stages, 4 warps spills ")
    assert choice.warning is None and choice.usage.spilled == 0
    assert seen == [(1, 1, "attention_forward on sm_80")]
    names = {path.name for path in keep.iterdir()}
    assert names == {"attention_forward.sm_80.ptx", "attention_forward.sm_80.sass"}
    ptx = (keep / "attention_forward.sm_80.ptx").read_text(encoding="utf-8")
    assert "mma.sync" in ptx and ".file" not in ptx
    assert "HMMA" in (keep / "attention_forward.sm_80.sass").read_text(encoding="utf-8")


def test_a_split_kernel_is_compiled_in_both_halves(cache: Path) -> None:
    asked = requests(SOURCE, dkdv_record(64), SPLIT, read_target("gfx942"))
    wanted = [(dict(r.constants)["WANT_DK"], dict(r.constants)["WANT_DV"]) for r in asked]
    assert wanted == [(True, False), (False, True)]
    assert usage(cache, dkdv_record(64), SPLIT, "gfx942").compiled


def test_a_compiler_that_aborts_is_an_outcome_and_others_go_on(cache: Path) -> None:
    kernel = record("treacherous", "rows", "X", ("BLOCK_Q",))
    work = [(kernel, Tile((("BLOCK_Q", size),), 1, 4), "sm_90") for size in (128, 64)]
    crashed, fine = measure(SOURCE, work, cache, 1)
    assert (crashed.outcome, crashed.message) == (CRASHED, "SIGABRT")
    assert fine.compiled


def test_a_worker_that_dies_is_started_again(cache: Path) -> None:
    (request,) = requests(SOURCE, SCALED, Tile((("BLOCK", 256),), 1, 4), read_target("sm_90"))
    with Pool(1) as pool:
        assert pool.compile(request).compiled
        worker = pool.workers[0]
        assert worker.process is not None
        worker.process.kill()
        worker.process.wait()
        assert pool.compile(request).compiled
        worker.process.kill()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(pools.sys, "executable", "/bin/false")
            assert pool.compile(request).outcome == CRASHED
        assert pool.compile(request).compiled


def test_a_compilation_that_takes_too_long_is_stopped_and_not_remembered(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kernel = record("endless", "rows", "X", ("BLOCK_Q",))
    before, form = set(cache.iterdir()), Tile((("BLOCK_Q", 16),), 1, 4)
    monkeypatch.setattr(Pool.__init__, "__defaults__", (0.5,))
    started = time.monotonic()
    assert usage(cache, kernel, form, "sm_90").outcome == LATE
    assert time.monotonic() - started < 30  # half of what it would take
    assert set(cache.iterdir()) == before


def test_what_was_compiled_is_not_compiled_again(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kernel, form, target = WORK[-1]
    (request,) = requests(SOURCE, kernel, form, read_target(target))
    key = request_key(request, pools.triton_version())
    shutil.copy(cache / f"{key}.json", tmp_path)
    first = usage(cache, kernel, form, target)

    def refuse(*args: Any) -> Usage:
        raise AssertionError("compiled again")

    monkeypatch.setattr(Pool, "compile", refuse)
    assert usage(tmp_path, kernel, form, "sm_90") == first
    # What launches a kernel is no part of it.
    elsewhere = SOURCE.replace("def matmul_record", "def other_record") + "\nTILES = {}\n"
    assert measure(elsewhere, [(kernel, form, "sm_90")], tmp_path, 1) == [first]
    assert request_key(request, "3.9.0") != request_key(request, "3.10.0")
    (kept,) = tmp_path.iterdir()
    for changed in (
        lambda: usage(tmp_path, kernel, replace(form, warps=8), "sm_90"),
        lambda: usage(tmp_path, kernel, form, "sm_80"),
        lambda: measure(SOURCE.replace("2 * tl", "3 * tl"), [(kernel, form, "sm_90")], tmp_path, 1),
    ):
        with pytest.raises(AssertionError, match="compiled again"):
            changed()
    kept.write_text(kept.read_text(encoding="utf-8")[:-9], encoding="utf-8")
    with pytest.raises(AssertionError, match="compiled again"):
        usage(tmp_path, kernel, form, "sm_90")


def test_missing_dots_are_a_warning(cache: Path) -> None:
    kernel = replace(FIXED, dots=True)
    (choice,) = prove(SOURCE, [kernel], ["sm_90"], cache, 1)
    assert choice.faults == ("uses no tensor cores",)
    assert choice.warning is not None and "uses no tensor cores" in choice.warning.message


def test_offsets_multiplied_in_32_bits_are_found(cache: Path) -> None:
    found = usage(cache, SHORT, Tile((("BLOCK_Q", 64),), 1, 4), "sm_90")
    assert (found.wide_offsets, found.narrow_offsets) == (2, 2)
    safe = usage(cache, matmul_record(), tile(64, 64, 2, 4), "sm_90")
    assert (safe.wide_offsets, safe.narrow_offsets) == (3, 0)


def test_a_record_that_is_not_the_kernels_own_fails_with_the_names(cache: Path) -> None:
    longer = replace(FIXED, signature=(*FIXED.signature, ("width", "i32")))
    with pytest.raises(TgenError, match="the record and the kernel differ in width"):
        prove(SOURCE, [longer], ["gfx942"], cache, 1)
    with pytest.raises(TgenError, match=r"kernels\.py has no kernel `absent`"):
        prove(SOURCE, [replace(FIXED, name="absent")], ["sm_90"], cache, 1)


def test_without_triton_the_error_says_what_to_install(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pools.triton_version.cache_clear()
    monkeypatch.setattr(pools.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(TgenError, match="needs Triton") as caught:
        usage(cache, matmul_record(), tile(64, 64, 2, 4), "sm_90")
    assert caught.value.diagnostics[0].hint == "pip install triton, or build with --no-prove"


def test_targets_are_those_named_or_those_a_spec_may_mean() -> None:
    assert targets_for(["sm_90", "gfx942"], False, "any") == ("sm_90", "gfx942")
    assert targets_for([], False, "any") == targets_for([], True, "sm_90") == known_targets()
    assert targets_for([], False, "sm_90") == ("sm_90",)
    assert targets_for([], False, "hip") == ("gfx942", "gfx950")
    with pytest.raises(TgenError, match="the spec's target `cpu` has no kernels"):
        targets_for([], False, "cpu")


@pytest.mark.usefixtures("older")
def test_the_report_shows_figures_for_people_and_machines(
    cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    choices = prove(SOURCE, [forward_record(128)], ["sm_80"], cache, 1)
    kernels_text(choices)
    shown = capsys.readouterr().out
    for word in ("attention_forward", "sm_80", "64x64", "of 163 KB", "mma", "spills"):
        assert word in shown
    kernels_json(choices)
    (row,) = json.loads(capsys.readouterr().out)["kernels"]
    assert row["tile"] == {"BLOCK_Q": 64, "BLOCK_K": 64, "stages": 3, "warps": 8}
    assert row["usage"]["spilled"] == 0 and row["shared_memory_limit"] == 166912


@pytest.mark.long
@pytest.mark.parametrize("head_dim", [64, 128, 256])
@pytest.mark.parametrize("target", known_targets())
def test_every_gpu_has_a_clean_tile_for_plain_attention(
    target: str, head_dim: int, cache: Path
) -> None:
    kernels = [forward_record(head_dim), dkdv_record(head_dim)]
    for choice in prove(SOURCE, kernels, [target], cache, 2):
        assert choice.warning is None, choice.warning
        assert dict(choice.usage.tensor_core)[read_target(target).tensor_core] > 0
        assert choice.usage.narrow_offsets == 0
