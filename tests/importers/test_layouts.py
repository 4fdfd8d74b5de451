"""Weights in every layout that a mapping can name go to their places, and back bit for bit."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from codegen.importers.convert import ImportedPackage, imported
from codegen.importers.mapping import read_mapping
from codegen.plan import checkpoint, lower
from codegen.refine import format_files
from codegen.render import render_package
from codegen.spec import load_text

SPEC = """
name: laid_out
model:
  vocab_size: 31
  context_length: 16
  d_model: 24
  layers: 2
  attention: {heads: 6, kv_heads: 2, head_dim: 4, bias: {q: true, k: true, v: true}}
  mlp: {d_ff: 40}
checkpoint: {huggingface: llama}
"""
HEADS, KV_HEADS, HEAD_DIM, D_MODEL, D_FF = 6, 2, 4, 24, 40
ATTENTION, MLP = "blocks.{layer}.attention", "blocks.{layer}.mlp"
QKV = [f"{ATTENTION}.{name}_proj.weight" for name in "qkv"]
BIASES = [f"{ATTENTION}.{name}_proj.bias" for name in "qkv"]
GATE_UP = [f"{MLP}.gate_proj.weight", f"{MLP}.up_proj.weight"]

Parts = dict[str, Tensor]


def stacked(own: Parts, names: list[str]) -> Tensor:
    return torch.cat([own[name] for name in names])


def grouped(own: Parts, names: list[str], groups: int) -> Tensor:
    """Row by row, in plain words: of each group the rows of every part, in order."""
    rows = []
    for group in range(groups):
        for name in names:
            part = own[name]
            size = len(part) // groups
            rows += [part[group * size + row] for row in range(size)]
    return torch.stack(rows)


LAYOUTS: dict[str, tuple[dict[str, Any], Any]] = {
    "stacked": (
        {"fused": {"parts": QKV}, "fused_bias": {"parts": BIASES}},
        lambda own: {"fused": stacked(own, QKV), "fused_bias": stacked(own, BIASES)},
    ),
    "transposed": (
        {
            "fused": {"parts": QKV, "transposed": True},
            "down": {"parts": [f"{MLP}.down_proj.weight"], "transposed": True},
        },
        lambda own: {"fused": stacked(own, QKV).T, "down": own[f"{MLP}.down_proj.weight"].T},
    ),
    "grouped": (
        {
            "fused": {"parts": QKV, "groups": "=kv_heads"},
            "fused_bias": {"parts": BIASES, "groups": "=kv_heads"},
        },
        lambda own: {
            "fused": grouped(own, QKV, KV_HEADS),
            "fused_bias": grouped(own, BIASES, KV_HEADS),
        },
    ),
    "grouped by a number, in another order": (
        {"fused": {"parts": [QKV[0], QKV[2], QKV[1]], "groups": 4}},
        lambda own: {"fused": grouped(own, [QKV[0], QKV[2], QKV[1]], 4)},
    ),
    "interleaved": (
        {"gate_up": {"parts": GATE_UP, "groups": "=d_ff"}},
        lambda own: {"gate_up": grouped(own, GATE_UP, D_FF)},
    ),
    "interleaved and transposed": (
        {"gate_up": {"parts": GATE_UP, "groups": "=d_ff", "transposed": True}},
        lambda own: {"gate_up": grouped(own, GATE_UP, D_FF).T},
    ),
    "of another shape": (
        {
            "down": {"parts": [f"{MLP}.down_proj.weight"], "shape": ["=d_model", -1, 1, 2]},
            "norm": {"parts": ["blocks.{layer}.mlp_norm.weight"], "shape": [1, 1, -1]},
        },
        lambda own: {
            "down": own[f"{MLP}.down_proj.weight"].reshape(D_MODEL, D_FF // 2, 1, 2),
            "norm": own["blocks.{layer}.mlp_norm.weight"][None, None],
        },
    ),
}


MOE = SPEC.replace("mlp: {d_ff: 40}", "mlp: {d_ff: 40, experts: {count: 3, active: 2, bias: true}}")
EXPERTS = "blocks.{layer}.mlp.experts"
GATE, UP = f"{EXPERTS}.gate_proj", f"{EXPERTS}.up_proj"
REST = {"router": "blocks.{layer}.mlp.router.weight"} | {
    f"{name}{bias}": f"{EXPERTS}.{name}_proj{bias}"
    for name in ("gate", "up", "down")
    for bias in ("", "_bias")
}


def of_each(own: Parts, make: Callable[[Parts], Tensor]) -> Tensor:
    """What `make` makes of the parts of one expert, for all three."""
    experts = [{name: part[e] for name, part in own.items() if EXPERTS in name} for e in range(3)]
    return torch.stack([make(parts) for parts in experts])


EXPERT_LAYOUTS: dict[str, tuple[dict[str, Any], Any]] = {
    "one by one": (
        {
            "e.{expert}.gate": {"parts": [GATE]},
            "e.{expert}.up": {"parts": [UP], "transposed": True},
        },
        lambda own: {"e.1.gate": own[GATE][1], "e.2.up": own[UP][2].T},
    ),
    "one by one, stacked": (
        {"e.{expert}.both": {"parts": [GATE, UP]}},
        lambda own: {"e.1.both": torch.cat([own[GATE][1], own[UP][1]])},
    ),
    "one by one, interleaved": (
        {"e.{expert}.both": {"parts": [GATE, UP], "groups": "=d_ff"}},
        lambda own: {"e.2.both": grouped({"g": own[GATE][2], "u": own[UP][2]}, ["g", "u"], D_FF)},
    ),
    "together": (
        {"both": {"parts": [GATE, UP]}},
        lambda own: {"both": of_each(own, lambda one: stacked(one, [GATE, UP]))},
    ),
    "together, transposed": (
        {"both": {"parts": [GATE, UP], "transposed": True}},
        lambda own: {"both": of_each(own, lambda one: stacked(one, [GATE, UP]).T)},
    ),
    "together, interleaved and transposed": (
        {
            "both": {"parts": [GATE, UP], "groups": "=d_ff", "transposed": True},
            "both_bias": {"parts": [f"{GATE}_bias", f"{UP}_bias"], "groups": "=d_ff"},
        },
        lambda own: {
            "both": of_each(own, lambda one: grouped(one, [GATE, UP], D_FF).T),
            "both_bias": of_each(
                own, lambda one: grouped(one, [f"{GATE}_bias", f"{UP}_bias"], D_FF)
            ),
        },
    ),
}


def package(
    monkeypatch: pytest.MonkeyPatch, keys: dict[str, Any], spec: str = SPEC
) -> Iterator[ImportedPackage]:
    """Llama's mapping, but with these keys first."""
    llama = read_mapping("llama")
    changed = {f"model.layers.{{layer}}.{name}": entry for name, entry in keys.items()}
    rest = {f"model.layers.{{layer}}.rest.{name}": ours for name, ours in REST.items()}
    taken = {part for entry in keys.values() for part in entry["parts"]}
    others = {**llama.weights["keys"], **rest}
    kept = {theirs: ours for theirs, ours in others.items() if ours not in taken}
    weights = {**llama.weights, "keys": {**changed, **kept}}
    monkeypatch.setattr(checkpoint, "read_mapping", lambda name: replace(llama, weights=weights))
    plan = lower(load_text(spec, "specs/laid_out.yaml"))
    files = format_files(render_package(plan))
    assert files["weights.py"].isascii()
    with imported(files) as made:
        yield made


