"""What masks show, and what a model costs, against counting by hand."""

from __future__ import annotations

from pathlib import Path

from hypothesis import example, given
from hypothesis import strategies as st

from codegen.plan import lower
from codegen.plan.cost import visible_pairs
from codegen.plan.transformer import loss_chunk
from codegen.spec import load_spec
from codegen.spec.mask import parse_mask
from codegen.spec.reach import causal_reach
from tests.plan.models import ROOT, plan_of

LENGTH = 40
sizes = st.integers(1, 12)
atoms = st.one_of(
    st.just(("causal",)),
    st.tuples(st.just("window"), sizes),
    st.tuples(st.just("window"), sizes, sizes),
)


def text_of(atom: tuple[str | int, ...]) -> str:
    name, *arguments = atom
    return f"{name}({', '.join(map(str, arguments))})" if arguments else str(name)


def sees(atom: tuple[str | int, ...], q: int, k: int) -> bool:
    match atom:
        case (str(), int(left)):
            return q - left < k
        case (str(), int(left), int(right)):
            return q - left < k < q + right
    return k <= q


@given(st.lists(atoms, min_size=1, max_size=4), st.booleans())
def test_reach_is_what_a_query_sees_at_most(
    parts: list[tuple[str | int, ...]], grouped: bool
) -> None:
    texts = [text_of(atom) for atom in parts]
    text = f"({texts[0]}) & ({' & '.join(texts[1:] or texts)})" if grouped else " & ".join(texts)
    seen = [
        [k for k in range(LENGTH) if all(sees(atom, q, k) for atom in parts)] for q in range(LENGTH)
    ]
    future = any(k > q for q, keys in enumerate(seen) for k in keys)
    try:
        reach = causal_reach(parse_mask(text))
    except ValueError:
        assert future
        return
    assert not future
    for q, keys in enumerate(seen):
        first = 0 if reach is None else max(0, q - reach + 1)
        assert keys == list(range(first, q + 1))


@given(st.integers(1, 60), st.none() | st.integers(1, 80))
@example(1, 1)
@example(5, 5)
def test_visible_pairs_are_counted_right(length: int, window: int | None) -> None:
    pairs = [(q, k) for q in range(length) for k in range(q + 1) if not window or q - k < window]
    assert visible_pairs(length, window) == len(pairs)


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
    full = plan_of(tmp_path, model, "train.context=8").cost
    windowed = plan_of(tmp_path, model, "model.attention.mask=causal & window(10)").cost
    assert full.kv_cache_bytes == 2 * 2 * 2 * 16 * 100 * 2
    assert windowed.kv_cache_bytes == 2 * 2 * 2 * 16 * 10 * 2
    saved = 2 * (2 * 2 * 64) * 5050 // 100 - 2 * (2 * 2 * 64 * 955 // 100)
    assert abs(full.flops_forward - windowed.flops_forward - saved) <= 2  # whole FLOPs a layer


def test_muon_keeps_one_moment_of_a_matrix(tmp_path: Path) -> None:
    adamw = plan_of(tmp_path, "{d_model: 96, layers: 2}")
    muon = plan_of(tmp_path, "{d_model: 96, layers: 2}", "train.optimizer=muon")
    matrices = sum(p.count for p in muon.model.parameters if p.group == "matrix")
    assert adamw.cost.training_bytes - muon.cost.training_bytes == 4 * matrices > 0


def test_a_loss_chunk_fills_64_megabytes_with_logits_within_bounds() -> None:
    assert loss_chunk(8192) * 8192 * 4 == 64 * 2**20
    assert [loss_chunk(size) for size in (65, 50_257, 128_256, 2**30)] == [8192, 512, 512, 512]
