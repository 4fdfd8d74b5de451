"""Layers of whole numbers beside float64, their kernels pinned, ranges by brute force, training."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor, nn

from codegen.errors import SpecError
from codegen.spec import load_spec
from tests.packages import import_package

SPEC: dict[str, Any] = {
    "name": "small",
    "family": "network",
    "task": "image-classification",
    "model": {
        "image": {"size": 12, "channels": 2},
        "classes": 3,
        "conv": {"norm": "batch", "activation": "relu"},
        "layers": [
            {"conv": 8},
            {"conv": {"width": 8, "groups": "depthwise", "padding": "tf_same", "stride": 2}},
            {"conv": {"width": 16, "kernel": 1, "activation": "relu6"}},
            {"residual": [{"conv": {"width": 16, "dilation": 2, "padding": 2}}]},
            {"max_pool": 2},
            "flatten",
            {"linear": {"width": 16, "activation": "relu"}},
            {"linear": "classes"},
        ],
    },
    "train": {"quantize": {"activations": "static", "aware": True}, "steps": 8, "batch": 8},
}
MODULES = ("static", "layers", "ranges", "convolutions", "aware", "model", "quantize")
X86 = torch.backends.mkldnn.is_available() and torch.backends.cpu.get_cpu_capability() != "DEFAULT"


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The modules of a package, by name."""
    folder = tmp_path_factory.mktemp("whole")
    names = (*MODULES, "train", "compress", "load")
    return SimpleNamespace(**dict(zip(names, import_package(folder, SPEC, *names), strict=True)))


@pytest.fixture
def model(small: Any) -> nn.Module:
    """With drawn weights, and norms that have seen something."""
    torch.manual_seed(0)
    made: nn.Module = small.model.Model(small.model.Config())
    made.init_weights()
    for module in made.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, -1.5, 1.5)
            nn.init.normal_(module.bias)
            assert module.running_mean is not None and module.running_var is not None
            module.running_mean.normal_()
            module.running_var.uniform_(0.2, 3)
    return made.eval()


@pytest.fixture(autouse=True)
def no_gradients(request: pytest.FixtureRequest) -> Iterator[None]:
    with torch.set_grad_enabled("gradients" in request.node.name):
        yield


def images(rows: int = 4) -> Tensor:
    return torch.randn(rows, 2, 12, 12, generator=torch.Generator().manual_seed(3))


def as_static(small: Any, model: nn.Module) -> nn.Module:
    """With ranges of what layers read of some images."""
    small.layers.fold_norms(model)
    spans: dict[str, tuple[Tensor, Tensor]] = {}
    for name, module in small.layers.candidates(model).items():
        module.register_forward_pre_hook(
            lambda _, given, name=name: spans.update({name: given[0].aminmax()})
        )
    model(images())
    small.ranges.place(model, spans)
    return model


# ---- ranges ----


@pytest.mark.parametrize(
    ("low", "high", "zero"), [(0.5, 3, 0), (-3, -0.5, 255), (-1, 2, 85), (-0.1, 5, 5), (0, 0, 0)]
)
def test_codes_are_the_nearest_numbers_of_a_range_that_has_zero(
    small: Any, low: float, high: float, zero: int
) -> None:
    step, found = small.static.grid(torch.tensor(low), torch.tensor(high))
    assert found == zero
    x = torch.linspace(low - 1, high + 1, 999)
    codes = small.static.rounded(x, step, found)
    numbers = (np.arange(256) - zero) * step.item()
    if high > low:
        nearest = np.abs(x.double().numpy()[:, None] - numbers).min(1)
        error = np.abs(numbers[codes.numpy()] - x.double().numpy())
        assert codes.dtype == torch.uint8 and np.allclose(error, nearest, atol=1e-6)
    assert small.static.rounded(torch.zeros(1), step, found) == zero  # what lies around a map


