"""The parameter table is the generated model's own, and counts what was published."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from codegen.plan import lower
from codegen.spec import load_spec
from tests.packages import import_model
from tests.plan.models import ROOT, SPECS, plan_of, tiny_plan

each_spec = pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)


@each_spec
def test_the_table_is_the_model_s_at_full_size(path: Path, tmp_path: Path) -> None:
    plan = lower(load_spec(path, ROOT))
    code = import_model(plan, tmp_path)
    with torch.device("meta"):
        model = code.Model(code.Config())
    shapes = {name: tuple(p.shape) for name, p in model.named_parameters()}
    assert shapes == {row.name: row.shape for row in plan.model.parameters}
    assert plan.cost.parameters == sum(p.numel() for p in model.parameters())


@each_spec
def test_the_table_is_the_model_s_at_toy_size(path: Path, tmp_path: Path) -> None:
    plan = tiny_plan(path)
    code = import_model(lower(load_spec(path, ROOT)), tmp_path)
    model = code.Model(code.Config.tiny())
    shapes = {name: tuple(p.shape) for name, p in model.named_parameters()}
    assert shapes == {row.name: row.shape for row in plan.model.parameters}


@each_spec
def test_weights_start_as_the_table_says(path: Path, tmp_path: Path) -> None:
    code = import_model(lower(load_spec(path, ROOT)), tmp_path)
    model = code.Model(code.Config.tiny())
    torch.manual_seed(0)
    for parameter in model.parameters():
        torch.nn.init.constant_(parameter, 7.0)
    model.init_weights()
    values = dict(model.named_parameters())
    for row in tiny_plan(path).model.parameters:
        value = values[row.name].detach()
        if row.init.kind == "normal":
            near = max(0.2, 4 / math.sqrt(row.count))  # a table of 32 numbers strays further
            assert value.std().item() == pytest.approx(row.init.std, rel=near), row.name
            assert abs(value.mean().item()) < near * row.init.std, row.name
        else:
            start = {"ones": 1.0, "zeros": 0.0, "constant": row.init.value}[row.init.kind]
            assert (value == start).all(), row.name


@pytest.mark.parametrize(
    ("spec", "count"),
    [
        ("gpt", 124_439_808),
        ("llama", 1_235_814_400),
        ("mistral", 7_241_732_096),
        ("vit_b16", 86_567_656),
    ],
)
def test_the_count_is_the_published_one(spec: str, count: int) -> None:
    assert lower(load_spec(ROOT / f"specs/{spec}.yaml", ROOT)).cost.parameters == count


ODD = """{
  d_model: 48, vocab_size: 70, context_length: 40, dropout: 0.1,
  norm: {kind: layer, placement: sandwich}, init: {std: 0.05, residual: zero},
  attention: {heads: 6, kv_heads: 3, head_dim: 12, qk_norm: layer, bias: {q: true, o: true}},
  mlp: {kind: plain, activation: relu2, bias: true}, embedding: {norm: true, positions: learned},
  head: {bias: true, softcap: 5}, layers: 3}"""
PLAIN = "{d_model: 48, vocab_size: 70, norm: {weight: false, placement: post}, layers: 1, "
BY_LAYER = """{
  d_model: 48, vocab_size: 70, layers: [a, b, c, a],
  attention: {heads: 4, head_dim: 12},
  blocks: {
    a: {mlp: {d_ff: 20}, attention: {kv_heads: 2, mask: causal & window(3)}},
    b: {mlp: {kind: plain, bias: true}, norm: {kind: layer}},
    c: {attention: {heads: 8, qk_norm: rms}}}}"""


@pytest.mark.parametrize("model", [ODD, PLAIN + "attention: {heads: 4}}", BY_LAYER])
@pytest.mark.parametrize("residual", ["scaled", "normal", "zero"])
def test_models_that_nobody_published_match_too(model: str, residual: str, tmp_path: Path) -> None:
    plan = plan_of(tmp_path, model, f"model.init.residual={residual}", "data.context_length=8")
    code = import_model(plan, tmp_path)
    built = code.Model(code.Config())
    built.init_weights()
    rows = {row.name: row for row in plan.model.parameters}
    shapes = {name: tuple(p.shape) for name, p in built.named_parameters()}
    assert shapes == {row.name: row.shape for row in rows.values()}
    for name, parameter in built.named_parameters():
        if rows[name].init.kind == "normal" and parameter.numel() >= 500:
            expected = pytest.approx(rows[name].init.std, rel=0.2)
            assert parameter.detach().std().item() == expected, name
        if rows[name].init.kind == "zeros":
            assert not parameter.any(), name


def test_decay_is_for_matrices_and_every_row_has_a_group() -> None:
    for path in SPECS:
        for row in lower(load_spec(path, ROOT)).model.parameters:
            # Of vectors and biases, those of experts too, none decays.
            matrix = len(row.shape) > 1 and not row.role.endswith(("bias", "bias_table"))
            assert row.decay == matrix, row.name
            inner = "blocks." in row.name or row.role == "head_transform"
            group = "matrix" if inner else "head" if row.role == "head" else "embedding"
            assert row.group == (group if matrix else "vector"), row.name


def test_correction_biases_and_fixed_ones_are_not_trained() -> None:
    plan = lower(load_spec(ROOT / "specs/deepseek_v3.yaml", ROOT))
    left = {row.role for row in plan.model.parameters if not row.trained}
    assert left == {"correction_bias"}


TEXT = """{{
  vocab_size: {vocab}, context_length: 16, d_model: 24, layers: [a, b], init: {{head: zero}},
  attention: {{heads: {heads}, kv_heads: {kv_heads}, head_dim: 6, bias: true, sinks: true}},
  norm: {{kind: layer}}, head: {{bias: true}},
  mlp: {{d_ff: {d_ff}, bias: true, norm: rms}}, blocks: {{
    a: {{attention: {{qk_norm: {{kind: rms, over: each_head}}, gate: channel, output_norm: rms,
      relative_bias: {{buckets: 8, max_distance: 20}}}}, mlp: {{activation: xielu, kind: plain}}}},
    b: {{attention: {{qk_norm: {{kind: rms, over: projection}}, gate: head}}, mlp: {{norm: none,
      experts: {{count: 4, active: 2, d_ff: {d_ff}, bias: true, shared: {{d_ff: {d_ff}}},
        router: {{bias: true}}}}}}}}}}}}"""
LATENT = """{{
  vocab_size: {vocab}, context_length: 16, d_model: 24, layers: 1, mlp: {{d_ff: {d_ff}}},
  attention: {{heads: {heads}, rope: {{theta: 100}},
    latent: {{q_rank: 6, kv_rank: 8, nope_dim: 6, rope_dim: 4, value_dim: 5}}}}}}"""
MIXED = """{{
  vocab_size: {vocab}, context_length: 16, d_model: 24, layers: [a, b], conv: {{bias: true}},
  attention: {{heads: {heads}, kv_heads: {kv_heads}, head_dim: 6}}, mlp: {{d_ff: {d_ff}}},
  blocks: {{a: {{mixer: conv}}, b: {{}}}}}}"""
IMAGE = """{{
  image: {{size: 8, patch_size: 4, relative_bias: shared, pooling: attention}}, classes: 3,
  d_model: 24, layers: 1, attention: {{heads: {heads}, head_dim: 6}},
  mlp: {{d_ff: {d_ff}, kind: plain, bias: true}}, embedding: {{positions: none}}}}"""
WHOLE = {"vocab": 40, "heads": 4, "kv_heads": 4, "d_ff": 32}


@pytest.mark.parametrize(
    "model", [TEXT, LATENT, MIXED, IMAGE], ids=["text", "latent", "mixed", "image"]
)
def test_a_parameter_is_split_where_half_the_heads_and_units_halve_it(
    model: str, tmp_path: Path
) -> None:
    task = ["task=image-classification"] if model is IMAGE else []
    sizes = (WHOLE, {name: size // 2 for name, size in WHOLE.items()})
    whole, half = (plan_of(tmp_path, model.format(**n), *task).model.parameters for n in sizes)
    for row, part in zip(whole, half, strict=True):
        axes = [axis for axis, size in enumerate(row.shape) if part.shape[axis] != size]
        assert axes == ([] if row.shard is None else [row.shard]), row.name
        assert all(2 * part.shape[axis] == row.shape[axis] for axis in axes), row.name


def test_tables_of_images_start_as_embeddings_do(tmp_path: Path) -> None:
    model = "{image: {size: 8, patch_size: 4}, classes: 3, d_model: 64, layers: 1, "
    model += "attention: {heads: 4}, init: {embedding_std: 0.5}}"
    plan = plan_of(tmp_path, model, "task=image-classification")
    code = import_model(plan, tmp_path)
    weights = code.Model(code.Config())
    weights.init_weights()
    for name in ("patch_embedding.weight", "class_token", "position_embedding"):
        assert weights.get_parameter(name).detach().std().item() == pytest.approx(0.5, rel=0.3)
