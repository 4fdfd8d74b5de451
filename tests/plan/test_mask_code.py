"""What a mask prints, run: the predicate and the ranges, against every pair of positions tried."""

from __future__ import annotations

import random

import numpy as np
import pytest

from codegen.plan.kernels.kernel import RangeCode
from codegen.plan.masks.code import PYTHON, TRITON, Language, mask_code
from codegen.plan.masks.names import mask_numbers, with_names
from codegen.spec.masks.formula import formula_of
from codegen.spec.masks.tree import parse_mask
from tests.kernels.variants import with_reads
from tests.plan.test_masks import NAMED, random_mask, random_row, sees


def run_ranges(code: tuple[RangeCode, ...], names: dict[str, object]) -> tuple[set[int], set[int]]:
    """Positions visited, and those of the full parts."""
    visited, full = set(), set()
    for range_ in code:
        low, high, full_low, full_high = (
            eval(text, {}, names)
            for text in (range_.low, range_.high, range_.full_low, range_.full_high)
        )
        time = names["time"]
        assert isinstance(time, int)
        inside = set(range(max(0, low), min(high, time)))
        visited |= inside
        full |= set(range(max(0, full_low), min(full_high, time))) & inside
    return visited, full


def check(text: str, draw: random.Random, *, exact: bool, named: bool, most: int) -> None:
    mask = parse_mask(text)
    length = draw.randint(1, 40)
    row = random_row(draw, length)
    start = draw.randrange(length)
    stop = min(length, start + draw.choice([1, 2, 4, 8, 16]))
    if exact and "dilated" in text and stop - start < 4:
        return  # shorter than the step: a printed range can't be in pieces
    formula = with_names(mask) if named else formula_of(mask)
    code = mask_code(formula, PYTHON, most)
    numbers = {number.name: number.value for number in mask_numbers(mask)}
    scope = {
        "first": start,
        "last": stop - 1,
        "time": length,
        "document_starts": row["document_starts"],
        "document_ends": row["document_ends"],
        "prefix_length": row["prefix_lengths"],
        "length": row["lengths"],
        "h": 0,
        **numbers,
    }
    seen = np.array([[sees(mask, q, k, row) for k in range(length)] for q in range(length)])
    starts, ends = (np.array(row[name])[:, None] for name in ("document_starts", "document_ends"))
    pairs = {"q": np.arange(length)[:, None], "k": np.arange(length)[None]}
    documents = {"document_start": starts, "document_end": ends}
    said = eval(code.predicate, {}, {**scope, **pairs, **documents})
    assert said.shape == seen.shape, code.predicate
    assert (said == seen).all(), code.predicate
    for ranges, tile in ((code.keys, seen[start:stop]), (code.queries, seen[:, start:stop].T)):
        visited, full = run_ranges(ranges, scope)
        some, every = (set(np.flatnonzero(f(axis=0))) for f in (tile.any, tile.all))
        assert some <= visited, (text, ranges)
        assert full <= every, (text, ranges)
        if exact:
            assert visited == some, (text, ranges)
            assert full == every, (text, ranges)


@pytest.mark.parametrize("text", NAMED)
@pytest.mark.parametrize("named", [False, True])
def test_printed_ranges_of_the_named_patterns_are_exact(text: str, named: bool) -> None:
    draw = random.Random(text)
    for _ in range(60):
        check(text, draw, exact=True, named=named, most=4)


@pytest.mark.drawn
@pytest.mark.parametrize("seed", range(20))
def test_what_random_masks_print_is_never_wrong(seed: int) -> None:
    draw = random.Random(seed)
    for _ in range(100):
        check(random_mask(draw), draw, exact=False, named=draw.random() < 0.5, most=4)


@pytest.mark.parametrize(
    "text",
    [
        "(q - ((k + 2) - q)) % 3 == 0",
        "(k - ((q - 1) - (k + 1))) // 4 == 1",
        "(q - ((k + 2) % 3 - q)) % 4 == 1",
        "causal & (q - ((q + 1) - (k + 1))) % 5 < 2",
    ],
)
def test_what_is_taken_away_is_taken_away_whole(text: str) -> None:
    draw = random.Random(text)
    for _ in range(20):
        check(text, draw, exact=False, named=True, most=4)


@pytest.mark.parametrize("language", [PYTHON, TRITON], ids=["python", "triton"])
def test_code_says_all_that_it_reads_and_nothing_else(language: Language) -> None:
    draw = random.Random(0)
    for text in (*NAMED, "h < 2 & causal", *(random_mask(draw) for _ in range(150))):
        code = mask_code(with_names(parse_mask(text)), language, 4)
        if language is TRITON:
            assert code.keys == with_reads(code).keys, text
            assert code.queries == with_reads(code).queries, text
            assert code.reads == with_reads(code).reads, text
        else:
            assert set(code.reads) == read_by_names(code.predicate), text


def read_by_names(text: str) -> set[str]:
    """What Python finds in a text, its inputs by the names that callers use."""
    inputs = {
        "document_start": "document_starts",
        "document_end": "document_ends",
        "prefix_length": "prefix_lengths",
        "length": "lengths",
    }
    return {inputs.get(name, name) for name in compile(text, "mask", "eval").co_names}


def test_what_may_follow_a_predicate_is_known() -> None:
    for text in ("causal", "causal & window(4)", "causal | window(4)", "block(4)", "full"):
        code = mask_code(with_names(parse_mask(text)), TRITON, 4)
        assert code.joined == (text in ("causal & window(4)", "full")), text