def test_the_range_of_the_least_error_is_that_which_brute_force_finds(small: Any) -> None:
    generator = torch.Generator().manual_seed(0)
    for low, high in ((-4.0, 20.0), (0.0, 12.0)):
        near = torch.randn(50_000, generator=generator).abs()
        counts = torch.histc(near, 2048, low, high)
        counts[-1] = 1  # one far from all others
        found = small.ranges.least_error(counts, torch.tensor(low), torch.tensor(high))
        x = low + (np.arange(2048) + 0.5) * (high - low) / 2048

        part = (found[1] / high).item()
        assert found[0] == pytest.approx(low * part) and 0.1 < part < 0.99
        errors = [error(n / 80, low, high, x, counts.numpy()) for n in range(1, 81)]
        assert error(part, low, high, x, counts.numpy()) <= 1.01 * min(errors)


def error(part: float, low: float, high: float, x: np.ndarray, counts: np.ndarray) -> float:
    """The squared error of so many numbers x that are rounded to 256 of a part of a range."""
    step = (high - low) * part / 255
    zero = round(-low * part / step)
    codes = np.clip(np.round(x / step) + zero, 0, 255)
    return float((((codes - zero) * step - x) ** 2 * counts).sum())


# ---- layers ----

WINDOWS = [
    {"padding": 1},
    {"padding": 2, "stride": 2, "groups": 2},
    {"padding": 2, "dilation": 2, "groups": 4, "bias": False},
    {"padding": (0, 2), "stride": (1, 2)},
]


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(("low", "high"), [(0.0, 2.0), (-2.0, 3.0)])
def test_a_convolution_of_whole_numbers_has_the_sums_of_float64(
    small: Any, window: dict[str, Any], packed: bool, low: float, high: float
) -> None:
    torch.manual_seed(1)
    conv = nn.Conv2d(4, 8, 3, **window)
    layer = small.static.made_static(conv, torch.tensor(low), torch.tensor(high))
    x = torch.empty(2, 4, 9, 7).uniform_(low, high)
    step = (high - low) / 255
    zero = round(-low / step)
    codes = np.clip(np.round(x.double().numpy() / np.float32(step)) + zero, 0, 255)
    up, left = conv.padding
    around = ((0, 0), (0, 0), (up, up), (left, left))
    lying = np.pad(codes, around, constant_values=zero) - zero  # a map of whole numbers lies in 0.0
    weight, scale = layer.codes.double(), layer.scale.double()
    error = (weight * scale[:, None, None, None] - conv.weight.double()).abs().amax((1, 2, 3))
    assert (error <= 0.51 * scale).all()
    sums = F.conv2d(
        torch.from_numpy(lying), weight, None, conv.stride, 0, conv.dilation, conv.groups
    )
    wanted = sums * (scale * layer.step.double())[:, None, None]
    if conv.bias is not None:
        wanted += conv.bias.double()[:, None, None]
    if packed:
        pack(layer, small)
    assert torch.allclose(layer(x).double(), wanted, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("packed", [False, True])
def test_a_linear_layer_of_whole_numbers_has_the_sums_of_float64(small: Any, packed: bool) -> None:
    torch.manual_seed(1)
    linear, x = nn.Linear(20, 7), torch.randn(2, 5, 20)
    layer = small.static.made_static(linear, x.min(), x.max())
    codes = (x.double() / layer.step.double()).round() + layer.zero
    scale = layer.scale.double() * layer.step.double()
    wanted = (codes.clamp(0, 255) - layer.zero) @ layer.codes.double().T * scale
    wanted = wanted + linear.bias.double()
    if packed:
        pack(layer, small)
    assert torch.allclose(layer(x).double(), wanted, rtol=1e-6, atol=1e-6)


def pack(layer: Any, small: Any) -> None:
    if not small.static.has_kernels():
        pytest.skip("PyTorch has no kernels for whole numbers here")
    layer.pack()
    assert layer.packed is not None


@pytest.mark.skipif(not X86, reason="kernels are of CPUs as most servers have them")
def test_the_private_operators_are_there_as_they_are_called(small: Any) -> None:
    assert small.static.has_kernels()
    wanted = {
        "qconv_prepack": "(Tensor weight, Tensor w_scales, float x_scale, int x_zp, int[] stride, "
        "int[] padding, int[] dilation, int groups, int[]? x_shape=None) -> Tensor",
        "qconv_pointwise": "(Tensor qx, float x_scale, int x_zero_point, Tensor qw, "
        "Tensor w_scale, Tensor w_zero_point, Tensor? bias, int[] stride, int[] padding, "
        "int[] dilation, int groups, float output_scale, int output_zero_point, "
        "ScalarType? output_dtype, str attr, Scalar?[] scalars, str? algorithm) -> Tensor",
        "qlinear_prepack": "(Tensor weight, int[]? x_shape) -> Tensor",
        "qlinear_pointwise": "(Tensor qx, float x_scale, int x_zero_point, Tensor qw, "
        "Tensor w_scale, Tensor w_zero_point, Tensor? bias, float output_scale, "
        "int output_zero_point, ScalarType? output_dtype, str post_op_name, "
        "Scalar?[] post_op_args, str post_op_algorithm) -> Tensor",
    }
    for name, schema in wanted.items():
        assert str(getattr(torch.ops.onednn, name).default._schema) == f"onednn::{name}{schema}"


@pytest.mark.parametrize(
    "activation", [nn.ReLU(), nn.ReLU6(), nn.SiLU(), nn.Hardswish()], ids=lambda one: str(one)
)
def test_kernels_round_for_the_next_layer_as_that_one_does(
    small: Any, activation: nn.Module
) -> None:
    torch.manual_seed(2)
    x = torch.randn(2, 4, 9, 9) * 3
    plain = small.static.made_static(nn.Conv2d(4, 8, 3), x.min(), x.max())
    plain.activation, span = activation, (torch.tensor(-0.5), torch.tensor(6.0))
    plain.emits = small.static.grid(*span)
    wanted = plain(x)
    floats = plain.emits
    plain.emits = None
    assert torch.equal(small.static.rounded(plain(x), *floats), wanted)
    plain.emits = floats
    pack(plain, small)
    found = plain(x)
    assert found.dtype == torch.uint8 and wanted.float().std() > 10
    difference = (found.int() - wanted.int()).abs()
    assert difference.max() <= 1 and (difference > 0).float().mean() < 0.01


def test_filters_of_eight_bits_compute_what_their_numbers_say(small: Any) -> None:
    torch.manual_seed(4)
    conv, x = nn.Conv2d(4, 8, 3, padding=1, groups=2, stride=2), torch.randn(2, 4, 9, 9)
    made = small.convolutions.int8_conv(conv)
    numbers = made.codes.double() * made.scale.double()[:, None, None, None]
    assert made.codes.dtype == torch.int8 and made.codes.abs().amax((1, 2, 3)).min() == 127
    assert torch.allclose(numbers, conv.weight.double(), atol=numbers.abs().max() / 200)
    assert conv.bias is not None
    wanted = F.conv2d(x.double(), numbers, conv.bias.double(), 2, 1, 1, 2)
    assert torch.allclose(made(x).double(), wanted, atol=1e-5)


# ---- whole models ----


def test_folded_norms_change_nothing_that_is_computed(small: Any, model: nn.Module) -> None:
    model = model.double()
    x = images().double()
    wanted = model(x)
    small.layers.fold_norms(model)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in model.modules())
    assert torch.allclose(model(x), wanted, rtol=1e-10)


