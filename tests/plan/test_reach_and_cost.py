"""What masks show, and what a model costs, against counting by hand."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from codegen.plan import lower
from codegen.plan.loss_chunk import loss_chunk
from codegen.plan.masks.names import mask_numbers
from codegen.plan.transformer.attention_cost import SAMPLES, cache_slots, visible_pairs
from codegen.plan.transformer.attention_function import kept_by_cache, kept_numbers
from codegen.render.filters import largest
from codegen.spec import load_spec
from codegen.spec.masks.reach import is_causal, plain, shows_the_future
from codegen.spec.masks.tree import Mask, parse_mask
from tests.plan.models import ROOT, plan_of
from tests.plan.test_masks import NAMED, Row, random_mask, random_row, sees

LENGTH = 40
sizes = st.integers(1, 12)
ranges = st.one_of(
    st.just("causal"),
    sizes.map("window({})".format),
    st.builds("window({}, {})".format, sizes, sizes),
)


def seen_by(mask: Mask, row: Row, length: int) -> np.ndarray:
    """(query, key), every pair tried."""
    return np.array([[sees(mask, q, k, row) for k in range(length)] for q in range(length)])


def drawn(seed: int, masks: int) -> Iterator[tuple[str, Mask, Row, int]]:
    """Random masks, each with a random row."""
    draw = random.Random(seed)
    for _ in range(masks):
        text, length = random_mask(draw), draw.randint(2, 24)
        yield text, parse_mask(text), random_row(draw, length), length


@given(st.lists(ranges, min_size=1, max_size=4), st.booleans())
def test_a_range_of_distances_is_said_in_plain_words(parts: list[str], grouped: bool) -> None:
    text = f"({parts[0]}) & ({' & '.join(parts[1:] or parts)})" if grouped else " & ".join(parts)
    mask = parse_mask(text)
    seen, said = seen_by(mask, {}, LENGTH), seen_by(plain(mask), {}, LENGTH)
    assert (seen == said).all()
    if np.triu(seen, 1).any():
        assert plain(mask) == mask
        return
    width = int(seen[-1].sum())  # of the window, or of all
    words = [parse_mask(t) for t in ("causal", f"causal & window({width})")]
    assert plain(mask) in words or width == LENGTH  # a window may be wider than what was tried


@pytest.mark.parametrize("seed", range(10))
def test_plain_words_change_no_random_mask(seed: int) -> None:
    for text, mask, row, length in drawn(seed, 60):
        assert (seen_by(mask, row, length) == seen_by(plain(mask), row, length)).all(), text


@pytest.mark.parametrize("seed", range(10))
def test_a_causal_mask_shows_no_later_key(seed: int) -> None:
    for text, mask, row, length in drawn(seed, 100):
        if is_causal(mask):
            assert not np.triu(seen_by(mask, row, length), 1).any(), text


@pytest.mark.parametrize("seed", range(10))
def test_the_future_is_shown_through_a_prefix_only(seed: int) -> None:
    """Where a mask is let through, prefix atoms alone make the difference."""
    for text, mask, row, length in drawn(seed, 100):
        if shows_the_future(mask):
            continue
        without = parse_mask(re.sub(r"prefix(\(\d+\))?", "~full", text))
        assert not np.triu(seen_by(without, row, length), 1).any(), text
        later = np.triu(seen_by(mask, row, length), 1)
        prefixes = [int(n) for n in re.findall(r"prefix\((\d+)\)", text)]
        given_ = row["prefix_lengths"]
        assert isinstance(given_, int)
        assert not later.any() or "prefix" in text
        if "~" not in text:  # a later key that is seen lies in a prefix
            assert not later[:, max([given_, *prefixes]) :].any(), text


def test_masks_that_people_use_are_known_for_causal_or_not() -> None:
    causal = ["causal", "causal & window(5)", "causal & document", "causal & (window(5) | sink(3))"]
    causal += ["k <= q", "q >= k", "q - k >= 0", "0 <= q - k", "k < q", "q // 4 > k // 4"]
    causal += ["causal & padding", "~(k > q)", "causal & ~sink(2)", "window(9, 1)"]
    for text in causal:
        assert is_causal(parse_mask(text)) and not shows_the_future(parse_mask(text)), text
    for text in ("prefix | causal", "prefix(6) | causal", "(prefix | causal) & document"):
        assert not is_causal(parse_mask(text)) and not shows_the_future(parse_mask(text)), text
    for text in ("full", "document", "block(6)", "window(5, 3)", "~prefix", "padding | causal"):
        assert shows_the_future(parse_mask(text)), text


@pytest.mark.parametrize("seed", range(20))
def test_a_cache_keeps_every_key_that_a_later_query_sees(seed: int) -> None:
    """Rows go on from any point: prompts hold the prefix, what follows is of the last document."""
    for text, mask, row, length in drawn(seed, 100):
        first, ring = kept_numbers(mask)
        if ring is None:
            continue
        check_kept(text, seen_by(mask, row, length), first, ring)


def check_kept(text: str, seen: np.ndarray, first: int, ring: int) -> None:
    """Key k is in the cache when query q is asked, if it is one of the first or of the last."""
    q, k = np.arange(len(seen))[:, None], np.arange(len(seen))[None]
    gone = (k >= first) & (k <= q - ring)
    assert not (seen & gone).any(), (text, first, ring)


def test_a_cache_keeps_what_the_named_patterns_need_and_no_more() -> None:
    kept = {
        "causal": (0, None),
        "causal & window(5)": (0, 5),
        "causal & (window(5) | sink(3))": (3, 5),
        "causal & (window(5) | window(7))": (0, 7),
        "causal & block(6)": (0, 6),
        "causal & document": (0, None),
        "causal & dilated(4)": (0, None),
        "causal & dilated(2) & window(8)": (0, 8),
        "causal & (sink(4) | sink(2))": (4, 1),
        "prefix(6) | causal & window(3)": (6, 3),
        "prefix | causal & window(3)": (0, None),
        "causal & (window(5) | global(3))": (3, 5),
    }
    assert {text: kept_numbers(parse_mask(text)) for text in kept} == kept
    assert cache_slots("causal & (window(5) | sink(3))", 100) == 8
    assert cache_slots("causal & (window(5) | sink(3))", 6) == 6
    assert cache_slots("causal & document", 100) == 100


@pytest.mark.parametrize("seed", range(5))
def test_what_code_keeps_is_what_numbers_say(seed: int) -> None:
    """The generated expressions, over the layer's own numbers, come to the same."""
    for text, mask, _, _ in drawn(seed, 100):

        class Layer:
            pass

        for number in mask_numbers(mask):
            setattr(Layer, number.name, number.value)
        plan = kept_by_cache(mask)
        scope = {"self": Layer, "max": max}
        first = eval(largest(plan.first), scope) if plan.first else 0
        ring = eval(largest(plan.ring), scope) if plan.ring else None
        said_first, said_ring = kept_numbers(mask)
        assert ring == said_ring or (ring is not None and said_ring == max(1, ring)), text
        assert max(0, first) == said_first, text


