"""A model cut by `tgen prune` says what the whole one says whose cut parts are multiplied by zero.

What should be cut is worked out here once more, by loops over the names of tensors.
"""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from codegen.commands.pruning import Cut, write_pruned
from codegen.project import Project
from tests.packages import write_package

LLAMA: dict[str, Any] = {
    "model": {
        "vocab_size": 32,
        "context_length": 16,
        "d_model": 32,
        "layers": 3,
        "attention": {"heads": 8, "kv_heads": 4, "qk_norm": {"kind": "rms", "over": "each_head"}},
        "mlp": {"d_ff": 20},
    }
}
GPT: dict[str, Any] = {
    "model": {
        "vocab_size": 32,
        "context_length": 16,
        "d_model": 24,
        "layers": {"pattern": ["narrow", "wide"], "repeat": 2},
        "blocks": {"narrow": {"attention": {"sinks": True}}, "wide": {"mlp": {"d_ff": 28}}},
        "norm": "layer",
        "attention": {"heads": 4, "bias": True},
        "mlp": {"kind": "plain", "activation": "gelu", "bias": True, "d_ff": 20},
        "embedding": {"positions": "learned"},
    }
}
T5: dict[str, Any] = {
    "task": "seq2seq-lm",
    "model": {
        "vocab_size": 32,
        "context_length": 16,
        "d_model": 24,
        "layers": 2,
        "encoder": {"layers": 4, "attention": {"heads": 6}},
        "attention": {
            "heads": 4,
            "head_dim": 6,
            "scale": 1,
            "rope": "none",
            "relative_bias": {"buckets": 8, "max_distance": 12, "shared": True},
        },
        "mlp": {"kind": "plain", "activation": "relu", "d_ff": 20},
    },
}


LONG = pytest.mark.long


def network(layers: list[Any], **more: Any) -> dict[str, Any]:
    model = {"image": {"size": 8, "channels": 3}, "classes": 5, **more, "layers": layers}
    general = {"conv": {"norm": "batch", "activation": "relu"}}
    return {
        "family": "network",
        "task": "image-classification",
        "model": {**general, **model},
    }


CNN = network(
    [
        {"conv": 8},
        {"max_pool": 2},
        {"conv": {"width": 12}},
        "flatten",
        {"linear": {"width": 10, "activation": "relu"}},
        {"linear": "classes"},
    ]
)
RESNET = network(
    [
        {"conv": 8},
        {"basic": {"width": 8, "repeat": 2}},
        {"basic": {"width": 12, "stride": 2}},
        "mean_pool",
        {"linear": "classes"},
    ],
    blocks={
        "basic": [
            {
                "residual": {
                    "activation": "relu",
                    "layers": [
                        {"conv": {"width": "width", "stride": "stride"}},
                        {"conv": {"width": "width", "activation": "none"}},
                    ],
                }
            }
        ]
    },
)
SEPARABLE = network(
    [
        {"conv": 8},
        {
            "residual": [
                {"conv": {"width": 24, "kernel": 1}},
                {"conv": {"groups": "depthwise"}},
                {"conv": {"width": 8, "kernel": 1, "activation": "none"}},
            ]
        },
        "mean_pool",
        {"linear": "classes"},
    ]
)


def package(folder: Path, name: str, *parts: str) -> list[ModuleType]:
    """Modules of a package in a folder, which other folders may have, too."""
    holder = f"{folder.name.replace('-', '_')}_pruned"
    if holder not in sys.modules:
        made = sys.modules[holder] = ModuleType(holder)
        made.__path__ = [str(folder / "generated")]
    return [importlib.import_module(f"{holder}.{name}.{part}") for part in parts]


def trained(folder: Path, name: str, spec: dict[str, Any]) -> Any:
    """A model whose weights and statistics are all drawn, with a checkpoint in `run`."""
    write_package(folder, {"name": name, **spec})
    module, checkpoint = package(folder, name, "model", "checkpoint")
    torch.manual_seed(0)
    model = module.Model(module.Config()).eval()
    own = checkpoint.weights(model)
    with torch.no_grad():
        for tensor in own.values():
            if tensor.is_floating_point():
                tensor.copy_(0.2 + torch.rand_like(tensor) if tensor.ndim == 1 else tensor)
                if tensor.ndim > 1:
                    tensor.normal_(std=0.3)
    (folder / "run").mkdir()
    tensors = {f"model.{name}": tensor for name, tensor in own.items()}
    metadata = {"config": vars(module.Config())}
    checkpoint.write_checkpoint(folder / "run/checkpoint.safetensors", tensors, metadata)
    return model