def test_layers_that_hand_on_whole_numbers_compute_the_same(small: Any, model: nn.Module) -> None:
    made = as_static(small, model)
    wanted = made(images())
    small.layers.chain(made)
    static = [module for module in made.modules() if isinstance(module, small.static.Static)]
    kinds = [(type(one.activation).__name__, one.emits is not None) for one in static]
    # depthwise to pointwise; out to a sum; in a residual; to the head's last; the head's last
    assert kinds == [
        ("ReLU", True),
        ("ReLU6", False),
        ("ReLU", False),
        ("ReLU", True),
        ("Identity", False),
    ]
    assert torch.allclose(made(images()), wanted, atol=1e-5)
    small.layers.pack(made)
    assert (made(images()) - wanted).abs().max() < 0.02 * wanted.abs().max()


def test_the_first_layer_reads_images_as_they_are(small: Any, model: nn.Module) -> None:
    names = [*small.layers.candidates(model)]
    assert "before.0" not in names and len(names) == 5
    assert len(small.layers.candidates(model, [names[-1]])) == 4


def test_outputs_keep_their_means(small: Any, model: nn.Module, tmp_path: Path) -> None:
    small.layers.fold_norms(model)
    names = [*small.layers.candidates(model)]
    made = as_static(small, small.model.Model(small.model.Config()).eval())
    made.load_state_dict(as_static(small, copied(small, model)).state_dict())
    batch = SimpleNamespace(to=lambda device: images(16))
    run = SimpleNamespace(model=made, device=torch.device("cpu"))
    means: dict[str, Tensor] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(small.ranges, "sum_of_losses", lambda run, network, batch: network(batch))
        small.ranges.centre(run, [batch], model, names)
    for one in (model, made):
        with small.ranges.seen(one, names, lambda name, y: note(means, name, y)):
            one(images(16))
    assert all(difference.abs().max() < 1e-4 for difference in means.values()) and len(means) == 5


