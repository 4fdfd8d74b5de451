"""Which layers share a class, what toy size keeps, what scales are worth, what a digest is of."""

from __future__ import annotations

import ast
import dataclasses
import math
from pathlib import Path
from typing import Any

import pytest
import torch

from codegen.errors import SpecError
from codegen.plan import Plan, lower
from codegen.plan.transformer.layer_masks import EVERYTHING
from codegen.plan.whole import spec_digest
from codegen.spec import load_spec
from codegen.spec.transformer.resolve import resolve_block, scale_numbers
from tests.packages import import_model
from tests.plan.models import ROOT, SPECS, plan_of

BLOCKS = "{d_model: 64, context_length: 64, attention: {heads: 4}, "


def classes(plan: Plan, folder: Path) -> set[str]:
    text = Path(import_model(plan, folder).__file__).read_text()
    ending = ("Block", "Attention", "MLP")
    names = {n.name for n in ast.parse(text).body if isinstance(n, ast.ClassDef)}
    return {name for name in names if name.endswith(ending)}


@pytest.mark.parametrize(
    "differences",
    [
        ("attention: {mask: causal & window(4)}", "attention: {mask: causal & window(9)}"),
        ("attention: {rope: {theta: 1e4}}", "attention: {rope: {theta: 1e6}}"),
        ("mlp: {d_ff: 32}", "mlp: {d_ff: 96}"),
        ("norm: {eps: 1e-6}", "norm: {eps: 1e-5}"),
        ("attention: {kv_heads: 1}", "attention: {kv_heads: 2}"),
        ("attention: {scale: 0.5}", "attention: {scale: 0.25}"),
        ("attention: {mask: causal}", "attention: {mask: causal & window(4)}"),
        ("attention: {softcap: 5}", "attention: {softcap: 50}"),
        (
            "attention: {mask: causal & (window(4) | sink(2))}",
            "attention: {mask: causal & (window(9) | sink(1))}",
        ),
    ],
)
def test_block_kinds_that_differ_in_numbers_share_one_class(
    differences: tuple[str, str], tmp_path: Path
) -> None:
    one, two = differences
    model = BLOCKS + f"blocks: {{one: {{{one}}}, two: {{{two}}}}}, layers: [one, two, two]}}"
    plan = plan_of(tmp_path, model, "data.context_length=8")
    assert len(plan.model.blocks) == 1 and plan.model.blocks[0].kinds == ("one", "two")
    assert classes(plan, tmp_path) == {"Attention", "MLP", "Block"}
    per_layer = [f for f in plan.model.fields if f.type.startswith("tuple[")]
    assert per_layer and all(isinstance(f.value, tuple) and len(f.value) == 3 for f in per_layer)


@pytest.mark.parametrize(
    ("difference", "more"),
    [
        ("mlp: {kind: plain}", {"OneMLP", "TwoMLP"}),
        ("mlp: {activation: gelu}", {"OneMLP", "TwoMLP"}),
        ("attention: {qk_norm: rms}", {"OneAttention", "TwoAttention"}),
        ("attention: {bias: true}", {"OneAttention", "TwoAttention"}),
        ("attention: {rope: none}", {"OneAttention", "TwoAttention"}),
        ("attention: {mask: causal & (window(4) | sink(2))}", {"OneAttention", "TwoAttention"}),
        ("attention: {softcap: 5}", {"OneAttention", "TwoAttention"}),
        ("attention: {alibi: true}", {"OneAttention", "TwoAttention"}),
        ("attention: {relative_bias: t5}", {"OneAttention", "TwoAttention"}),
        ("attention: {sinks: true}", {"OneAttention", "TwoAttention"}),
        ("norm: layer", set()),
        ("norm: {placement: post}", set()),
    ],
)
def test_block_kinds_that_differ_in_structure_have_classes_of_their_own(
    difference: str, more: set[str], tmp_path: Path
) -> None:
    model = BLOCKS + f"blocks: {{one: {{}}, two: {{{difference}}}}}, layers: [one, two, one]}}"
    plan = plan_of(tmp_path, model, "data.context_length=8")
    shared = {"Attention", "MLP"} - {name[3:] for name in more}
    assert [layer.block for layer in plan.model.layers] == ["OneBlock", "TwoBlock", "OneBlock"]
    # A block whose frame is the same is one class, which is given what differs.
    alike = more and difference != "attention: {rope: none}"
    names = ["Block"] * 3 if alike else ["OneBlock", "TwoBlock", "OneBlock"]
    assert classes(plan, tmp_path) == {*names} | more | shared
    code = import_model(plan, tmp_path)
    model_ = code.Model(code.Config())
    assert [type(b).__name__ for b in model_.blocks] == names
    parts = {type(part).__name__ for block in model_.blocks for part in block.children()}
    assert more <= parts
    logits = model_(torch.zeros(1, 5, dtype=torch.int64))
    assert logits.isfinite().all()


