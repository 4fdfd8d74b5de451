"""What people write who know other libraries, and what they are told to write instead."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from codegen.errors import SpecError
from codegen.plan import lower
from codegen.spec.load import load_specs, load_text
from codegen.spec.masks.tree import read_mask

NETWORK = (
    "name: some_model\nfamily: network\ntask: image-classification\nmodel: {{image: 32, {0}}}\n"
)


def told(text: str) -> str:
    """The hints of a spec's mistakes."""
    with pytest.raises(SpecError) as caught:
        lower(load_text(text, "specs/some.yaml"))
    return "; ".join(one.hint for one in caught.value.diagnostics if one.hint)


def model(said: str) -> str:
    return f"name: some_model\nmodel: {{{said}}}\n"


def attention(said: str) -> str:
    return model(f"attention: {{{said}}}")


def whole(said: str) -> str:
    return f"name: some_model\n{said}\n"


def layer(said: str) -> str:
    return NETWORK.format(f"layers: [{said}, mean_pool, linear]")


def recurrent(said: str) -> str:
    return f"name: some_model\nfamily: recurrent\nmodel: {{{said}}}\n"


def gan(said: str) -> str:
    return f"name: some_model\nfamily: gan\n{said}\n"


MISTAKES = {
    # fields of transformers, by their names elsewhere
    "hidden_size": (model("hidden_size: 512"), "did you mean `d_model`?"),
    "n_embd": (model("n_embd: 512"), "did you mean `d_model`?"),
    "num_hidden_layers": (model("num_hidden_layers: 4"), "did you mean `layers`?"),
    "num_attention_heads": (model("num_attention_heads: 4"), "`heads` in `model.attention`"),
    "n_heads": (attention("n_heads: 4"), "did you mean `heads`?"),
    "num_key_value_heads": (attention("num_key_value_heads: 4"), "did you mean `kv_heads`?"),
    "intermediate_size": (model("intermediate_size: 4"), "`d_ff` in `model.mlp`"),
    "max_position_embeddings": (model("max_position_embeddings: 4"), "`context_length`"),
    "tie_word_embeddings": (model("tie_word_embeddings: true"), "`tied` in `model.embedding`"),
    "rope_theta": (model("rope_theta: 1e6"), "`theta` in `model.attention.rope`"),
    "rope.base": (attention("rope: {base: 1e6}"), "did you mean `theta`?"),
    "scaling.type": (attention("rope: {scaling: {type: linear, factor: 2}}"), "say `kind: linear`"),
    "sliding_window": (attention("sliding_window: 8"), "say `mask: causal & window(n)`"),
    "attention.window": (attention("window: 8"), "say `mask: causal & window(n)`"),
    "num_experts": (model("mlp: {num_experts: 8}"), "`count` in `model.mlp.experts`"),
    "top_k": (model("mlp: {top_k: 2}"), "`active` in `model.mlp.experts`"),
    "a name that one mapping alone reads": (model("laurel_rank: 8"), "`low_rank` in `model.resid"),
    "a name in a kind of blocks": (
        model("blocks: {a: {n_heads: 3}}"), "`heads` in `model.blocks.a.attention`",
    ),
    "a name in an encoder": (
        f"task: seq2seq-lm\n{model('encoder: {num_layers: 3}')}", "did you mean `layers`?",
    ),
    # fields of other mappings
    "layers in attention": (attention("layers: 3"), "`layers` is in `model`"),
    "encoder.mask": (
        f"task: seq2seq-lm\n{model('encoder: {mask: full}')}",
        "`mask` is in `model.encoder.attention`",
    ),
    "train.lr": (whole("train: {lr: 1e-3}"), "`lr` is in `train.optimizer`"),
    "weight_decay": (whole("train: {weight_decay: 1}"), "`weight_decay` is in `train.optimizer`"),
    "train.warmup": (whole("train: {warmup: 1}"), "`warmup` is in `train.schedule`"),
    "layers at the top": (whole("layers: 4"), "`layers` is in `model`"),
    "a task in the model": (model("task: causal-lm"), "`task` stands at the top of a spec"),
    "tokenizer at the top": (whole("tokenizer: char"), "`tokenizer` is in `data`"),
    "positions": (model("positions: learned"), "`positions` is in `model.embedding`"),
    # of training
    "learning_rate": (whole("train: {learning_rate: 1}"), "`lr` in `train.optimizer`"),
    "batch_size": (whole("train: {batch_size: 1}"), "did you mean `batch`?"),
    "warmup_steps": (whole("train: {warmup_steps: 1}"), "`warmup` in `train.schedule`"),
    "max_steps": (whole("train: {max_steps: 1}"), "did you mean `steps`?"),
    "num_epochs": (
        whole("task: image-classification\ntrain: {num_epochs: 1}"), "did you mean `epochs`?",
    ),
    "max_grad_norm": (whole("train: {max_grad_norm: 1}"), "did you mean `clip`?"),
    "optimizer.learning_rate": (whole("train: {optimizer: {learning_rate: 1}}"), "`lr`"),
    "cosine annealing": (whole("train: {schedule: CosineAnnealingLR}"), "`cosine`"),
    "AdamW": (whole("train: {optimizer: AdamW}"), "did you mean `adamw`?"),
    # words
    "swish": (model("mlp: {activation: swish}"), "did you mean `silu`?"),
    "gelu_new": (model("mlp: {activation: gelu_new}"), "did you mean `gelu_tanh`?"),
    "swiglu": (model("mlp: {kind: swiglu}"), "say `mlp: {kind: gated, activation: silu}`"),
    "swiglu for short": (model("mlp: swiglu"), "say `mlp: {kind: gated, activation: silu}`"),
    "swiglu as a function": (model("mlp: {activation: swiglu}"), "say `mlp: {kind: gated, acti"),
    "layernorm": (model("norm: layernorm"), "did you mean `layer`?"),
    "RMSNorm": (model("norm: {kind: RMSNorm}"), "did you mean `rms`?"),
    "bpe": (whole("data: {tokenizer: bpe}"), "did you mean `file`?"),
    "mla": (attention("heads: 4").replace("{heads: 4}", "mla"), "say `attention: {latent: {}}`"),
    "gqa": (model("attention: gqa"), "kv_heads"),
    "rope as positions": (model("embedding: {positions: rope}"), "say `attention: {rope: {}}`"),
    "ntk": (attention("rope: {scaling: ntk}"), "say `scaling: {kind: dynamic, factor: ..."),
    # devices
    "gpu": (whole("target: gpu"), "did you mean `cuda`?"),
    "rocm": (whole("target: {device: rocm}"), "did you mean `hip`?"),
    "h100": (whole("target: {device: cuda, arch: h100}"), "did you mean `sm_90`?"),
    "a100": (whole("target: {device: cuda, arch: A100}"), "did you mean `sm_80`?"),
    "h100 as the target": (whole("target: h100"), "say `target: {device: cuda, arch: sm_90}`"),
    "mi300x": (whole("target: MI300X"), "say `target: {device: hip, arch: gfx942}`"),
    "v100": (whole("target: {arch: v100}"), "known: cpu, gfx942"),
    "bf16": (whole("target: {dtype: bf16}"), "did you mean `bfloat16`?"),
    # tasks and families
    "clm": (whole("task: clm"), "did you mean `causal-lm`?"),
    "mlm": (whole("task: mlm"), "did you mean `masked-lm`?"),
    "translation": (whole("task: translation"), "did you mean `seq2seq-lm`?"),
    "ner": (whole("task: ner"), "did you mean `tagging`?"),
    "classification": (
        whole("task: classification"), "`image-classification` or `sequence-classification`",
    ),
    "segmentation": (whole("task: segmentation"), "`task: image-segmentation` is of `family: net"),
    "cnn": (whole("family: cnn"), "did you mean `network`?"),
    "lstm": (whole("family: lstm"), "did you mean `recurrent`?"),
    # values that are said too shortly, or in another form
    "experts: 8": (model("mlp: {experts: 8}"), "say `experts: {count: 8}`"),
    "attention: 8": (model("attention: 8"), "say `attention: {heads: 8}`"),
    "rope: true": (attention("rope: true"), "say `rope: {}`"),
    "rope: false": (attention("rope: false"), "say `rope: none`"),
    "a formula": (model("d_model: 512, mlp: {d_ff: 4 * d_model}"), "not a formula: `d_ff: 2048`"),
    "a formula of defaults": (model("mlp: {d_ff: 4 * d_model}"), "not a formula: `d_ff: 3072`"),
    "a formula of nothing known": (model("mlp: {d_ff: 4 * size}"), "takes a number"),
    "a number in quotes": (whole("train: {batch: '32'}"), "say `batch: 32`"),
    "a number with marks": (model("vocab_size: 32_000"), "say `vocab_size: 32000`"),
    "yes": (model("final_norm: yes"), "say `true`"),
    "a number with a letter": (whole("train: {steps: 10k}"), "`steps: 10000`"),
    "a whole number with an exponent": (whole("train: {steps: 1e4}"), "say `steps: 10000`"),
    "a library's type for short": (whole("checkpoint: llama"), "say `checkpoint: {huggingface: l"),
    "a placement for short": (model("norm: pre"), "say `norm: {placement: pre}`"),
    "a kind of what has none": (recurrent("cell: {kind: lstm}"), "say `cell: lstm`"),
    "a field of other tasks": (model("num_classes: 3"), "`classes`, a field of the task `image"),
    "encoder_layers": (
        f"task: seq2seq-lm\n{model('encoder_layers: 3')}", "`layers` in `model.encoder`",
    ),
    # a blank that is missing
    "an equals sign": ("name: some_model\nmodel:\n  d_model=8\n", "`d_model: 8`"),
    "fields in a row": (
        "name: some_model\nmodel:\n  d_model: 8, layers: 3\n", "one field a line",
    ),
    "heads:8 in braces": (attention("heads:8"), "a blank after the colon: `heads: 8`"),
    "heads:8 before others": (
        "name: some_model\nmodel:\n  attention:\n    heads:8\n    kv_heads: 2\n",
        "a blank after the colon of line 4: `heads: 8`",
    ),
    "layers:8 alone": ("name: some_model\nmodel:\n  layers:8\n", "`layers: 8`"),
    # masks
    "causl": (attention("mask: causl"), "did you mean `causal`?"),
    "a mask called sliding_window": (attention("mask: sliding_window(8)"), "`window`"),
    "a mask called local": (attention("mask: local(8)"), "did you mean `window`?"),
    "a mask of nobody": (attention("mask: frobnicate"), "known: causal, full, window"),
    "and": (attention("mask: causal and window(4)"), "use `&`"),
    "or": (attention("mask: causal or prefix"), "use `|`"),
    "not": (attention("mask: not causal"), "use `~`"),
    "not in a mask": (attention("mask: full & not causal"), "use `~`"),
    "&&": (attention("mask: causal && window(4)"), "use `&`"),
    "||": (attention('mask: "causal || prefix"'), "use `|`"),
    "!": (attention('mask: "!causal"'), "use `~`"),
    "=": (attention('mask: "q = k"'), "use `==`"),
    "a chain": (attention('mask: "0 <= q - k < 4"'), "join two comparisons by `&`"),
    "i and j": (attention('mask: "i - j < 4"'), "say `q`"),
    "window 4": (attention('mask: "window 4"'), "`window(4)`"),
    "window without numbers": (attention("mask: causal & window"), "such as `window(5)`"),
    "a comma between masks": (attention('mask: "causal, window(4)"'), "use `&`"),
    "a sum of masks": (attention("mask: causal + window(4)"), "joined by `&` (both) or `|`"),
    "a number by name": (attention('mask: "window(size=4)"'), "numbers stand alone"),
    "abs": (attention('mask: "abs(q - k) < 4"'), "say `window(n, n)`"),
    # plain layers
    "Conv2d": (layer("Conv2d: 8"), "did you mean `conv`?"),
    "BatchNorm2d": (layer("BatchNorm2d"), "say `norm: batch`"),
    "MaxPool2d": (layer("MaxPool2d: 2"), "did you mean `max_pool`?"),
    "AdaptiveAvgPool2d": (layer("AdaptiveAvgPool2d: 1"), "did you mean `mean_pool`?"),
    "Dense": (layer("Dense: 8"), "did you mean `linear`?"),
    "Flatten": (layer("Flatten"), "did you mean `flatten`?"),
    "Dropout": (layer("Dropout: 0.1"), "did you mean `dropout`?"),
    "ReLU": (layer("ReLU"), "did you mean `relu`?"),
    "ConvTranspose2d": (layer("ConvTranspose2d: 8"), "say `conv: {transposed: true}`"),
    "Sequential": (layer("Sequential: 3"), "layers stand in a list"),
    "kernel_size": (layer("conv: {kernel_size: 3}"), "did you mean `kernel`?"),
    "out_channels": (layer("conv: {out_channels: 3}"), "did you mean `width`?"),
    "filters": (layer("conv: {filters: 3}"), "did you mean `width`?"),
    "units": (layer("linear: {units: 3}"), "did you mean `width`?"),
    "in_channels": (layer("conv: {in_channels: 3}"), "what comes into a layer says it"),
    "num_classes": (NETWORK.format("num_classes: 3, layers: [linear]"), "`classes`"),
    "a function of a layer": (layer("conv: {width: 8, activation: swish}"), "did you mean `silu`?"),
    "a norm of a layer": (layer("conv: {width: 8, norm: batchnorm}"), "did you mean `batch`?"),
    "a call": (layer('"nn.Conv2d(3, 64)"'), "say `conv`, or `conv: ...`"),
    "conv3x3": (layer("conv3x3: 8"), "say `conv: {kernel: 3}`"),
    "activation as a layer": (layer("activation: relu"), "a layer itself, such as `relu`"),
    "a layer outside a list": (
        layer("residual: {conv: 8}"), "layers stand in a list: `layers: [conv: ...]`",
    ),
    # recurrent networks
    "hidden_size of an LSTM": (recurrent("hidden_size: 8"), "did you mean `width`?"),
    "num_layers of an LSTM": (recurrent("num_layers: 2"), "did you mean `layers`?"),
    "embedding_dim": (recurrent("embedding_dim: 2"), "`dim` in `model.embedding`"),
    "bidirectional": (recurrent("bidirectional: true"), "a field of the task"),
    "LSTM": (recurrent("cell: LSTM"), "did you mean `lstm`?"),
    "batch_first": (recurrent("batch_first: true"), "batches come first"),
    # two networks
    "latent_dim": (gan("model: {latent_dim: 64}"), "did you mean `latent`?"),
    "n_critic": (gan("train: {n_critic: 5}"), "did you mean `critic_steps`?"),
    "wgan": (gan("train: {loss: wgan}"), "did you mean `wgan-gp`?"),
    "beta1": (gan("train: {beta1: 0.5}"), "`betas` in `train.optimizer`"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "hint"), MISTAKES.values(), ids=MISTAKES)