def whole_row(length: int) -> Row:
    """One document, neither prefix nor padding."""
    return {"document_ids": [0] * length, "prefix_lengths": 0, "lengths": length}


@given(st.integers(1, 60), st.none() | st.integers(1, 80))
def test_visible_pairs_of_windows_are_counted_right(length: int, window: int | None) -> None:
    text = f"causal & window({window})" if window else "causal"
    pairs = [(q, k) for q in range(length) for k in range(q + 1) if not window or q - k < window]
    assert visible_pairs(text, length) == len(pairs)


@pytest.mark.parametrize("text", NAMED)
@pytest.mark.parametrize("length", [1, 17, 60])
def test_visible_pairs_of_named_patterns_are_counted_right(text: str, length: int) -> None:
    pairs = seen_by(parse_mask(text), whole_row(length), length).sum()
    if "%" in text or "dilated" in text:  # a query's keys are a range around those that it sees
        assert visible_pairs(text, length) >= pairs
    else:
        assert visible_pairs(text, length) == pairs


@pytest.mark.parametrize("seed", range(5))
def test_visible_pairs_are_never_too_few(seed: int) -> None:
    for text, mask, _, length in drawn(seed, 60):
        pairs = seen_by(mask, whole_row(length), length).sum()
        assert visible_pairs(text, length) >= pairs, text