def test_block_kinds_that_say_the_same_share_everything(tmp_path: Path) -> None:
    model = BLOCKS + "blocks: {one: {}, two: {mlp: {kind: gated}}}, layers: [one, two]}"
    plan = plan_of(tmp_path, model, "data.context_length=8")
    assert len(plan.model.blocks) == 1


def toy(plan: Plan) -> dict[str, Any]:
    return {field.name: field.tiny for field in plan.model.fields}


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_toy_size_keeps_what_makes_code_differ(path: Path) -> None:
    plan = lower(load_spec(path, ROOT))
    small = toy(plan)
    true: dict[str, Any] = {field.name: field.value for field in plan.model.fields}
    assert small.keys() == true.keys()
    assert ("kv_heads" in small) == plan.model.attentions[0].grouped
    if "kv_heads" in small:
        assert small["kv_heads"] < small["heads"] and small["heads"] % small["kv_heads"] == 0
        assert (small["kv_heads"] == 1) == (true["kv_heads"] == 1)
    windows = small.get("windows", small.get("window", 1))
    for window in windows if isinstance(windows, tuple) else (windows,):
        assert 0 < window <= small.get("context_length", 1) or window == EVERYTHING
    if "windows" in small:
        assert len(set(small["windows"])) == len(set(true["windows"]))
    if "rope_thetas" in small:
        assert set(small["rope_thetas"]) == set(true["rope_thetas"])
    assert small["layers"] == 2 or len(set(small["layers"])) == len(set(true["layers"]))
    if "head_dim" in small:
        assert small["d_model"] != small["heads"] * small["head_dim"] or small["heads"] == 4
    for name in ("norm_eps", "rope_factor", "logit_softcap", "init_std"):
        assert small.get(name) == true.get(name)


def test_toy_windows_differ_where_the_true_ones_do(tmp_path: Path) -> None:
    kinds = "abcde"
    blocks = ", ".join(
        f"{k}: {{attention: {{mask: causal & window({9 - i})}}}}" for i, k in enumerate(kinds)
    )
    model = BLOCKS + f"blocks: {{{blocks}, f: {{}}}}, layers: [a, b, c, d, e, f]}}"
    windows = toy(plan_of(tmp_path, model, "data.context_length=8"))["windows"]
    assert windows == (13, 11, 9, 7, 5, EVERYTHING)


@pytest.mark.parametrize(
    ("heads", "kv_heads", "small"),
    [(1, 1, (1, None)), (3, 1, (3, 1)), (9, 3, (4, 2)), (8, 8, (4, None))],
)
def test_toy_heads_keep_their_grouping(
    heads: int, kv_heads: int, small: tuple[int, int | None], tmp_path: Path
) -> None:
    model = f"{{d_model: 72, attention: {{heads: {heads}, kv_heads: {kv_heads}, head_dim: 8}}}}"
    fields = toy(plan_of(tmp_path, model))
    assert (fields["heads"], fields.get("kv_heads")) == small


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1 / sqrt(head_dim)", 16**-0.5),
        ("2 * (heads + layers) - 1", 11.0),
        ("d_ff / vocab_size / 2", 192 / 70 / 2),
        ("-1 * -d_model", 64.0),
        ("1 / (d_model - 63)", 1.0),
        ("8 - 4 - 2", 2.0),
        ("0.125", 0.125),
    ],
)
def test_a_scale_is_worked_out_from_the_model_s_numbers(
    text: str, value: float, tmp_path: Path
) -> None:
    model = "{d_model: 64, vocab_size: 70, layers: 2, attention: {heads: 4, scale: "
    plan = plan_of(tmp_path, model + text + "}}")
    fields = {field.name: field.value for field in plan.model.fields}
    assert fields["attention_scale"] == pytest.approx(value)


