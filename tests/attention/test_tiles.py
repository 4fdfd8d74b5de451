"""Who sees whom through the CPU's tiles: generated attention against a dense float64 formula."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor

from codegen.plan.transformer.attention_function import ScorePlan
from tests.attention.reference import Made, dense, made, seen_by_head
from tests.plan.test_masks import NAMED, Row, random_mask, random_row

TOLERANCE = {torch.float32: 2e-5, torch.float16: 1e-3, torch.bfloat16: 2e-2}  # of the largest
PART, FAST, LONG = 25, 8, 72  # masks a test, tests of the default run and of the long one
BY_HEAD = ("h < 2", "h == 1 & causal", "(q + h) % 3 == 0", "k - q < 2 - h", "h < 1 | window(4)")


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Sequences this short only lose by sharing the work."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def drawn_mask(draw: random.Random) -> str:
    """Any mask of the language; one in four asks for the head, too."""
    text = random_mask(draw)
    if draw.random() < 0.25:
        text = f"({text}) {draw.choice('&|')} ({draw.choice(BY_HEAD)})"
    return text


def drawn_score(draw: random.Random) -> ScorePlan:
    """None, or any of the ways with scores."""
    if draw.random() < 0.4:
        return ScorePlan(scaled=draw.random() < 0.3)
    names = ("scaled", "softcap", "alibi", "relative_bias", "sinks", "dropout")
    return ScorePlan(**{name: draw.random() < 0.4 for name in names})


class Case:
    """Random q, k, v and modifiers for one mask, in a precision and in float64."""

    def __init__(self, text: str, draw: random.Random, dtype: torch.dtype = torch.float32) -> None:
        self.dtype, self.score = dtype, drawn_score(draw)
        self.kv_heads, ratio = draw.randint(1, 3), draw.choice([1, 1, 3, 8])
        self.heads, self.batch = self.kv_heads * ratio, draw.randint(1, 2)
        self.length, tile = draw.randint(1, 40), draw.choice([4, 5, 8, 16])
        self.rows: list[Row] = [random_row(draw, self.length) for _ in range(self.batch)]
        self.made: Made = made(text, self.score, grouped=ratio > 1, tile=tile)
        torch.manual_seed(draw.randrange(2**31))
        head_dim = draw.choice([2, 5, 8, 16])
        self.parts = {
            "q": self.normal(self.batch, self.heads, self.length, head_dim),
            "k": self.normal(self.batch, self.kv_heads, self.length, head_dim),
            "v": self.normal(self.batch, self.kv_heads, self.length, head_dim),
        }
        if self.score.relative_bias:
            self.parts["bias_table"] = torch.randn(draw.choice([4, 8, 9, 32]), self.heads)
        if self.score.sinks:
            self.parts["sinks"] = torch.randn(self.heads)  # parameters are float32 under autocast
        self.gradient = self.normal(self.batch, self.heads, self.length, head_dim)
        self.given: dict[str, Any] = {
            "scale": draw.choice([0.1, 0.7, 1.5]),
            "softcap": draw.choice([0.8, 3.0, 30.0]),
            "slopes": self.slopes(),
            "max_distance": draw.choice([17, 20, 33]),
            "dropout": 0.0,
        }

    def normal(self, *shape: int) -> Tensor:
        """Numbers that the precision holds exactly."""
        return torch.randn(shape).to(self.dtype)

    def slopes(self) -> Tensor | None:
        if not self.score.alibi:
            return None
        found: Tensor = self.made.code.alibi_slopes(self.heads, torch.device("cpu"))
        return found

    def ours(self) -> dict[str, Tensor]:
        """The output, and the gradient of each part."""
        parts = {name: value.clone().requires_grad_() for name, value in self.parts.items()}
        names = [argument.name for argument in self.score.arguments]
        arguments = [parts[name] if name in parts else self.given[name] for name in names]
        q, k, v, *_ = parts.values()
        numbers, inputs = self.made.numbers, self.made.inputs(self.rows)
        out = self.made.code.attention(q, k, v, *numbers, *inputs, *arguments)
        assert out.dtype == self.dtype and out.shape == q.shape
        return self.with_gradients(out, parts)

    def wanted(self) -> dict[str, Tensor]:
        """The same by the dense formula, in float64."""
        parts = {n: value.double().requires_grad_() for n, value in self.parts.items()}
        names = {argument.name for argument in self.score.arguments}
        score = {name: value for name, value in {**self.given, **parts}.items() if name in names}
        seen = seen_by_head(self.made.text, self.rows, self.heads, self.length)
        q, k, v, *_ = parts.values()
        out = dense(q, k, v, seen, not self.made.function.mask.causal, score)
        return self.with_gradients(out, parts)

    def with_gradients(self, out: Tensor, parts: dict[str, Tensor]) -> dict[str, Tensor]:
        found: dict[str, Tensor] = {"output": out.detach()}
        if not out.requires_grad:  # no query sees anything
            return found | {name: torch.zeros_like(part) for name, part in parts.items()}
        gradients = torch.autograd.grad(
            out, list(parts.values()), self.gradient.to(out.dtype), allow_unused=True
        )
        for (name, part), gradient in zip(parts.items(), gradients, strict=True):
            found[name] = torch.zeros_like(part) if gradient is None else gradient
        return found

    def check(self) -> None:
        ours, wanted = self.ours(), self.wanted()
        largest = max(
            float(value.abs().max()) for name, value in wanted.items() if name != "output"
        )
        for name, value in wanted.items():
            size = float(value.abs().max()) if name == "output" else largest
            worst = float((ours[name].double() - value).abs().max())
            allowed = TOLERANCE[self.dtype] * max(size, 1e-30)
            assert worst <= allowed or size == worst == 0, (
                f"{name}: {worst:.3g} of {size:.3g}, {self}"
            )

    def __str__(self) -> str:
        shape = f"{self.heads}/{self.kv_heads} heads, length {self.length}, tile"
        return f"{self.made.text}, {self.score}, {shape} {self.made.code.TILE}"


def check_random(seed: int, count: int, dtype: torch.dtype = torch.float32) -> None:
    draw = random.Random(seed)
    for _ in range(count):
        Case(drawn_mask(draw), draw, dtype).check()


@pytest.mark.parametrize("text", (*NAMED, *BY_HEAD, "causal & ~causal", "q >= 9 & causal"))
def test_named_patterns_attend_as_the_dense_formula_does(text: str) -> None:
    draw = random.Random(text)
    for _ in range(3):
        Case(text, draw).check()


@pytest.mark.parametrize("seed", range(FAST))
def test_random_masks_attend_as_the_dense_formula_does(seed: int) -> None:
    check_random(seed, PART)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(FAST, FAST + LONG))
def test_two_thousand_random_masks_attend_as_the_dense_formula_does(seed: int) -> None:
    check_random(seed, PART)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("seed", range(2))
def test_half_precision_is_as_exact_as_it_can_be(seed: int, dtype: torch.dtype) -> None:
    check_random(1000 + seed, PART, dtype)


def test_a_query_that_sees_nothing_takes_nothing_and_gives_no_gradient() -> None:
    for score in (
        ScorePlan(),
        ScorePlan(alibi=True),
        ScorePlan(softcap=True),
        ScorePlan(sinks=True),
    ):
        draw = random.Random(1)
        while True:
            case = Case("causal & q >= 6", draw)
            if case.length > 9:
                break
        case.score = score
        case.made = made(case.made.text, score, grouped=case.heads > case.kv_heads, tile=4)
        case.given["slopes"] = case.slopes()
        case.parts = {n: v for n, v in case.parts.items() if n in ("q", "k", "v")}
        if score.sinks:
            case.parts["sinks"] = case.normal(case.heads)
        found = case.ours()
        assert not found["output"][:, :, :6].any() and not found["q"][:, :, :6].any()
        assert all(value.isfinite().all() for value in found.values())
        case.check()


def test_only_visited_tiles_of_keys_are_read() -> None:
    """Keys beyond the mask may be anything, even no number."""
    attention = made("causal & window(6)", ScorePlan(), grouped=False, tile=4).code.attention
    q, k, v = torch.randn(3, 1, 2, 40, 8)
    clean = attention(q, k, v, 6)
    k[:, :, :16], v[:, :, :16] = math.nan, math.nan
    assert torch.equal(attention(q, k, v, 6)[:, :, 24:], clean[:, :, 24:])


@pytest.mark.parametrize("softcap", [False, True])
def test_dropout_leaves_the_mean_and_without_it_nothing_changes(softcap: bool) -> None:
    score = ScorePlan(softcap=softcap, dropout=True)
    text, caps = "causal & (window(6) | sink(2))", [5.0] * softcap
    attention = made(text, score, grouped=False, tile=8).code.attention
    plain = made(text, ScorePlan(softcap=softcap), grouped=False, tile=8).code.attention
    torch.manual_seed(0)
    q, k, v = torch.randn(3, 1, 1, 20, 8)
    wanted = plain(q, k, v, 6, 2, *caps)
    assert torch.equal(attention(q, k, v, 6, 2, *caps, 0.0), wanted)
    many = [x.expand(4000, 1, 20, 8) for x in (q, k, v)]
    dropped = attention(*many, 6, 2, *caps, 0.3)
    assert not torch.equal(dropped[:1], wanted)
    error = dropped.std(0) / math.sqrt(len(dropped))
    assert ((dropped.mean(0) - wanted[0]).abs() <= 5.5 * error + 1e-6).all()
