"""Models of random specs compute what the oracle reads out of their plans."""

from __future__ import annotations

from pathlib import Path

import hypothesis
import pytest
import torch
from hypothesis import given

from codegen.plan import lower
from codegen.spec import load_spec
from tests import oracle
from tests.packages import import_model
from tests.parity.number_checks import check_numbers
from tests.parity.text_checks import check_all
from tests.parity.trial import SEEDS, Spec, plan_of, settings
from tests.strategies import specs

ROOT = Path(__file__).parents[2]

# Seeds, and draws of each: the draws of one seed are variations of each other.
FAST, FAST_DRAWS = 8, 25
LONG, LONG_DRAWS = 60, 50
SHRUNK = {
    "gpt": ["d_model=24", "attention.heads=3", "layers=3"],
    "gpt_char": ["d_model=24", "attention.heads=3", "layers=3"],
    "llama": [
        "d_model=24",
        "attention.heads=6",
        "attention.kv_heads=2",
        "attention.head_dim=8",
        "attention.rope.scaling.original_context_length=16",
        "mlp.d_ff=40",
        "layers=3",
    ],
    "mistral": [
        "d_model=24",
        "attention.heads=6",
        "attention.kv_heads=2",
        "attention.mask=causal & window(5)",
        "mlp.d_ff=40",
        "layers=3",
    ],
    "gemma_like": [
        "d_model=24",
        "attention.head_dim=8",
        "mlp.d_ff=40",
        "blocks.local.attention.mask=causal & window(5)",
        "layers={pattern: [local, local, global], repeat: 1}",
    ],
    "char_modern": ["d_model=24", "attention.heads=3", "layers=3"],
    "streaming": [
        "d_model=24",
        "attention.heads=6",
        "attention.kv_heads=2",
        "attention.mask=causal & (window(5) | sink(2))",
        "mlp.d_ff=40",
        "layers=2",
    ],
    "prefix_lm": ["d_model=24", "attention.heads=3", "mlp.d_ff=40", "layers=2"],
    "packed_documents": [
        "d_model=24",
        "attention.heads=6",
        "attention.kv_heads=2",
        "mlp.d_ff=40",
        "layers=2",
    ],
    "deepseek_v3": [
        "d_model=24",
        "attention.heads=3",
        "attention.latent={q_rank: 6, kv_rank: 8, nope_dim: 6, rope_dim: 4, value_dim: 5}",
        "attention.rope.scaling.original_context_length=8",
        "mlp.d_ff=40",
        "mlp.experts={count: 8, active: 3, d_ff: 12, shared: {d_ff: 12}}",
        "mlp.experts.router={groups: 4, active_groups: 2}",
        "layers=[dense, sparse, sparse]",
    ],
    "longformer_like": [
        "d_model=24",
        "attention.heads=3",
        "attention.mask=causal & (window(5) | global(2))",
        "mlp.d_ff=40",
        "layers=2",
    ],
}

WINDOW = "causal & window(20)"
SMALL = {"vocab_size": 11, "context_length": 16, "d_model": 8, "attention": {"heads": 2}}


@settings(200)
@hypothesis.seed(0)
@given(specs())
def test_the_numbers_of_a_plan_are_its_specs(spec: Spec) -> None:
    check_numbers(spec["model"], plan_of(spec).model, spec.get("task", "causal-lm"))


def test_a_block_kinds_eps_is_not_the_final_norms() -> None:
    blocks = {"local": {"norm": {"eps": 0.1}}}
    model = {**SMALL, "layers": 1, "norm": {"eps": 1e-5}, "blocks": blocks}
    net = plan_of({"name": "drawn_model", "model": model}).model
    assert net.norm and oracle.end_eps(net, net.norm) == 1e-5


def test_a_layer_without_rotary_positions_has_any_head_dim() -> None:
    blocks = {"local": {"attention": {"rope": "none", "head_dim": 6}}, "global": {}}
    model = {**SMALL, "layers": ["local", "global"], "blocks": blocks}
    check_all(plan_of({"name": "drawn_model", "model": model}), seed=0)


def test_what_rows_say_is_told_apart_whichever_layer_reads_it_first() -> None:
    blocks = {
        "local": {"attention": {"mask": "causal & padding"}},
        "global": {"attention": {"mask": "prefix | causal"}},
    }
    model = {**SMALL, "layers": ["local", "global"], "blocks": blocks}
    check_all(plan_of({"name": "drawn_model", "model": model}), seed=0)


def test_keys_that_only_earlier_queries_would_see_take_no_place_in_a_cache() -> None:
    attention = {"heads": 2, "mask": "causal & (~(q != 4 | window(5, 3)))"}
    model = {**SMALL, "layers": 1, "attention": attention}
    check_all(plan_of({"name": "drawn_model", "model": model}), seed=0)


def test_a_layer_that_convolves_has_no_norm_of_attention_to_leave_out() -> None:
    blocks = {"near": {"mixer": "conv", "residual": {"normed": True}}, "far": {}}
    model = {**SMALL, "layers": ["far", "near"], "blocks": blocks}
    model["residual"] = {"attention_norm": False}
    check_all(plan_of({"name": "drawn_model", "model": model}), seed=0)


def test_padding_of_a_chunk_computes_numbers(tmp_path: Path) -> None:
    by_head = {"mask": "causal & (h < 1 | window(2))", "softcap": 5}
    blocks = {"local": {"attention": by_head}, "global": {"attention": {"mask": WINDOW}}}
    model = {**SMALL, "layers": ["local", "global"], "blocks": blocks}
    spec = {"name": "drawn_model", "model": model}
    code = import_model(plan_of(spec), tmp_path)
    model = code.Model(code.Config()).eval()
    cache = model.new_cache(2, 12)
    model.prefill(torch.ones(2, 1, dtype=torch.int64), cache)
    logits = model.extend(torch.ones(2, 8, dtype=torch.int64), cache, torch.tensor([8, 1]))
    assert not logits.isnan().any()  # what is kept of it would reach what comes next


@pytest.mark.drawn
@pytest.mark.parametrize("name", SHRUNK)
def test_a_known_model_computes_what_its_plan_says(name: str) -> None:
    sizes = ["vocab_size=29", "context_length=20", *SHRUNK[name]]
    overrides = [f"model.{size}" for size in sizes]
    settings = ["data.context_length=8", "checkpoint={huggingface: }"]
    plan = lower(load_spec(ROOT / f"specs/{name}.yaml", ROOT, [*overrides, *settings]))
    check_all(plan, seed=0)


def check_drawn(seed: int, draws: int) -> None:
    @hypothesis.seed(seed)
    @settings(draws)
    @given(specs(), SEEDS)
    def draw(spec: Spec, weights: int) -> None:
        check_all(plan_of(spec), weights)

    draw()


@pytest.mark.drawn
@pytest.mark.parametrize("seed", range(FAST))
def test_drawn_models_compute_what_their_plans_say(seed: int) -> None:
    check_drawn(seed, FAST_DRAWS)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(FAST, FAST + LONG))
def test_three_thousand_drawn_models_compute_what_their_plans_say(seed: int) -> None:
    check_drawn(seed, LONG_DRAWS)