def test_what_is_called_otherwise_elsewhere_is_understood(text: str, hint: str) -> None:
    assert hint in told(text)


def test_a_layer_knows_its_fields_as_they_are_written() -> None:
    assert told(layer("conv: {frobnicate: 1}")).startswith("known here: as, when, width, kernel")


@pytest.mark.parametrize("mask", ["causal and full", "sliding_window(4)", "!causal", "i < j"])
def test_the_command_that_draws_masks_gives_the_same_hints(mask: str) -> None:
    with pytest.raises(SpecError) as caught:
        read_mask(mask)
    hint = caught.value.diagnostics[0].hint
    assert hint and re.search("use `[&~]`|`window`|say `q`", hint)


@pytest.mark.parametrize(
    ("key", "hint"),
    [
        ("hidden_size", "did you mean `model.d_model`?"),
        ("learning_rate", "did you mean `train.optimizer.lr`?"),
        ("attention.heads", "did you mean `model.attention.heads`?"),
        ("hedas", "did you mean `heads`?"),
    ],
)
def test_variants_know_other_names_of_fields(key: str, hint: str, tmp_path: Path) -> None:
    spec = tmp_path / "some.yaml"
    spec.write_text(f"name: some_model\nvariants: {{{key}: [4, 8]}}\n", encoding="utf-8")
    with pytest.raises(SpecError) as caught:
        load_specs(spec, tmp_path)
    assert caught.value.diagnostics[0].hint == hint


def test_a_right_spec_reads_nothing_of_what_wrong_ones_may_mean() -> None:
    code = (
        "import sys; from codegen.spec.load import load_text; load_text('name: some_model', 'a');"
        "print(*(name for name in sys.modules if name.startswith('codegen.spec.hints.')))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == []
