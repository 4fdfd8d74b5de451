"""The networks of GANs can be said: they compute what their authors' do, of as many parameters."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from torch import nn

from codegen.plan import Plan, lower
from codegen.spec import load_text
from tests.packages import import_model
from tests.parity import gan_networks as published

Spec = dict[str, Any]
LEAKY = {"kind": "leaky_relu", "slope": 0.2}
HALVED = {"kernel": 4, "stride": 2, "padding": 1}
DOUBLED = {**HALVED, "transposed": True}


def pix2pix(width: int) -> Spec:
    normed = {"norm": "batch", "when": "level < levels - 1"}
    down = [{"leaky_relu": {"slope": 0.2}}, {"conv": "width"}, normed]
    up = ["relu", {"conv": {"width": "width", "transposed": True}}, {"norm": "batch"}]
    up += [{"dropout": 0.5, "when": "3 <= level <= 5"}]
    widths = [width, 2 * width, 4 * width, *[8 * width] * 5]
    last = {"width": "outputs", "transposed": True, "bias": True, "activation": "tanh"}
    unet = {"widths": widths, "down": down, "up": up}
    layers = [{"conv": width}, {"unet": unet}, "relu", {"conv": last}]
    return {
        "task": "image-to-image",
        "model": {"image": 256, "conv": {**HALVED, "bias": False}, "layers": layers},
    }


def cyclegan(width: int, blocks: int) -> Spec:
    mirrored = {"padding_mode": "reflect"}
    residual = [{"conv": mirrored}, {"conv": {**mirrored, "activation": "none"}}]
    wider = {"stride": 2, "transposed": True, "output_padding": 1}
    end = {"width": "outputs", "kernel": 7, "norm": "none", "activation": "tanh", **mirrored}
    layers = [
        {"conv": {"width": width, "kernel": 7, **mirrored}},
        {"conv": {"width": 2 * width, "stride": 2}},
        {"conv": {"width": 4 * width, "stride": 2}},
        {"block": {"repeat": blocks}},
        {"conv": {"width": 2 * width, **wider}},
        {"conv": {"width": width, **wider}},
        {"conv": end},
    ]
    model = {"image": 64, "blocks": {"block": [{"residual": residual}]}, "layers": layers}
    model["conv"] = {"norm": "instance", "activation": "relu", "bias": True}
    return {"task": "image-to-image", "model": model}


def patches(channels: int, width: int, norm: str) -> Spec:
    biased = {"bias": True} if norm == "instance" else {}
    first, last = {"norm": "none"}, {"norm": "none", "activation": "none", "stride": 1}
    layers = [
        {"conv": {"width": width, **first}},
        {"conv": 2 * width},
        {"conv": 4 * width},
        {"conv": {"width": 8 * width, "stride": 1}},
        {"conv": {"width": 1, **last}},
        "flatten",
    ]
    conv = {**HALVED, "norm": norm, "activation": LEAKY, **biased}
    model = {"image": {"size": 256, "channels": channels}, "classes": 900, "conv": conv}
    return {"task": "image-classification", "model": {**model, "layers": layers}}


def dcgan_generator(latent: int, width: int) -> Spec:
    conv = {**DOUBLED, "norm": "batch", "activation": "relu", "bias": False}
    layers = [
        {"reshape": ["channels", 1, 1]},
        {"conv": {"width": 8 * width, "stride": 1, "padding": 0}},
        *({"conv": times * width} for times in (4, 2, 1)),
        {"conv": {"width": 3, "norm": "none", "activation": "tanh"}},
        "flatten",
    ]
    columns = [f"z{index}" for index in range(latent)]
    return {
        "task": "classification",
        "data": {"inputs": columns, "target": "image"},
        "model": {"classes": 3 * 64 * 64, "conv": conv, "layers": layers},
    }


def dcgan_discriminator(width: int) -> Spec:
    last = {"width": 1, "stride": 1, "padding": 0, "norm": "none", "activation": "none"}
    layers = [
        {"conv": {"width": width, "norm": "none"}},
        *({"conv": times * width} for times in (2, 4, 8)),
        {"conv": last},
        "flatten",
    ]
    conv = {**HALVED, "norm": "batch", "activation": LEAKY, "bias": False}
    model = {"image": 64, "classes": 1, "conv": conv, "layers": layers}
    return {"task": "image-classification", "model": model}


def critic(width: int) -> Spec:
    conv = {"kernel": 5, "stride": 2, "padding": 2, "activation": LEAKY, "bias": True}
    layers = [
        {"conv": {"width": width, "norm": "none"}},
        *({"conv": times * width} for times in (2, 4)),
        "flatten",
        {"linear": 1},
    ]
    whole = {"kind": "group", "groups": 1}  # all numbers of a map, with a gain of each channel
    model = {"image": 32, "classes": 1, "conv": {**conv, "norm": whole}, "layers": layers}
    return {"task": "image-classification", "model": model}


def planned(spec: Spec) -> Plan:
    text = yaml.safe_dump({"name": "some", "family": "network", **spec})
    return lower(load_text(text, "specs/some.yaml"))


@pytest.mark.parametrize(
    ("spec", "count"),
    [
        (pix2pix(64), 54_413_955),
        (cyclegan(64, 9), 11_378_179),
        (cyclegan(64, 6), 7_837_699),
        (patches(6, 64, "batch"), 2_768_705),
        (patches(3, 64, "instance"), 2_764_737),
        (dcgan_generator(100, 64), 3_576_704),
        (dcgan_discriminator(64), 2_765_568),
    ],
)
def test_they_have_as_many_parameters_as_published(spec: Spec, count: int) -> None:
    assert planned(spec).cost.parameters == count


PAIRS: dict[str, tuple[Spec, Callable[[], nn.Module]]] = {
    "pix2pix": (pix2pix(2), lambda: published.pix2pix(2)),
    "cyclegan": (cyclegan(4, 3), lambda: published.cyclegan(4, 3)),
    "patches": (patches(6, 2, "batch"), lambda: published.patches(6, 2, nn.BatchNorm2d)),
    "patches alone": (patches(3, 2, "instance"),
                      lambda: published.patches(3, 2, nn.InstanceNorm2d)),
    "dcgan's generator": (dcgan_generator(7, 4), lambda: published.dcgan_generator(7, 4)),
    "dcgan's discriminator": (dcgan_discriminator(4), lambda: published.dcgan_discriminator(4)),
    "a critic": (critic(4), lambda: published.critic(4)),
}  # fmt: skip


@pytest.mark.parametrize("name", PAIRS)
def test_they_compute_what_their_authors_networks_do(name: str, tmp_path: Path) -> None:
    spec, reference = PAIRS[name]
    module = import_model(planned(spec), tmp_path)
    config = module.Config()
    torch.manual_seed(0)
    ours, theirs = module.Model(config).double().eval(), reference().double().eval()
    for parameter in ours.parameters():
        nn.init.normal_(parameter, std=0.3 if parameter.ndim < 2 else 0.1)
    for buffer in ours.buffers():
        if buffer.is_floating_point():
            nn.init.uniform_(buffer, 0.5, 1.5)
    copied(ours, theirs)
    shape = (
        (7,) if spec["task"] == "classification" else (config.channels, *[config.image_size] * 2)
    )
    images = torch.randn(2, *shape, dtype=torch.float64)
    found, wanted = ours(images), theirs(images)
    assert found.shape == wanted.shape and found.std() > 1e-4
    torch.testing.assert_close(found, wanted, rtol=1e-9, atol=1e-12)
    tiny = module.Model(module.Config.tiny())
    assert sum(p.numel() for p in tiny.parameters()) <= 5e6


@torch.no_grad()
def copied(ours: nn.Module, theirs: nn.Module) -> None:
    """The weights and the statistics of ours, in the order in which both are made."""
    for own, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert own.shape == other.shape
        other.copy_(own)
    for mine, yours in zip(ours.buffers(), theirs.buffers(), strict=True):
        yours.copy_(mine)


def test_levels_that_differ_say_where(tmp_path: Path) -> None:
    module = import_model(planned(pix2pix(2)), tmp_path)
    unet = module.Model(module.Config()).layers[1]
    kinds = []
    while isinstance(unet, module.UNet):
        kinds.append((type(unet.down).__name__, type(unet.up).__name__))
        unet = unet.below
    assert kinds == [*[("Down1", "Up1")] * 3, *[("Down1", "Up2")] * 3, ("Down2", "Up1")]
    assert module.Up2.__init__.__doc__ == "`up` of levels 3, 4 and 5."
    assert isinstance(unet, nn.Identity)
