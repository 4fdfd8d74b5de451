"""The climb down, with made-up compilations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from codegen.errors import TgenError
from codegen.plan.kernels.kernel import Kernel, Tile
from codegen.plan.targets import candidates
from codegen.prove.ladder import MAX_TRIES, climb, describe, rungs
from codegen.prove.usage import COMPILED, CRASHED, Usage
from tests.prove.older_table import FACTS
from tests.prove.samples import dkdv_record, forward_record, record

CLEAN = Usage(COMPILED, shared=1000, registers=100, tensor_core=(("mma", 8),))
SPILLING = replace(CLEAN, spilled=16)


def compiler(*rules: tuple[Callable[[Tile], bool], Usage]) -> Callable[[Tile], Usage]:
    """The usage of the first rule that a tile meets."""
    return lambda tile: next(usage for meets, usage in rules if meets(tile))


def always(tile: Tile) -> bool:
    return True


def has(**values: int) -> Callable[[Tile], bool]:
    return lambda tile: all(
        dict(tile.sizes, stages=tile.stages, warps=tile.warps).get(name) == value
        for name, value in values.items()
    )


def test_the_tables_first_is_taken_where_it_fits() -> None:
    choice = climb(forward_record(128), FACTS, compiler((always, CLEAN)))
    assert choice.tile == candidates(FACTS, "attention_forward", 128)[0]
    assert (choice.why, choice.warning) == ("the table's first", None)


def test_a_spilling_tile_gets_more_warps() -> None:
    choice = climb(forward_record(128), FACTS, compiler((has(warps=4), SPILLING), (always, CLEAN)))
    assert describe(choice.tile) == "64x64, 3 stages, 8 warps"
    assert choice.why == "64x64, 3 stages, 4 warps spills 16 bytes"


def test_more_warps_are_not_tried_where_shared_memory_runs_out() -> None:
    too_big = replace(CLEAN, shared=200_000)
    tried: list[Tile] = []

    def measure(tile: Tile) -> Usage:
        tried.append(tile)
        return too_big if has(BLOCK_Q=64, BLOCK_K=64)(tile) else CLEAN

    choice = climb(forward_record(128), FACTS, measure)
    assert [describe(tile) for tile in tried] == [
        "64x64, 3 stages, 4 warps",
        "128x64, 3 stages, 8 warps",
    ]
    assert "needs 200,000 bytes of shared memory, of 166,912" in choice.why


def test_one_loop_comes_before_smaller_tiles() -> None:
    rules = (has(ONE_LOOP=1), CLEAN), (always, SPILLING)
    choice = climb(forward_record(128), FACTS, compiler(*rules))
    assert describe(choice.tile) == "64x64, 3 stages, 4 warps, one loop"
    assert choice.why.endswith("and 2 more do not fit")


def test_the_gradients_of_keys_and_values_are_split() -> None:
    choice = climb(dkdv_record(128), FACTS, compiler((has(SPLIT=1), CLEAN), (always, SPILLING)))
    assert describe(choice.tile) == "64x64, 2 stages, 8 warps, split"


def test_rungs_need_the_constants_that_they_set() -> None:
    forward, half = forward_record(128), dkdv_record(128)
    assert not any(dict(tile.sizes).get("SPLIT") for tile in rungs(forward, FACTS))
    assert not any(dict(tile.sizes).get("ONE_LOOP") for tile in rungs(half, FACTS))
    half = replace(half, constants=(*half.constants, ("WANT_DK", False)))
    assert not any(dict(tile.sizes).get("SPLIT") for tile in rungs(half, FACTS))


def test_a_row_kernel_keeps_only_the_sizes_it_has() -> None:
    kernel = record("scaled", "rows", "X Y", ("BLOCK",))
    assert dict(next(rungs(kernel, FACTS)).sizes) == {"BLOCK": 1024}
    fixed = replace(kernel, constants=(("BLOCK", 512),))
    assert {tile.sizes for tile in rungs(fixed, FACTS)} == {()}


def test_blocks_get_smaller_down_to_what_a_dot_needs_and_no_rung_comes_twice() -> None:
    found = list(rungs(forward_record(256), FACTS))
    assert len(set(found)) == len(found)
    assert dict(found[-1].sizes)["BLOCK_Q"] == dict(found[-1].sizes)["BLOCK_K"] == 16
    assert all(min(value for n, value in t.sizes if n != "ONE_LOOP") >= 16 for t in found)


def test_the_least_spilling_is_taken_with_a_warning_where_none_fits() -> None:
    rules = (has(BLOCK_Q=128, BLOCK_K=64), SPILLING), (always, replace(CLEAN, spilled=99))
    choice = climb(forward_record(128), FACTS, compiler(*rules))
    assert describe(choice.tile) == "128x64, 3 stages, 8 warps"
    assert choice.why.startswith("none fits: 64x64, 3 stages, 4 warps spills 99 bytes")
    assert choice.warning is not None and choice.warning.severity == "warning"
    assert choice.warning.message == (
        "attention_forward on sm_80: the best tile, 128x64, 3 stages, 8 warps, spills 16 bytes"
    )


def test_tensor_cores_weigh_more_than_spills() -> None:
    plain = replace(CLEAN, tensor_core=())
    choice = climb(forward_record(128), FACTS, compiler((has(warps=4), plain), (always, SPILLING)))
    assert choice.usage == SPILLING


def test_a_kernel_without_dots_needs_no_tensor_cores() -> None:
    kernel = record("scaled", "rows", "X Y", ("BLOCK",))
    choice = climb(kernel, FACTS, compiler((always, replace(CLEAN, tensor_core=()))))
    assert choice.warning is None


def test_a_kernel_that_is_launched_in_one_way_has_one_rung() -> None:
    only = Tile((), 3, 16)
    choice = climb(forward_record(128), FACTS, compiler((always, SPILLING)), only)
    assert choice.tile == only and choice.warning is not None
    assert choice.why == "launched in no other way"


def test_nothing_that_launches_is_an_error_with_figures() -> None:
    tried: list[Tile] = []

    def measure(tile: Tile) -> Usage:
        tried.append(tile)
        return Usage(CRASHED, "SIGABRT") if tile.warps == 4 else replace(CLEAN, shared=170_000)

    with pytest.raises(TgenError) as caught:
        climb(forward_record(128), FACTS, measure)
    assert "attention_forward has no tile that sm_80 can launch" in str(caught.value)
    assert "crashes the compiler (SIGABRT)" in str(caught.value)
    assert "170,000 bytes of shared memory, of 166,912" in str(caught.value)
    assert len(tried) <= MAX_TRIES


def test_a_table_without_a_needed_size_is_named() -> None:
    from codegen.prove.requests import requests
    from tests.prove.samples import SOURCE

    kernel: Kernel = record("scaled", "rows", "X Y", ("BLOCK",))
    with pytest.raises(TgenError, match="kernel scaled: nothing gives BLOCK a value"):
        requests(SOURCE, kernel, Tile((), 1, 4), FACTS)
