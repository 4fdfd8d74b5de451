"""What a mixture of experts holds, and what a token meets of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.plan.models import plan_of

MIXTRAL = """
  vocab_size: 32000
  context_length: 32768
  d_model: 4096
  layers: 32
  attention: {heads: 32, kv_heads: 8}
  mlp: {d_ff: 14336, experts: {count: 8, active: 2}}
"""
QWEN3_30B = """
  vocab_size: 151936
  context_length: 40960
  d_model: 2048
  layers: 48
  attention: {heads: 32, kv_heads: 4, head_dim: 128, qk_norm: rms}
  mlp: {d_ff: 6144, experts: {count: 128, active: 8, d_ff: 768}}
"""
GPT_OSS_20B = """
  vocab_size: 201088
  context_length: 131072
  d_model: 2880
  layers: 24
  attention: {heads: 64, kv_heads: 8, head_dim: 64, bias: true, sinks: true}
  mlp: {d_ff: 2880, experts: {count: 32, active: 4, bias: true, router: {bias: true}}}
"""
SHARED = """
  vocab_size: 100
  context_length: 16
  d_model: 8
  layers: [dense, sparse]
  blocks: {dense: {mlp: {experts: none}}, sparse: {}}
  attention: {heads: 2}
  mlp: {d_ff: 32, experts: {count: 6, active: 3, d_ff: 4, shared: {d_ff: 10, gate: true}}}
"""


@pytest.mark.parametrize(
    ("model", "parameters", "active"),
    [
        # mistral.ai/news/mixtral-of-experts: 46.7 and 12.9 billion
        (MIXTRAL, 46_702_792_704, 12_879_925_248),
        # arXiv:2505.09388, table 2: 30.5 and 3.3 billion
        (QWEN3_30B, 30_532_122_624, 3_353_032_704),
        # arXiv:2508.10925, table 1: 20.91 billion; its 3.61 active leave out the embedding
        (GPT_OSS_20B, 20_914_757_184, 4_187_440_704),
    ],
)
def test_a_known_model_has_its_published_size(
    tmp_path: Path, model: str, parameters: int, active: int
) -> None:
    cost = plan_of(tmp_path, model).cost
    assert cost.parameters == parameters
    assert cost.active_parameters == active


def test_a_token_costs_its_active_experts(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, SHARED)
    attention, dense = 4 * 8 * 8, 3 * 8 * 32
    router, one, shared = 6 * 8, 3 * 8 * 4, 3 * 8 * 10 + 8
    matrices = 2 * attention + dense + router + 3 * one + shared + 100 * 8
    pairs = 16 * 17 // 2  # that one of two heads of 4 dimensions scores, in two layers
    assert plan.cost.flops_forward == 2 * matrices + 2 * (2 * 2 * 2 * 4 * pairs // 16)
    assert plan.cost.parameters - plan.cost.active_parameters == 3 * one


def test_a_toy_has_few_experts_and_room_for_its_choice(tmp_path: Path) -> None:
    router = "{groups: 8, active_groups: 4, group_score: top2}"
    experts = f"{{count: 256, active: 8, router: {router}}}"
    plan = plan_of(tmp_path, SHARED.replace("{count: 6, active: 3, ", f"{experts[:-1]}, "))
    tiny = {field.name: field.tiny for field in plan.model.fields}
    assert (tiny["experts"], tiny["active_experts"]) == (4, 2)
    assert (tiny["expert_groups"], tiny["active_groups"]) == (2, 1)


def test_experts_are_matrices_and_their_offsets_are_not(tmp_path: Path) -> None:
    rows = {p.name: p for p in plan_of(tmp_path, GPT_OSS_20B).model.parameters}
    weight = rows["blocks.0.mlp.experts.down_proj"]
    assert (weight.shape, weight.group, weight.decay) == ((32, 2880, 2880), "matrix", True)
    bias = rows["blocks.0.mlp.experts.down_proj_bias"]
    assert (bias.shape, bias.group, bias.decay) == ((32, 2880), "vector", False)
