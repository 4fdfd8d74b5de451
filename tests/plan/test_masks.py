"""AxisTile ranges of masks against brute force: every pair of positions tried."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from codegen.plan.masks.ranges import AxisTile, Ranges, key_ranges, query_ranges, shows
from codegen.spec.masks.expression import Binary, Expression, ExpressionError, Name, Number, Unary
from codegen.spec.masks.formula import formula_of
from codegen.spec.masks.tree import And, Atom, Comparison, Mask, Not, Or, parse_mask

Row = dict[str, list[int] | int]
NAMED = (
    "causal",
    "causal & window(5)",
    "window(5, 3)",
    "prefix | causal",
    "prefix(6) | causal",
    "causal & document",
    "document",
    "block(6)",
    "sink(3) | window(5)",
    "causal & (window(5) | sink(3))",
    "dilated(4)",
    "padding",
    "q - k < 7",
    "q // 6 >= k // 6",
)


def sees(mask: Mask, q: int, k: int, row: Row) -> bool:
    """The table of atoms, word for word."""
    match mask:
        case Not(operand):
            return not sees(operand, q, k, row)
        case And(left, right):
            return sees(left, q, k, row) and sees(right, q, k, row)
        case Or(left, right):
            return sees(left, q, k, row) or sees(right, q, k, row)
        case Comparison(tree):
            return bool(value(tree, q, k))
        case Atom("document"):
            ids = row["document_ids"]
            assert isinstance(ids, list)
            return ids[q] == ids[k]
        case Atom("prefix", ()):
            return k < row["prefix_lengths"]
        case Atom("padding"):
            return k < row["lengths"]
        case Atom(name, arguments):
            return ATOMS[name](q, k, *arguments)
    raise AssertionError(mask)


ATOMS: dict[str, Callable[..., bool]] = {
    "causal": lambda q, k: k <= q,
    "full": lambda q, k: True,
    "window": lambda q, k, left, right=10**9: q - left < k < q + right,
    "prefix": lambda q, k, n: k < n,
    "block": lambda q, k, n: q // n == k // n,
    "sink": lambda q, k, n: k < n,
    "global": lambda q, k, n: k < n or q < n,
    "dilated": lambda q, k, n: (q - k) % n == 0,
}


def value(tree: Expression, q: int, k: int) -> int | bool:
    """A comparison's value, by walking its tree."""
    match tree:
        case Number(number):
            return int(number)
        case Name(name):
            return {"q": q, "k": k, "h": 0}[name]
        case Unary(_, operand):
            return -value(operand, q, k)
        case Binary(symbol, left, right):
            a, b = value(left, q, k), value(right, q, k)
            return {
                "+": a + b,
                "-": a - b,
                "*": a * b,
                "//": a // b if b else 0,
                "%": a % b if b else 0,
                "<": a < b,
                "<=": a <= b,
                ">": a > b,
                ">=": a >= b,
                "==": a == b,
                "!=": a != b,
            }[symbol]
    raise AssertionError(tree)


def random_row(draw: random.Random, length: int) -> Row:
    """Documents of random lengths, and a prefix and a length for the row."""
    ids: list[int] = []
    while len(ids) < length:
        ids += [len(set(ids))] * draw.randint(1, 9)
    ids = ids[:length]
    return {
        "document_ids": ids,
        "document_starts": [ids.index(i) for i in ids],
        "document_ends": [length - ids[::-1].index(i) for i in ids],
        "prefix_lengths": draw.randint(0, length),
        "lengths": draw.randint(1, length),
    }