def test_an_embedding_s_scale_is_shown_with_its_formula(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, "{d_model: 96, embedding: {scale: sqrt(d_model)}}")
    field = next(f for f in plan.model.fields if f.name == "embedding_scale")
    assert field.value == pytest.approx(math.sqrt(96)) and field.comment == "sqrt(d_model)"


@pytest.mark.parametrize("mlp", ["{}", "{kind: plain}", "{d_ff: 77}"])
@pytest.mark.parametrize("d_model", [60, 64, 100])
def test_a_scale_is_checked_with_the_numbers_of_the_plan(
    mlp: str, d_model: int, tmp_path: Path
) -> None:
    plan = plan_of(tmp_path, f"{{d_model: {d_model}, attention: {{heads: 2}}, mlp: {mlp}}}")
    model = load_spec(tmp_path / "spec.yaml", tmp_path).spec.model
    numbers = scale_numbers(model, resolve_block(model, None))
    layer = plan.model.layers[0]
    assert (numbers["d_ff"], numbers["head_dim"]) == (layer.d_ff, layer.head_dim)
    assert (numbers["heads"], numbers["layers"]) == (layer.heads, len(plan.model.layers))


def digest(folder: Path, text: str, *overrides: str) -> str:
    (folder / "spec.yaml").write_text(text)
    return spec_digest(load_spec(folder / "spec.yaml", folder, overrides).spec)


FIRST = """\
name: m_one
model: {d_model: 96, layers: [a, b], norm: rms, blocks: {a: {}, b: {}}}
train: {steps: 500}
"""
REORDERED = """\
train: {steps: 500}
model: {layers: [a, b], blocks: {b: {}, a: {}}, norm: rms, d_model: 96}
name: m_one
"""
REWRITTEN = """\
# why
name: 'm_one' # a name
model:
  d_model: 0x60
  layers:
  - a
  - b
  norm: {kind: rms}
  blocks:
    a: {}
    b: {}
train:
  steps: 500
"""
EXTENDING = "extends: base.yaml\nname: m_one\nmodel: {layers: [a, b]}\ntrain: {steps: 500}\n"


