"""Hugging Face's networks of plain layers: from a config.json and its weights, the same logits."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
import transformers
from torch import nn

from codegen.commands.read_model import loaded, read_model
from codegen.errors import CheckpointError
from codegen.importers.tensors import open_tensors, weight_files

CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "resnet": ("ResNet", {"embedding_size": 8, "hidden_sizes": [16, 24, 32], "depths": [2, 1, 2]}),
    "resnet_basic": (
        "ResNet",
        {
            "embedding_size": 8,
            "hidden_sizes": [8, 24, 24],
            "depths": [1, 2, 2],
            "layer_type": "basic",
            "downsample_in_first_stage": True,
            "hidden_act": "silu",
        },
    ),
    "resnet_strided_first": (
        "ResNet",
        {
            "embedding_size": 8,
            "hidden_sizes": [16, 24, 32, 40],
            "depths": [2, 1, 2, 1],
            "downsample_in_bottleneck": True,
            "num_channels": 1,
        },
    ),
    "regnet": (
        "RegNet",
        {"embedding_size": 8, "hidden_sizes": [16, 32, 64], "depths": [2, 1, 3], "groups_width": 8},
    ),
    "regnet_x": (
        "RegNet",
        {
            "embedding_size": 8,
            "hidden_sizes": [16, 32, 48],
            "depths": [2, 1, 3],
            "groups_width": 16,
            "layer_type": "x",
            "hidden_act": "gelu",
            "downsample_in_first_stage": False,
        },
    ),
    "convnext": ("ConvNext", {"hidden_sizes": [8, 16, 24, 32], "depths": [2, 1, 2, 1]}),
    "convnext_unscaled": (
        "ConvNext",
        {"hidden_sizes": [8, 16, 16, 32], "depths": [2, 1, 2, 1], "layer_scale_init_value": 0.0},
    ),
    "convnextv2": ("ConvNextV2", {"hidden_sizes": [8, 16, 24, 32], "depths": [2, 1, 2, 1]}),
    "mobilenet_v1": ("MobileNetV1", {"depth_multiplier": 0.25}),
    "mobilenet_v1_same": (
        "MobileNetV1",
        {"depth_multiplier": 0.3, "image_size": 65, "tf_padding": False},
    ),
    "mobilenet_v2": ("MobileNetV2", {"depth_multiplier": 0.35}),
    "mobilenet_v2_expanded": (
        "MobileNetV2",
        {
            "depth_multiplier": 0.5,
            "tf_padding": False,
            "first_layer_is_expansion": False,
            "finegrained_output": False,
            "expand_ratio": 3.0,
        },
    ),
    "efficientnet": (
        "EfficientNet",
        {"width_coefficient": 0.5, "depth_coefficient": 1.1, "hidden_dim": 640},
    ),
    "efficientnet_odd": (
        "EfficientNet",
        {
            "width_coefficient": 0.5,
            "depth_coefficient": 1.1,
            "hidden_dim": 640,
            "image_size": 152,
            "depthwise_padding": [8],
        },
    ),
}


def save(folder: Path, name: str, **given: Any) -> nn.Module:
    """A model of random weights, with statistics that are those of its pictures, in a folder."""
    torch.manual_seed(0)
    if name not in ("ResNet", "RegNet"):
        given = {"image_size": 64, **given}
    config = getattr(transformers, f"{name}Config")(num_labels=5, **given)
    model: nn.Module = getattr(transformers, f"{name}ForImageClassification")(config)
    shake(model, config.num_channels, getattr(config, "image_size", 64))
    model.save_pretrained(folder)  # type: ignore[operator]
    return model.eval()


@torch.no_grad()
def shake(model: nn.Module, channels: int, side: int) -> None:
    for name, parameter in model.named_parameters():
        if parameter.ndim == 1 and not name.endswith("bias"):
            parameter.uniform_(0.5, 1.5)
        elif parameter.ndim == 1 or "grn" in name:
            parameter.normal_(0, 0.3)
        else:
            parameter.normal_(0, (2 / parameter[0].numel()) ** 0.5)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None  # the mean of what comes
            module.reset_running_stats()
    model.train()
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.eval()
    for _ in range(2):
        model(torch.randn(4, channels, side, side))


@pytest.mark.drawn
@pytest.mark.parametrize("case", CASES)
def test_logits_and_gradients_are_those_of_the_saved_model(case: str, tmp_path: Path) -> None:
    name, given = CASES[case]
    reference = save(tmp_path, name, **given)
    read = read_model(tmp_path)
    with loaded(read) as package:
        ours = package.model.Model(package.model.Config()).eval()
        package.weights.load_huggingface(ours, open_tensors(weight_files(tmp_path)))
        saved, there = package.weights.save_huggingface(ours), reference.state_dict()
        assert saved.keys() == there.keys()
        assert all(torch.equal(saved[key], tensor) for key, tensor in there.items())
        config = ours.config
        images = torch.randn(2, config.channels, config.image_size, config.image_size)
        targets = torch.tensor([1, 3])
        wanted, found = reference(images).logits, ours(images)
        assert (wanted - found).abs().max() <= 1e-5 * wanted.abs().max()
        first = next(p for p in reference.parameters() if p.ndim == 4)
        own = next(p for p in ours.parameters() if p.ndim == 4)
        F.cross_entropy(wanted, targets).backward()
        ours(images, targets).backward()
        assert first.grad is not None
        assert (first.grad - own.grad).abs().max() <= 1e-5 * first.grad.abs().max()
        with torch.no_grad():
            own.mul_(1.05)
        assert (ours(images) - found).abs().max() > 5e-4 * found.abs().max()


REFUSED: dict[str, tuple[str, dict[str, Any], str]] = {
    "padding of odd sizes": ("EfficientNet", {"image_size": 152}, "not what TensorFlow pads"),
    "pooling": ("EfficientNet", {"pooling_type": "max"}, "the mean over the map"),
    "dilated maps": ("MobileNetV2", {"output_stride": 16}, "other dilations"),
    "odd widths": ("ResNet", {"hidden_sizes": [18, 24, 32, 40]}, "no whole number"),
    "types of layers": ("RegNet", {"layer_type": "z"}, "no known type"),
    "stages": ("ConvNext", {"num_stages": 3}, "stages are not as many"),
    "unknown fields": ("ResNet", {"dilation": 2}, "what that does is not known"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_a_network_cannot_say_is_refused(case: str, tmp_path: Path) -> None:
    name, given, why = REFUSED[case]
    config = getattr(transformers, f"{name}Config")().to_dict()
    config = {**config, **given, "architectures": [f"{name}ForImageClassification"]}
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointError) as refused:
        read_model(tmp_path)
    assert any(why in one.message for one in refused.value.diagnostics)