def note(means: dict[str, Tensor], name: str, y: Tensor) -> None:
    """The mean of each output, or of the second model how far it is from that."""
    mean = y.transpose(0, 1).flatten(1).mean(1)
    means[name] = mean - means.get(name, torch.zeros_like(mean))


def copied(small: Any, model: nn.Module) -> nn.Module:
    """Another of the same floats, whose norms are folded already."""
    other = small.model.Model(small.model.Config()).eval()
    small.layers.fold_norms(other)
    other.load_state_dict(model.state_dict())
    return other


# ---- training ----


def test_gradients_pass_as_if_nothing_were_rounded(small: Any) -> None:
    torch.manual_seed(5)
    conv = nn.Conv2d(2, 4, 3, padding=1)
    layer = small.aware.AwareConv2d(conv).eval()
    layer.range.copy_(torch.tensor([-1.0, 2.0]))
    x = torch.randn(2, 2, 6, 6, requires_grad=True) * 1.5
    x.retain_grad()
    given = torch.randn(2, 4, 6, 6)
    layer(x).backward(given)
    assert layer.weight is conv.weight and x.grad is not None and conv.weight.grad is not None
    step = 3 / 255
    inside = (x > -85 * step - 1e-6) & (x < 170 * step + 1e-6)
    assert 0 < inside.float().mean() < 1
    near = ((x.detach() / step).round().clamp(-85, 170) * step).requires_grad_()
    scale = conv.weight.detach().abs().amax((1, 2, 3), keepdim=True) / 127
    weight = ((conv.weight.detach() / scale).round() * scale).requires_grad_()
    F.conv2d(near, weight, conv.bias, padding=1).backward(given)
    assert near.grad is not None and weight.grad is not None
    assert torch.allclose(x.grad, near.grad * inside, atol=1e-5)
    assert torch.allclose(conv.weight.grad, weight.grad, atol=1e-4)


def test_ranges_are_moving_averages_of_those_of_batches(small: Any) -> None:
    layer = small.aware.AwareLinear(nn.Linear(6, 3)).train()
    low = high = None
    for seed in range(4):
        x = np.random.default_rng(seed).normal(seed, 1, (5, 6)).astype(np.float32)
        own = min(x.min(), 0.0), max(x.max(), 0.0)
        low = own[0] if low is None else low + 0.01 * (own[0] - low)
        high = own[1] if high is None else high + 0.01 * (own[1] - high)
        layer(torch.from_numpy(x))
    assert np.allclose(layer.range.numpy(), (low, high), rtol=1e-5)
    before = layer.range.clone()
    layer.eval()(torch.full((5, 6), 100.0))
    assert torch.equal(layer.range, before)