@pytest.mark.parametrize("same", [REORDERED, REWRITTEN, EXTENDING])
def test_the_digest_is_of_what_the_spec_says_not_of_how(same: str, tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text(
        "name: low\nmodel: {d_model: 96, layers: [a], norm: rms, blocks: {a: {}, b: {}}}\n"
    )
    assert digest(tmp_path, same) == digest(tmp_path, FIRST)


@pytest.mark.parametrize(
    "change",
    [
        "name=m_two", "model.d_model=192", "model.layers=[b, a]", "model.norm=layer",
        "train.steps=501", "train.optimizer.lr=1e-5", "model.attention.rope=none", "target=cpu",
        "model.blocks.a.mlp.bias=true",
    ],
)  # fmt: skip
def test_the_digest_changes_with_a_value(change: str, tmp_path: Path) -> None:
    assert digest(tmp_path, FIRST, change) != digest(tmp_path, FIRST)


def test_a_checkpoint_without_room_for_the_model_is_an_error_at_its_field(tmp_path: Path) -> None:
    text = "name: m_one\nmodel: {head: {bias: true}}\ncheckpoint: {huggingface: llama}\n"
    (tmp_path / "spec.yaml").write_text(text)
    with pytest.raises(SpecError, match=r"^spec\.yaml:3:27: error: .*no place for `head_bias`"):
        lower(load_spec(tmp_path / "spec.yaml", tmp_path))


def test_mlps_that_differ_in_their_width_are_one_class_that_takes_it(tmp_path: Path) -> None:
    shared = "experts: {count: 4, active: 2, d_ff: 32, shared: {d_ff: 48}}"
    model = BLOCKS + f"blocks: {{one: {{}}, two: {{mlp: {{{shared}}}}}}}, layers: [one, two]}}"
    plan = plan_of(tmp_path, model, "data.context_length=8", "model.mlp.kind=gated")
    assert classes(plan, tmp_path) == {"Attention", "Block", "MLP"}
    code = import_model(plan, tmp_path)
    dense, sparse = code.Model(code.Config()).blocks
    assert type(dense.mlp) is type(sparse.mlp.shared)
    assert sparse.mlp.shared.up_proj.out_features == 48
    assert dense.mlp.up_proj.out_features == plan.model.layers[0].d_ff


def test_only_blocks_of_one_frame_are_one_class(tmp_path: Path) -> None:
    kinds = "one: {residual: {attention_norm: false}}, two: {}, three: {mlp: {kind: plain}}"
    model = BLOCKS + f"blocks: {{{kinds}}}, layers: [one, two, three]}}"
    plan = plan_of(tmp_path, model, "data.context_length=8")
    code = import_model(plan, tmp_path)
    blocks = code.Model(code.Config()).blocks
    assert [type(block).__name__ for block in blocks] == ["OneBlock", "Block", "Block"]
    assert type(blocks[1].mlp) is not type(blocks[2].mlp)
    assert [layer.block for layer in plan.model.layers] == ["OneBlock", "TwoBlock", "ThreeBlock"]


def test_each_stack_has_blocks_of_its_own_kinds(tmp_path: Path) -> None:
    kinds = "blocks: {gated: {mlp: {kind: gated}}, plain: {mlp: {kind: plain}}}"
    stacks = "layers: [gated, plain], encoder: {layers: [plain, gated, plain]}"
    plan = plan_of(tmp_path, BLOCKS + f"{kinds}, {stacks}}}", "task=seq2seq-lm")
    code = import_model(plan, tmp_path)
    model = code.Model(code.Config())
    for stack, kinds in (("Encoder", "pgp"), ("Decoder", "gp")):
        blocks = getattr(model, stack.lower()).blocks
        assert {type(block).__name__ for block in blocks} == {f"{stack}Block"}
        gated = [hasattr(block.mlp, "gate_proj") for block in blocks]
        assert gated == [kind == "g" for kind in kinds]


def test_sources_with_a_tokenizer_of_their_own_have_a_size_of_their_own(tmp_path: Path) -> None:
    model = BLOCKS + "vocab_size: 300, layers: 2, encoder: {shared_embedding: false, "
    for size, data, fields in (
        ("", "data.context_length=8", 1),
        ("vocab_size: 300", "data.context_length=8", 1),
        ("vocab_size: 200", "data.context_length=8", 2),
        ("vocab_size: 300", "data.source_tokenizer=char", 2),
    ):
        plan = plan_of(tmp_path, model + size + "}}", "task=seq2seq-lm", data)
        assert len(plan.task.vocabulary_fields) == fields
        code = import_model(plan, tmp_path)
        sizes = {name: 7 + index for index, name in enumerate(plan.task.vocabulary_fields)}
        made = code.Model(dataclasses.replace(code.Config(), **sizes))
        assert made.token_embedding.num_embeddings == 7
        assert made.encoder.token_embedding.num_embeddings == 6 + fields


def test_idle_routers_are_found_in_blocks_that_share_a_class(tmp_path: Path) -> None:
    experts = "experts: {count: 4, active: 1, d_ff: 32, router: {normalize: true}}"
    model = BLOCKS + f"blocks: {{one: {{}}, two: {{mlp: {{{experts}}}}}}}, layers: [one, two]}}"
    plan = plan_of(tmp_path, model, "data.context_length=8")
    assert {block.class_name for block in plan.model.blocks} == {"Block"}
    assert plan.model.idle_routers == (1,)