def random_mask(draw: random.Random, depth: int = 3) -> str:
    """Text of a random mask."""
    if depth and draw.random() < 0.7:
        if draw.random() < 0.25:
            return f"~({random_mask(draw, depth - 1)})"
        left, right = random_mask(draw, depth - 1), random_mask(draw, depth - 1)
        return f"({left}) {draw.choice('&|')} ({right})"
    n, m = draw.randint(1, 12), draw.randint(1, 12)
    relation = draw.choice(["<", "<=", ">", ">=", "==", "!="])
    choices = ["causal", "full", "document", "prefix", "padding", f"window({n}, {m})"]
    choices += [f"{name}({n})" for name in ("window", "prefix", "block", "sink", "global")]
    choices += [f"dilated({n})", f"q - k {relation} {n - 6}", f"k + 2 {relation} q + {m}"]
    choices += [f"q // {n} {relation} k // {n}", f"k // {n} {relation} q // {n}"]
    choices += [f"(q - k) % {n} == 0", f"k {relation} {n}", f"q {relation} {m}"]
    choices += [f"q * k {relation} {n * m}", f"k // {n} {relation} q // {m}", f"{n} {relation} {m}"]
    return draw.choice(choices)


def positions(intervals: tuple[tuple[float, float], ...]) -> set[int]:
    return {k for low, high in intervals for k in range(int(low), int(high))}


def check(text: str, draw: random.Random, *, exact: bool = False) -> None:
    """One tile on each axis of one random row."""
    mask = parse_mask(text)
    length = draw.randint(1, 40)
    row = random_row(draw, length)
    start = draw.randrange(length)
    stop = min(length, start + draw.choice([1, 2, 4, 8, 16]))
    tile = AxisTile(start, stop, length, {k: v for k, v in row.items() if k != "document_ids"})
    inside = range(start, stop)
    formula, inputs = formula_of(mask), tile.inputs
    assert all(
        shows(formula, q, k, inputs) == sees(mask, q, k, row) for q in inside for k in range(length)
    ), text
    by_key = {k: [sees(mask, q, k, row) for q in inside] for k in range(length)}
    by_query = {q: [sees(mask, q, k, row) for k in inside] for q in range(length)}
    for ranges, pairs in ((key_ranges(mask, tile), by_key), (query_ranges(mask, tile), by_query)):
        compare(text, ranges, pairs, exact)


def compare(text: str, ranges: Ranges, pairs: dict[int, list[bool]], exact: bool) -> None:
    partial, full = positions(ranges.partial), positions(ranges.full)
    assert not partial & full, text
    some = {position for position, seen in pairs.items() if any(seen)}
    every = {position for position, seen in pairs.items() if all(seen)}
    assert some <= partial | full, text
    assert full <= every, text
    assert partial | full <= set(pairs), text
    if exact:
        assert partial | full == some, text
        assert full == every, text


@pytest.mark.parametrize("text", NAMED)
def test_ranges_of_the_named_patterns_are_exact(text: str) -> None:
    draw = random.Random(text)
    for _ in range(60):
        check(text, draw, exact=True)


@pytest.mark.drawn
@pytest.mark.parametrize("seed", range(20))
def test_ranges_of_random_masks_are_never_wrong(seed: int) -> None:
    draw = random.Random(seed)
    for _ in range(100):
        text = random_mask(draw)
        for _ in range(3):
            check(text, draw)


def test_ranges_of_random_masks_are_rarely_loose() -> None:
    draw, loose, total = random.Random(0), 0, 0
    for _ in range(400):
        text = random_mask(draw)
        total += 1
        try:
            check(text, draw, exact=True)
        except AssertionError:
            loose += 1
    assert loose < 0.25 * total


@pytest.mark.parametrize(
    ("text", "offset"),
    [
        ("causal & windw(3)", 9),
        ("window", 0),
        ("window(0)", 7),
        ("q - k", 2),
        ("q // k < 3", 2),
        ("q < 2.5", 4),
        ("z < 3", 0),
        ("causal &", 8),
        ("q < k < 3", 6),
    ],
)
def test_a_bad_mask_is_refused_at_its_character(text: str, offset: int) -> None:
    with pytest.raises(ExpressionError) as error:
        parse_mask(text)
    assert error.value.offset == offset, error.value.message