@pytest.fixture(scope="module")
def trained(small: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run's folder, and beside it the same run stopped and taken up again."""
    folder = tmp_path_factory.mktemp("runs")
    generator = np.random.default_rng(0)
    labels = np.arange(60) % 3
    pixels = generator.integers(0, 256, (60, 12, 12, 2)) // 2 + 40 * labels[:, None, None, None]
    np.savez(folder / "images.npz", images=pixels.astype(np.uint8), labels=labels)
    given = ["--data", str(folder / "images.npz"), "--device", "cpu", "--checkpoint-every", "4"]
    with torch.enable_grad():
        assert small.train.main([*given, "--out", str(folder / "whole")]) == 0
        step = small.train.train_step

        def stopped(run: Any, lr_scale: float) -> Any:
            if run.step == 4:
                raise RuntimeError("stopped")
            return step(run, lr_scale)

        with pytest.MonkeyPatch.context() as patch, pytest.raises(RuntimeError, match="stopped"):
            patch.setattr(small.train, "train_step", stopped)
            small.train.main([*given, "--out", str(folder / "resumed")])
        assert small.train.main(["--resume", "--out", str(folder / "resumed")]) == 0
    return folder


def test_a_run_that_rounds_goes_on_bit_for_bit(trained: Path) -> None:
    whole, resumed = (
        load_file(trained / name / "checkpoint.safetensors") for name in ("whole", "resumed")
    )
    assert whole.keys() == resumed.keys()
    assert sum(name.endswith(".range") for name in whole) == 5
    assert all(torch.equal(tensor, resumed[name]) for name, tensor in whole.items())


def test_what_was_trained_to_round_is_worth_as_much_in_whole_numbers(
    small: Any, trained: Path
) -> None:
    to = trained / "compressed"
    given = ["--checkpoint", str(trained / "whole"), "--out", str(to), "--device", "cpu"]
    assert small.compress.main(given) == 0
    before, after = (small.load.load(path, "cpu") for path in (trained / "whole", to))
    assert not any("range" in name for name in after.state_dict())
    x = torch.rand(8, 2, 12, 12, generator=torch.Generator().manual_seed(0))
    wanted = before(x)
    assert (after(x) - wanted).abs().max() < 0.01 * wanted.abs().max()
    plain = small.load.open_model(to)  # without kernels
    assert torch.allclose(plain(x), wanted, atol=1e-4 * wanted.abs().max().item())
    tensors = load_file(to / "checkpoint.safetensors")
    sizes = [t.nbytes for name, t in tensors.items() if name.endswith((".codes", ".weight"))]
    assert sum(sizes) < 0.45 * sum(p.nbytes for p in before.parameters() if p.ndim > 1)


def test_a_trained_model_is_calibrated_with_its_own_data(
    small: Any, trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base = ["--checkpoint", str(trained / "whole"), "--device", "cpu", "--rows", "16"]
    out = str(trained / "int4")
    assert small.compress.main([*base, "--to", "int4", "--out", out]) == 2
    assert "--static is of whole numbers alone" in capsys.readouterr().err
    assert small.compress.main([*base, "--no-static", "--out", str(trained / "weights")]) == 0
    after = small.load.load(trained / "weights", "cpu")
    assert any(isinstance(m, small.convolutions.Int8Conv2d) for m in after.modules())


# ---- specs ----


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ("{activations: static}", "inputs have ranges of their own"),
        ("{activations: dynamic, weights: int4}", "`int4` multiplies inputs as they are"),
        ("{aware: true, by: awq}", "takes no others"),
    ],
)
def test_what_can_not_be_rounded_so_is_refused(tmp_path: Path, said: str, message: str) -> None:
    path = tmp_path / "small.yaml"
    model = "{vocab_size: 8, d_model: 32, layers: 1, attention: {heads: 2}}"
    path.write_text(f"name: small\nmodel: {model}\ntrain: {{quantize: {said}}}\n")
    with pytest.raises(SpecError) as caught:
        load_spec(path, tmp_path)
    assert message in str(caught.value)
