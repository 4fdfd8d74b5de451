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
    plan = plan_of(tmp_path, model, f"model.init.residual={residual}", "train.context_length=8")
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
            in_block = "blocks." in row.name
            inner = in_block or row.role == "head_transform"
            group = "vector" if not matrix else "matrix" if inner else "embedding"
            assert row.group == group, row.name