def test_visible_pairs_of_long_sequences_are_nearly_right() -> None:
    length = 5 * SAMPLES + 3
    q, k = np.arange(length)[:, None], np.arange(length)[None]
    counts = {
        "causal": k <= q,
        "window(5, 3)": (q - k < 5) & (k - q < 3),
        "prefix(6) | causal": (k < 6) | (k <= q),
        "causal & (window(5) | sink(3))": (k <= q) & ((q - k < 5) | (k < 3)),
        "causal & block(600)": (k <= q) & (q // 600 == k // 600),
    }
    for text, seen in counts.items():
        assert visible_pairs(text, length) == pytest.approx(int(seen.sum()), rel=0.01), text


def test_flops_of_gpt_2_equal_a_count_by_hand() -> None:
    cost = lower(load_spec(ROOT / "specs/gpt.yaml", ROOT)).cost
    projections = 12 * (4 * 768 * 768 + 2 * 768 * 3072)
    head = 50257 * 768
    pairs = 1024 * 1025 // 2
    scores_and_sums = 12 * 2 * 768 * pairs // 1024
    assert cost.flops_forward == 2 * (projections + head + scores_and_sums) == 265_956_864
    assert cost.flops_train == 3 * cost.flops_forward
    assert cost.kv_cache_bytes == 12 * 2 * 768 * 1024 * 2
    assert cost.weight_bytes == 4 * 124_439_808 == 2 * cost.weight_bytes_bf16
    assert cost.training_bytes == 4 * 4 * 124_439_808  # weights, gradients, two moments


def test_a_window_bounds_the_cache_and_the_attention(tmp_path: Path) -> None:
    model = "{d_model: 64, context_length: 100, layers: 2, attention: {heads: 4, kv_heads: 2}}"
    full = plan_of(tmp_path, model, "data.context_length=8").cost
    windowed = plan_of(tmp_path, model, "model.attention.mask=causal & window(10)").cost
    assert full.kv_cache_bytes == 2 * 2 * 2 * 16 * 100 * 2
    assert windowed.kv_cache_bytes == 2 * 2 * 2 * 16 * 10 * 2
    saved = 2 * (2 * 2 * 64) * 5050 // 100 - 2 * (2 * 2 * 64 * 955 // 100)
    assert abs(full.flops_forward - windowed.flops_forward - saved) <= 2  # whole FLOPs a layer


def test_a_latent_is_all_that_a_cache_keeps_of_a_token(tmp_path: Path) -> None:
    sizes = "{q_rank: 24, kv_rank: 32, nope_dim: 16, rope_dim: 8, value_dim: 12}"
    attention = f"{{heads: 4, latent: {sizes}}}"
    model = f"{{d_model: 64, context_length: 100, layers: 2, attention: {attention}}}"
    plan = plan_of(tmp_path, model, "data.context_length=8")
    assert plan.cost.kv_cache_bytes == 2 * (32 + 8) * 100 * 2
    matrices = 24 * 64 + 4 * 24 * 24 + 40 * 64 + 32 * 4 * 28 + 4 * 12 * 64
    rows = [p for p in plan.model.parameters if p.name.startswith("blocks.0.attention.")]
    assert sum(p.count for p in rows) == matrices + 24 + 32


def test_keys_and_values_that_layers_share_are_kept_once(tmp_path: Path) -> None:
    blocks = "{whole: {}, late: {attention: {kv_of: whole}}}"
    model = f"{{d_model: 64, context_length: 100, attention: {{heads: 4}}, blocks: {blocks}, "
    plan = plan_of(tmp_path, model + "layers: [whole, late, late]}", "data.context_length=8")
    assert plan.cost.kv_cache_bytes == 2 * 64 * 100 * 2
    names = [p.name for p in plan.model.parameters]
    assert "blocks.0.attention.k_proj.weight" in names
    assert not any("blocks.1.attention.k" in name for name in names)


def test_a_convolution_keeps_its_last_inputs_however_long_a_text_is(tmp_path: Path) -> None:
    blocks = "{conv: {mixer: conv, conv: {kernel: 5}}, whole: {}}"
    model = f"{{d_model: 64, context_length: 100, attention: {{heads: 4}}, blocks: {blocks}, "
    plan = plan_of(tmp_path, model + "layers: [conv, whole, conv]}", "data.context_length=8")
    assert plan.cost.kv_cache_bytes == (2 * 4 * 64 + 2 * 64 * 100) * 2
    rows = [p for p in plan.model.parameters if p.name.startswith("blocks.0.conv.")]
    assert sum(p.count for p in rows) == 3 * 64 * 64 + 64 * 5 + 64 * 64
    mlp = 3 * 64 * plan.model.layers[0].d_ff
    convolutions = 2 * (2 * 4 * 64 * 64 + 2 * 64 * 5 + 2 * 64)
    attention = 2 * 4 * 64 * 64 + 2 * 2 * 64 * 5050 // 100
    head = 2 * 64 * 32_000
    assert plan.cost.flops_forward == convolutions + attention + 3 * 2 * mlp + head


def test_muon_keeps_one_moment_of_a_matrix(tmp_path: Path) -> None:
    adamw = plan_of(tmp_path, "{d_model: 96, layers: 2}")
    muon = plan_of(tmp_path, "{d_model: 96, layers: 2}", "train.optimizer=muon")
    matrices = sum(p.count for p in muon.model.parameters if p.group == "matrix")
    assert adamw.cost.training_bytes - muon.cost.training_bytes == 4 * matrices > 0


def test_a_loss_chunk_fills_64_megabytes_with_logits_within_bounds() -> None:
    assert loss_chunk(8192) * 8192 * 4 == 64 * 2**20
    assert [loss_chunk(size) for size in (65, 50_257, 128_256, 2**30)] == [8192, 512, 512, 512]
