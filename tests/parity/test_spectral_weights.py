"""Weights over their largest singular value are those of PyTorch's own, step by step."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
import yaml
from torch import Tensor, nn
from torch.nn.utils import parametrizations

from codegen.errors import SpecError
from codegen.plan import lower
from codegen.spec import load_text
from tests.packages import import_model

LAYERS: list[Any] = [
    {"conv": {"width": 6, "groups": 3, "stride": 2, "bias": False}},
    {"conv": {"width": 4, "kernel": 4, "stride": 2, "padding": 1, "transposed": True}},
    {"conv": {"width": 6, "kernel": 3, "padding": 0, "groups": 2, "transposed": True}},
    {"residual": [{"conv": {"width": 5, "stride": 2}}, {"conv": 5}]},
    {"linear": 3},
    "mean_pool",
    {"linear": {"width": 7, "activation": "tanh"}},
    "linear",
]
WEIGHTS = 9  # the shortcut's, too


def spec(layers: list[Any], **defaults: Any) -> dict[str, Any]:
    model = {"image": {"size": 8, "channels": 3}, "classes": 2, **defaults, "layers": layers}
    return {"name": "some", "family": "network", "task": "image-classification", "model": model}


def module_of(folder: Path, weight: str) -> ModuleType:
    said = spec(LAYERS, conv={"weight": weight, "activation": "tanh"}, linear={"weight": weight})
    folder.mkdir()
    return import_model(lower(load_text(yaml.safe_dump(said), "specs/some.yaml")), folder)


def torchs_own(model: nn.Module, ours: nn.Module) -> list[nn.Module]:
    """The plain model's layers normalised by PyTorch, from the vectors that ours have."""
    vectors = {name: part.sigma.v for name, part in ours.named_modules() if hasattr(part, "sigma")}
    weighted = [(n, m) for n, m in model.named_modules() if hasattr(m, "weight")]
    assert [name for name, _ in weighted] == [*vectors]
    for name, layer in weighted:
        assert isinstance(layer, nn.Conv2d | nn.ConvTranspose2d | nn.Linear)
        parametrizations.spectral_norm(layer)
        layer.parametrizations.weight[0]._v.copy_(vectors[name])
    return [layer for _, layer in weighted]


def test_training_is_that_of_pytorchs_own_step_by_step(tmp_path: Path) -> None:
    ours_of, plain_of = module_of(tmp_path / "a", "spectral"), module_of(tmp_path / "b", "plain")
    torch.manual_seed(0)
    ours = ours_of.Model(ours_of.Config()).double()
    ours.init_weights()
    plain = plain_of.Model(plain_of.Config()).double()
    plain.load_state_dict(dict(ours.named_parameters()))
    layers = torchs_own(plain, ours)
    one, other = (torch.optim.SGD(m.parameters(), 0.1, 0.9) for m in (ours, plain))
    for _ in range(6):
        real, fake = torch.randn(2, 4, 3, 8, 8, dtype=torch.float64)
        for model, optimizer in ((ours, one), (plain, other)):
            optimizer.zero_grad()
            loss(model.train(), real, fake).backward()
        torch.testing.assert_close(gradients(ours), gradients(plain), rtol=1e-9, atol=1e-12)
        torch.testing.assert_close(ours(real), plain(real), rtol=1e-9, atol=1e-12)
        one.step()
        other.step()
    assert len(layers) == WEIGHTS


def loss(model: nn.Module, real: Tensor, fake: Tensor) -> Tensor:
    """As a discriminator's: both forwards come before the one backward."""
    a, b = model(real), model(fake)
    difference: Tensor = a.square().mean() - b.mean() + (a * b).sum()
    return difference


def gradients(model: nn.Module) -> dict[str, Tensor]:
    """By the names that parameters have where nothing is made of them."""
    found = {}
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None
        found[name.replace("parametrizations.weight.original", "weight")] = parameter.grad
    return found


def test_in_use_weights_have_a_singular_value_of_one_and_vectors_stay(tmp_path: Path) -> None:
    module = module_of(tmp_path / "a", "spectral")
    with torch.device("meta"):
        model = module.Model(module.Config())
    model.to_empty(device="cpu")
    for buffer in model.buffers():
        buffer.fill_(torch.nan)
    model.init_weights()
    images = torch.randn(5, 3, 8, 8)
    for _ in range(200):
        model.train()(images)
    kept = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    assert sum(name.endswith("sigma.v") for name in kept) == WEIGHTS
    first = model.eval()(images)
    for part in model.modules():
        if hasattr(part, "sigma"):
            weight = part.weight.detach()
            turned = isinstance(part, nn.ConvTranspose2d)
            matrix = (weight.transpose(0, 1) if turned else weight).flatten(1)
            exact = torch.linalg.matrix_norm(matrix, 2)
            torch.testing.assert_close(part.sigma(matrix), exact, rtol=1e-3, atol=0.0)
    assert torch.equal(model(images), first)
    assert all(torch.equal(tensor, kept[name]) for name, tensor in model.state_dict().items())


def test_a_scaled_weight_is_the_same_weight(tmp_path: Path) -> None:
    module = module_of(tmp_path / "a", "spectral")
    model = module.Model(module.Config()).eval()
    images = torch.randn(2, 3, 8, 8)
    first = model(images)
    for name, parameter in model.named_parameters():
        if name.endswith("weight"):
            parameter.data *= 3
    torch.testing.assert_close(model(images), first)


def test_what_pads_as_tensorflow_does_is_not_divided() -> None:
    conv = {"width": 4, "weight": "spectral", "padding": "tf_same"}
    said = spec([{"conv": conv}, "mean_pool", "linear"])
    with pytest.raises(SpecError, match="of `tf_same` and `spectral` a convolution is one at most"):
        lower(load_text(yaml.safe_dump(said), "specs/some.yaml"))
