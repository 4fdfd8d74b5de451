"""People's edits crossed with changes of the spec: nothing of either side is lost in silence."""

from __future__ import annotations

import ast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codegen.emit.merge import Merged, Sides, merge_texts
from tests.merge.renderings import FILES, renderings
from tests.merge.scripts import edited
from tests.merge.units import Units, order, units


@st.composite
def scenes(draw) -> tuple[str, Sides[str], tuple[str, ...]]:
    """A file as generated, as a person edited it, and as it is generated after a change."""
    made = renderings()
    name = draw(st.sampled_from(sorted(made)))
    base = draw(st.integers(0, len(made[name]) - 1))
    new = draw(st.integers(0, len(made[name]) - 1))
    files = [f for f in FILES if f in made[name][base] and f in made[name][new]]
    file = draw(st.sampled_from(files))
    mine, marks = edited(made[name][base][file], lambda n: draw(st.integers(0, n - 1)))
    return file, Sides(made[name][base][file], mine, made[name][new][file]), marks


def judge(file: str, sides: Sides[str], marks: tuple[str, ...]) -> Merged:
    merged = merge_texts(file, sides)
    for mark in marks:
        assert mark in merged.text, f"{mark} is lost"
    disputed = {conflict.where for conflict in merged.conflicts}
    base, mine, new = units(sides.base), units(sides.mine), units(sides.new)
    ours, theirs = touched(base, mine), touched(base, new)
    gone = {*base} & ((owners(ours) - {*new}) | (owners(theirs) - {*mine}))
    apart = not (ours & theirs or gone)
    moved = reordered(sides.base, sides.mine) and reordered(sides.base, sides.new)
    if apart and not moved:
        assert not disputed, f"a conflict where both touch other definitions: {disputed}"
    if disputed:
        return merged
    ast.parse(merged.text)
    judge_units(base, mine, new, units(merged.text))
    judge_order(sides, merged.text)
    return merged


def touched(base: Units, other: Units) -> set[str]:
    return {name for name in {*base, *other} if base.get(name) != other.get(name)}


def owners(names: set[str]) -> set[str]:
    """The classes of methods."""
    return {name.partition(".")[0] for name in names if "." in name}


def judge_units(base: Units, mine: Units, new: Units, merged: Units) -> None:
    """Each unit is that of the side that changed it."""
    for name in {*base, *mine, *new}:
        before, own, now = base.get(name), mine.get(name), new.get(name)
        if own in (before, now):
            assert merged.get(name) == now, f"the new {name} is lost"
        elif now == before:
            assert merged.get(name) == own, f"the person's {name} is lost"
        else:
            assert name in merged, f"{name} changed on both sides is gone"
    assert set(merged) <= {*mine, *new}, "something is there that neither side has"


def reordered(one: str, other: str) -> bool:
    first, second = order(one), order(other)
    common = set(first) & set(second)
    return [n for n in first if n in common] != [n for n in second if n in common]


def judge_order(sides: Sides[str], merged: str) -> None:
    """What a person moved stays where they put it."""
    if not reordered(sides.base, sides.mine):
        return
    common = set(order(sides.base)) & set(order(sides.mine)) & set(order(sides.new))
    kept = [name for name in order(merged) if name in common]
    assert kept == [name for name in order(sides.mine) if name in common]


@settings(max_examples=25)
@given(scenes())
def test_no_edit_is_lost_and_other_definitions_never_conflict(scene) -> None:
    judge(*scene)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(10))
def test_hundreds_of_edits_are_carried_over(seed: int) -> None:
    from hypothesis import seed as seeded

    @seeded(seed)
    @settings(max_examples=60, database=None)
    @given(scenes())
    def run(scene) -> None:
        judge(*scene)

    run()
