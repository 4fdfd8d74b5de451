"""Combinations that are seldom meant are told of with a place, and only these."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from codegen.plan import lower, warnings
from codegen.spec import load_spec
from tests.packages import import_model
from tests.parity.trial import default_dtype
from tests.plan.models import ROOT

SMALL = "vocab_size: 40, context_length: 8, d_model: 16, layers: 2"
MASKED, PAIRS, IMAGE = "task: masked-lm\n", "task: seq2seq-lm\n", "task: image-classification\n"
NETWORK = "family: network\ntask: image-classification\n"
PIXELS = "family: network\ntask: image-segmentation\n"
ROWS = "family: network\ntask: regression\n"
HEADS = "heads: 2"
LEARNED = "embedding: {positions: learned}"

# What is odd, what it is called, and the same as it may be meant.
DOUBTS = {
    "pixels": (
        f"{IMAGE}model: {{image: {{size: 28, patch_size: 16}}}}",
        "no patch covers the last 12 of 28 rows and columns",
        f"{IMAGE}model: {{image: {{size: 28, patch_size: 14}}}}",
    ),
    "learned beside RoPE": (
        f"model: {{{SMALL}, {LEARNED}, attention: {{{HEADS}, rope: {{}}}}}}",
        "rotary positions beside learned positions",
        f"model: {{{SMALL}, {LEARNED}, attention: {{{HEADS}}}}}",
    ),
    "learned beside RoPE in one kind of block": (
        f"model: {{{SMALL.replace('layers: 2', 'layers: [a, b]')}, {LEARNED}, attention: "
        f"{{{HEADS}}}, blocks: {{a: {{attention: {{rope: {{}}}}}}, b: {{}}}}}}",
        "rotary positions beside learned positions",
        f"model: {{{SMALL.replace('layers: 2', 'layers: [a, b]')}, attention: {{{HEADS}}}, "
        "blocks: {a: {attention: {rope: {theta: 1e6}}}, b: {}}}",
    ),
    "sinusoids beside ALiBi": (
        f"model: {{{SMALL}, embedding: {{positions: sinusoidal}}, "
        f"attention: {{{HEADS}, alibi: true}}}}",
        "ALiBi beside sinusoidal positions",
        f"model: {{{SMALL}, embedding: {{positions: sinusoidal}}, attention: {{{HEADS}}}}}",
    ),
    "ALiBi beside RoPE": (
        f"model: {{{SMALL}, attention: {{{HEADS}, alibi: true}}}}",
        "ALiBi beside rotary positions",
        f"model: {{{SMALL}, attention: {{{HEADS}, alibi: true, rope: none}}}}",
    ),
    "relative biases beside RoPE": (
        f"model: {{{SMALL}, attention: {{{HEADS}, relative_bias: {{}}}}}}",
        "relative biases beside rotary positions",
        f"model: {{{SMALL}, {LEARNED}, attention: {{{HEADS}, relative_bias: {{}}}}}}",
    ),
    "a masked LM that looks back only": (
        f"{MASKED}model: {{{SMALL}, attention: {{{HEADS}, mask: causal}}}}",
        "a masked language model that sees no later token",
        f"{MASKED}model: {{{SMALL}, attention: {{{HEADS}, mask: 'window(3, 3)'}}}}",
    ),
    "a masked LM whose neighbour is read at its last token": (
        f"{MASKED}model: {{{SMALL}, attention: {{{HEADS}, mask: 'causal & window(4)'}}}}",
        "a masked language model that sees no later token",
        f"task: embedding\nmodel: {{{SMALL}, attention: {{{HEADS}, mask: causal}}}}",
    ),
    "a masked LM that looks back under another name": (
        f"{MASKED}model: {{{SMALL}, attention: {{{HEADS}, mask: 'padding & k <= q'}}}}",
        "a masked language model that sees no later token",
        f"{MASKED}model: {{{SMALL}, attention: {{{HEADS}, mask: 'padding'}}}}",
    ),
    "an encoder that looks back only": (
        f"{PAIRS}model: {{{SMALL}, attention: {{{HEADS}}}, "
        "encoder: {attention: {mask: causal}}}",
        "an encoder that sees no later token",
        f"{PAIRS}model: {{{SMALL}, attention: {{{HEADS}}}}}",
    ),
    "an encoder without order": (
        f"{MASKED}model: {{{SMALL}, attention: {{{HEADS}, rope: none, mask: full}}}}",
        "nothing tells where tokens are",
        f"model: {{{SMALL}, attention: {{{HEADS}, rope: none}}}}",  # a decoder's mask tells it
    ),
    "an image without order": (
        f"{IMAGE}model: {{embedding: {{positions: none}}, attention: {{rope: none}}}}",
        "nothing tells where patches are",
        f"{IMAGE}model: {{embedding: {{positions: none}}, image: {{relative_bias: layer}}}}",
    ),
    "RoPE on a width that heads don't divide": (
        "model: {vocab_size: 40, d_model: 100, attention: {heads: 8, head_dim: 16}}",
        "8 heads don't divide d_model (100)",
        "model: {vocab_size: 40, d_model: 96, attention: {heads: 8, head_dim: 16}}",
    ),
    "experts that all are active": (
        f"model: {{{SMALL}, attention: {{{HEADS}}}, "
        "mlp: {experts: {count: 2, aux_loss: 0.1}}}",
        "each token goes to every expert: nothing is chosen, and no loads can be evened out",
        f"model: {{{SMALL}, attention: {{{HEADS}}}, "
        "mlp: {experts: {count: 3, aux_loss: 0.1}}}",
    ),
    "linear layers in a row": (
        f"{NETWORK}model: {{image: 8, layers: [flatten, linear: 64, linear: classes]}}",
        "two linear layers without an activation between them are one",
        f"{NETWORK}model: {{image: 8, layers: [flatten, linear: 64, relu, linear: classes]}}",
    ),
    "activations in a row": (
        f"{ROWS}model: {{layers: [linear: 64, relu, relu, linear]}}",
        "an activation of what an activation returns",
        f"{ROWS}model: {{layers: [linear: 8, linear: 64, relu, linear]}}",  # a thin product
    ),
    "scores through an activation": (
        f"{NETWORK}model: {{image: 8, layers: [flatten, linear: classes, relu]}}",
        "scores of classes go through relu",
        f"{ROWS}model: {{layers: [linear, softplus]}}",  # targets may be positive
    ),
    "scores of pixels through an activation": (
        f"{PIXELS}model: {{image: 8, conv: {{activation: relu}}, layers: [conv: classes]}}",
        "scores of classes go through relu",
        f"{PIXELS}model: {{image: 8, conv: {{activation: relu}}, layers: [conv: 8, "
        "conv: {width: classes, activation: none}]}",
    ),
    "outputs that are dropped": (
        f"{ROWS}model: {{layers: [linear, dropout: 0.1]}}",
        "some of the outputs themselves are dropped",
        f"{ROWS}model: {{layers: [dropout: 0.1, linear]}}",
    ),
}


def told(folder: Path, text: str) -> list[str]:
    path = folder / "spec.yaml"
    path.write_text(f"name: some_model\n{text}\n", encoding="utf-8")
    loaded = load_spec(path, folder)
    lower(loaded)
    found = warnings(loaded)
    assert all(one.severity == "warning" and one.position and one.hint for one in found)
    return [one.message for one in found]


@pytest.mark.parametrize("case", DOUBTS)
def test_a_doubtful_combination_is_told_of_once_and_its_sound_neighbour_is_not(
    tmp_path: Path, case: str
) -> None:
    odd, message, sound = DOUBTS[case]
    (found,) = told(tmp_path, odd)
    assert message in found
    assert told(tmp_path, sound) == []


@pytest.mark.parametrize("path", sorted((ROOT / "specs").glob("*.yaml")), ids=lambda p: p.stem)
def test_the_specs_here_are_beyond_doubt(path: Path) -> None:
    assert not warnings(load_spec(path, ROOT))


def test_pixels_that_no_patch_covers_change_nothing(tmp_path: Path) -> None:
    told(tmp_path, DOUBTS["pixels"][0] + "\n")
    plan = lower(load_spec(tmp_path / "spec.yaml", tmp_path, ["model.layers=1"]))
    code = import_model(plan, tmp_path)
    images = torch.randn(1, 3, 28, 28, requires_grad=True)
    model = code.Model(code.Config())
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=0.3)
    model(images).square().sum().backward()
    read = images.grad.abs().sum((0, 1)) > 0
    assert bool(read[:16, :16].all() and not read[16:].any() and not read[:, 16:].any())


@pytest.mark.parametrize("which", [0, 2])
def test_order_makes_no_difference_where_nothing_tells_it(tmp_path: Path, which: int) -> None:
    told(tmp_path, DOUBTS["an encoder without order"][which])
    with default_dtype(torch.float64):
        code = import_model(lower(load_spec(tmp_path / "spec.yaml", tmp_path)), tmp_path)
        model = code.Model(code.Config()).eval()
        torch.manual_seed(0)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.normal_(std=0.3)
        tokens, order = torch.randint(0, 40, (2, 8)), torch.randperm(8)
        same = torch.allclose(model(tokens[:, order]), model(tokens)[:, order])
    assert same == (which == 0)