def cut(folder: Path, spec: str, structure: str, amount: float, name: str) -> Any:
    """The smaller model, as its own package reads it."""
    project = Project(folder, folder / "specs", folder / "generated")
    path = folder / f"specs/{spec}.yaml"
    write_pruned(path, folder / "run", Cut(structure, amount), name, project, test=False)
    module, checkpoint = package(folder, name, "model", "checkpoint")
    path = folder / f"weights/{name}/checkpoint.safetensors"
    tensors, saved = checkpoint.read_checkpoint(path)
    model = module.Model(module.Config(**saved["config"])).eval()
    assert json.loads(json.dumps(vars(module.Config()))) == saved["config"]
    checkpoint.load_weights(model, tensors, path)
    return model


def norms(named: dict[str, Tensor], axes: list[tuple[str, int]], units: int) -> np.ndarray:
    """Of each unit, the sum of squares over what it has of all tensors."""
    total = np.zeros(units)
    for name, axis in axes:
        values = np.moveaxis(named[name].double().numpy(), axis, 0)
        size = len(values) // units
        for unit in range(units):
            total[unit] += (values[unit * size : (unit + 1) * size] ** 2).sum()
    return total


def erase(tensor: Tensor, scores: np.ndarray, kept: int) -> None:
    """Zeros for what is read of the units with the lowest scores."""
    size = tensor.shape[1] // len(scores)
    for unit in np.argsort(scores)[: len(scores) - kept]:
        tensor[:, unit * size : (unit + 1) * size] = 0


def same(spec: dict[str, Any], whole: Any, small: Any) -> None:
    torch.manual_seed(1)
    if spec.get("family") == "network":
        given = (torch.randn(4, 3, 8, 8),)
    elif spec.get("task") == "seq2seq-lm":
        given = (torch.randint(0, 32, (3, 9)), torch.randint(0, 32, (3, 7)))
    else:
        given = (torch.randint(0, 32, (3, 12)),)
    with torch.no_grad():
        wanted, found = whole(*given), small(*given)
    assert wanted.std() > 0.01
    assert (wanted - found).abs().max() < 1e-5 * wanted.abs().max()
    count = [sum(p.numel() for p in model.parameters()) for model in (whole, small)]
    assert count[1] < count[0]