def random_model(made: ImportedPackage) -> Any:
    torch.manual_seed(0)
    model = made.model.Model(made.model.Config())
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_()
    return model


@pytest.mark.parametrize("layout", [*LAYOUTS, *EXPERT_LAYOUTS])
def test_weights_take_their_layout_there(layout: str, monkeypatch: pytest.MonkeyPatch) -> None:
    keys, expected = {**LAYOUTS, **EXPERT_LAYOUTS}[layout]
    for made in package(monkeypatch, keys, MOE if layout in EXPERT_LAYOUTS else SPEC):
        model = random_model(made)
        saved = made.weights.save_huggingface(model)
        for layer in range(2):
            own = {
                name.replace(f"blocks.{layer}.", "blocks.{layer}."): tensor
                for name, tensor in model.state_dict().items()
            }
            for name, tensor in expected(own).items():
                assert torch.equal(saved[f"model.layers.{layer}.{name}"], tensor), name
        other = made.model.Model(made.model.Config())
        made.weights.load_huggingface(other, saved)
        for name, tensor in model.state_dict().items():
            assert torch.equal(other.state_dict()[name], tensor), name


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_tensor_of_another_shape_is_refused_whole(
    layout: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys, _ = LAYOUTS[layout]
    for made in package(monkeypatch, keys):
        model, other = random_model(made), made.model.Model(made.model.Config())
        saved = made.weights.save_huggingface(model)
        name = f"model.layers.1.{next(iter(keys))}"
        before = {key: tensor.clone() for key, tensor in other.state_dict().items()}
        with pytest.raises(ValueError, match=name):
            made.weights.load_huggingface(other, {**saved, name: saved[name][:-1]})
        assert all(torch.equal(before[k], t) for k, t in other.state_dict().items())


def test_a_checkpoint_may_have_either_of_two_forms(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys for parameters that earlier keys have already are what a checkpoint has instead."""
    llama = read_mapping("llama")
    keys = {
        **llama.weights["keys"],
        "model.layers.{layer}.mlp.gate_up": {"parts": GATE_UP, "groups": "=d_ff"},
    }
    weights = {**llama.weights, "keys": keys}
    monkeypatch.setattr(checkpoint, "read_mapping", lambda name: replace(llama, weights=weights))
    plan = lower(load_text(SPEC, "specs/laid_out.yaml"))
    with imported(format_files(render_package(plan))) as made:
        model, other = random_model(made), made.model.Model(made.model.Config())
        saved = made.weights.save_huggingface(model)
        assert "model.layers.0.mlp.gate_proj.weight" in saved
        made.weights.load_huggingface(other, saved)
        for layer in range(2):
            own = {
                name: saved.pop(f"model.layers.{layer}.mlp.{name}_proj.weight")
                for name in ("gate", "up")
            }
            saved[f"model.layers.{layer}.mlp.gate_up"] = grouped(own, ["gate", "up"], D_FF)
        third = made.model.Model(made.model.Config())
        made.weights.load_huggingface(third, saved)
        for name, tensor in model.state_dict().items():
            assert torch.equal(other.state_dict()[name], tensor), name
            assert torch.equal(third.state_dict()[name], tensor), name
        saved.pop("model.layers.1.mlp.gate_up")
        with pytest.raises(ValueError, match=r"layers\.1\.mlp\.gate_up is missing"):
            made.weights.load_huggingface(third, saved)


def test_layers_after_the_last_are_no_part_of_the_model() -> None:
    """DeepSeek-V3's checkpoints have one that predicts a further token."""
    code = importlib.import_module("generated.deepseek_v3.model")
    weights = importlib.import_module("generated.deepseek_v3.weights")
    model = code.Model(code.Config.tiny())
    there = weights.save_huggingface(model)
    weights.load_huggingface(model, {**there, "model.layers.61.eh_proj.weight": torch.zeros(1)})
    with pytest.raises(ValueError, match=r"model\.layers\.7"):
        weights.load_huggingface(model, {**there, "model.layers.7.eh_proj.weight": torch.zeros(1)})