@pytest.mark.drawn
@pytest.mark.parametrize(
    ("name", "spec"),
    [("cut_llama", LLAMA), pytest.param("cut_gpt", GPT, marks=LONG), ("cut_t5", T5)],
)
def test_heads_that_are_cut_were_those_of_least_norm(
    name: str, spec: dict[str, Any], tmp_path: Path
) -> None:
    whole = trained(tmp_path, name, spec)
    named = {n: p.detach() for n, p in whole.named_parameters()}
    pools: dict[str, list[str]] = {}
    for n in named:
        if n.endswith("o_proj.weight"):
            place = n.removesuffix("o_proj.weight")
            stack = n.partition(".")[0] if spec is T5 and ".attention." in n else place
            pools.setdefault(stack, []).append(place)
    for stack, places in pools.items():
        groups = {"cut_llama": 4, "cut_gpt": 4, "cut_t5": 4}[name]
        groups = 6 if stack == "encoder" else groups
        axes = [
            (n, int(n.endswith("o_proj.weight")))
            for place in places
            for n, tensor in named.items()
            if n.startswith(place) and not n.endswith("o_proj.bias") and len(tensor) % groups == 0
        ]
        if f"{stack}.bias_table" in named:
            axes.append((f"{stack}.bias_table", 1))
        scores = norms(named, axes, groups)
        for place in places:
            erase(named[f"{place}o_proj.weight"], scores, groups // 2)
    same(spec, whole, cut(tmp_path, name, "heads", 0.5, f"{name}_heads"))


@pytest.mark.drawn
@pytest.mark.parametrize(
    ("name", "spec"),
    [
        pytest.param("thin_llama", LLAMA, marks=LONG),
        ("thin_gpt", GPT),
        pytest.param("thin_t5", T5, marks=LONG),
    ],
)
def test_neurons_that_are_cut_were_those_of_least_norm(
    name: str, spec: dict[str, Any], tmp_path: Path
) -> None:
    whole = trained(tmp_path, name, spec)
    named = {n: p.detach() for n, p in whole.named_parameters()}
    for n, down in named.items():
        if n.endswith("down_proj.weight"):
            place, units = n.removesuffix("down_proj.weight"), down.shape[1]
            axes = [
                (other, int(other == n))
                for other in named
                if other.startswith(place) and not other.endswith("down_proj.bias")
            ]
            erase(down, norms(named, axes, units), units - units // 4)
    same(spec, whole, cut(tmp_path, name, "neurons", 0.25, f"{name}_neurons"))


@pytest.mark.drawn
@pytest.mark.parametrize(
    ("name", "spec"),
    [
        pytest.param("few_llama", LLAMA, marks=LONG),
        ("few_gpt", GPT),
        pytest.param("few_t5", T5, marks=LONG),
    ],
)
def test_layers_that_are_cut_were_those_of_least_norm(
    name: str, spec: dict[str, Any], tmp_path: Path
) -> None:
    whole = trained(tmp_path, name, spec)
    named = {n: p.detach() for n, p in whole.named_parameters()}
    size = 2 if spec is GPT else 1
    for stack in ("encoder.", "decoder.") if spec is T5 else ("",):
        units: dict[int, list[str]] = {}
        for n in named:
            if n.startswith(f"{stack}blocks."):
                units.setdefault(int(n.split("blocks.")[1].split(".")[0]) // size, []).append(n)
        scores = np.array([norms(named, [(n, 0) for n in unit], 1)[0] for unit in units.values()])
        for unit in np.argsort(scores)[: len(scores) - round(len(scores) * 0.6)]:
            for n in units[int(unit)]:
                if "o_proj" in n or "down_proj" in n:
                    named[n].zero_()
    same(spec, whole, cut(tmp_path, name, "layers", 0.4, f"{name}_layers"))


CONVNEXT = network(
    [
        {"conv": {"width": 8, "norm": "none"}},
        {
            "residual": [
                {"conv": {"groups": "depthwise", "norm": "none"}},
                {"linear": {"width": "4 * channels", "activation": "gelu"}},
                {"linear": "channels / 4"},
            ]
        },
        "mean_pool",
        {"linear": "classes"},
    ],
    conv={"kernel": 3},
)

Chain = tuple[list[str], str, int]  # what makes channels, what reads them, how many stay
NORMED = ("0.weight", "1.weight", "1.bias")
DEPTHWISE = ("3.weight", "4.weight", "4.bias")
CHAINS: dict[str, tuple[dict[str, Any], str, list[Chain]]] = {
    "cnn": (
        CNN,
        "channels",
        [
            (["layers.0.weight", "layers.1.weight", "layers.1.bias"], "layers.4.weight", 4),
            (["layers.4.weight", "layers.5.weight", "layers.5.bias"], "layers.8.weight", 6),
            (["layers.8.weight", "layers.8.bias"], "layers.10.weight", 5),
        ],
    ),
    "head": (CNN, "neurons", [(["layers.8.weight", "layers.8.bias"], "layers.10.weight", 5)]),
    "resnet": (
        RESNET,
        "channels",
        [
            (
                [f"layers.{at}.layers.{name}" for name in NORMED],
                f"layers.{at}.layers.3.weight",
                kept,
            )
            for at, kept in ((3, 4), (4, 4), (5, 6))
        ],
    ),
    "convnext": (
        CONVNEXT,
        "neurons",
        [(["layers.1.weight", "layers.1.bias"], "layers.3.weight", 16)],
    ),
    "separable": (
        SEPARABLE,
        "channels",
        [([f"layers.{name}" for name in (*NORMED, *DEPTHWISE)], "layers.6.weight", 12)],
    ),
}


@pytest.mark.drawn
@pytest.mark.parametrize(
    "name",
    [
        "cnn",
        "resnet",
        "convnext",
        pytest.param("head", marks=LONG),
        pytest.param("separable", marks=LONG),
    ],
)
def test_channels_that_are_cut_were_those_of_least_norm(name: str, tmp_path: Path) -> None:
    spec, structure, chains = CHAINS[name]
    whole = trained(tmp_path, f"net_{name}", spec)
    named = {n: p.detach() for n, p in whole.named_parameters()}
    scores = [
        norms(named, [*((n, 0) for n in made), (read, 1)], len(named[made[0]]))
        for made, read, _ in chains
    ]
    for (_, read, kept), score in zip(chains, scores, strict=True):
        erase(named[read], score, kept)
    same(spec, whole, cut(tmp_path, f"net_{name}", structure, 0.5, f"net_{name}_cut"))
