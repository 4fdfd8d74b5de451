"""Matrices of few bits beside float64, GPTQ and AWQ beside brute force, PyTorch's own products."""

from __future__ import annotations

import argparse
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tests.packages import import_package

SPEC: dict[str, Any] = {
    "name": "small",
    "model": {
        "vocab_size": 65,
        "context_length": 64,
        "d_model": 64,
        "layers": 2,
        "attention": {"heads": 4},
        "embedding": {"tied": True},
    },
    "data": {"tokenizer": "char"},
    "train": {"quantize": "int4", "steps": 30, "batch": 8},
}


@pytest.fixture(scope="module")
def modules(tmp_path_factory: pytest.TempPathFactory) -> tuple[ModuleType, ModuleType]:
    folder = tmp_path_factory.mktemp("few_bits")
    quantize, calibrate = import_package(folder, SPEC, "quantize", "calibrate")
    return quantize, calibrate


@pytest.fixture
def quantize(modules: tuple[ModuleType, ModuleType]) -> ModuleType:
    return modules[0]


@pytest.fixture
def calibrate(modules: tuple[ModuleType, ModuleType]) -> ModuleType:
    return modules[1]


def drawn(*shape: int, seed: int = 0) -> Tensor:
    """Normal numbers, of which rows and columns differ in size."""
    generator = torch.Generator().manual_seed(seed)
    numbers = torch.randn(*shape, generator=generator)
    for axis in range(2):
        sizes = torch.rand(shape[axis], generator=generator) + 0.2
        numbers = numbers * sizes.unsqueeze(1 - axis)
    return numbers


def inputs_of(rows: int, width: int) -> Tensor:
    """Rows in which columns are like each other, as activations are."""
    generator = torch.Generator().manual_seed(1)
    mixed = torch.randn(rows, width // 2, generator=generator)
    return mixed @ torch.randn(width // 2, width, generator=generator) + drawn(rows, width, seed=2)


# ---- whole numbers and their scales ----


def test_eight_bits_are_the_nearest_by_rows(quantize: ModuleType) -> None:
    weight = drawn(24, 40)
    codes, scale = quantize.to_int8(weight)
    w, s = weight.double().numpy(), scale.double().numpy()
    assert np.allclose(s, np.abs(w).max(1) / 127, rtol=2**-8)  # as bfloat16 has it
    wanted = np.clip(np.round(w / s[:, None]), -127, 127)
    assert (np.abs(codes.numpy() - wanted) <= (np.abs(w / s[:, None] % 1 - 0.5) < 1e-4)).all()


@pytest.mark.parametrize("symmetric", [False, True])
def test_four_bits_are_the_nearest_by_groups(quantize: ModuleType, symmetric: bool) -> None:
    weight = drawn(24, 96)
    scales = quantize.scales_of(weight, 32, symmetric)
    codes = quantize.nearest(weight, scales)
    assert scales.shape == (3, 24, 2) and codes.min() >= 0 and codes.max() <= 15
    for group in range(3):
        part = weight[:, 32 * group : 32 * group + 32].double()
        scale, offset = scales[group].double().unbind(-1)
        if symmetric:
            assert not offset.any()
            assert torch.allclose(scale, part.abs().amax(1) / 7, rtol=2**-8)
        else:
            assert torch.allclose(scale, (part.amax(1) - part.amin(1)) / 15, rtol=2**-8)
        all_codes = torch.arange(16.0, dtype=torch.float64)
        numbers = scale[:, None] * (all_codes - 8) + offset[:, None]  # (outputs, 16)
        best = (part[..., None] - numbers[:, None]).abs().amin(-1)
        own = codes[:, 32 * group : 32 * group + 32].long()
        mine = (part - numbers.gather(1, own)).abs()
        assert torch.allclose(mine, best, atol=1e-6)


def test_codes_in_bytes_are_what_they_were(quantize: ModuleType) -> None:
    codes = torch.randint(16, (5, 64))
    both = quantize.paired(codes)
    assert both.dtype == torch.uint8 and both.shape == (5, 32)
    assert torch.equal(both & 15, codes[:, ::2]) and torch.equal(both >> 4, codes[:, 1::2])
    assert torch.equal(quantize.unpaired(both), codes)


# ---- modules ----


def made(quantize: ModuleType, kind: str, outputs: int = 48, inputs: int = 96) -> Any:
    linear = nn.Linear(inputs, outputs)
    with torch.no_grad():
        linear.weight.copy_(drawn(outputs, inputs))
    dynamic = kind == "dynamic"
    module = quantize.quantized(linear, "int8" if dynamic else kind, 32, False, dynamic)
    return module.float()


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("rows", [1, 7, 100])
@pytest.mark.parametrize("kind", ["int8", "int4", "dynamic"])
def test_a_module_computes_what_its_numbers_say(
    quantize: ModuleType, kind: str, rows: int, packed: bool
) -> None:
    module, x = made(quantize, kind), drawn(rows, 96, seed=3)
    weight = module.weight.double()
    wanted = x.double() @ weight.T + module.bias.double()
    if packed:
        quantize.pack(module)
    y = module(x.view(1, rows, 96))
    assert y.shape == (1, rows, 48) and y.dtype == torch.float32
    error = ((y[0] - wanted).norm(dim=1) / wanted.norm(dim=1)).max()
    assert error < (0.02 if kind == "dynamic" else 0.008)  # of inputs of 8 bits; of bfloat16
    assert module(x.bfloat16()).dtype == torch.bfloat16


def test_products_of_whole_numbers_are_exact(quantize: ModuleType) -> None:
    module, x = made(quantize, "dynamic"), drawn(9, 96, seed=4)
    size = np.abs(x.numpy()).max(1, keepdims=True).astype(np.float64)
    rows = np.round(np.float32(127) * (x.numpy() / size.astype(np.float32))).astype(np.int64)
    sums = rows @ module.codes.numpy().astype(np.int64).T
    wanted = sums / 127 * size * module.scale.double().numpy() + module.bias.detach().numpy()
    assert np.allclose(module(x).detach().numpy(), wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", ["int8", "int4", "dynamic"])
def test_pytorchs_products_are_those_of_the_plain_path(
    quantize: ModuleType, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """These operators are not promised: where one is gone, the plain path does the same."""
    for name in ("_weight_int8pack_mm", "_int_mm", "fbgemm_linear_int8_weight_fp32_activation"):
        assert hasattr(torch, name)
    assert quantize.packs_int4(torch.zeros(48, 16, dtype=torch.uint8), 32)
    module, x = made(quantize, kind), drawn(5, 96, seed=5)
    quantize.pack(module)
    fast = module(x)
    for name in ("_weight_int8pack_mm", "_int_mm", "fbgemm_linear_int8_weight_fp32_activation"):
        monkeypatch.delattr(torch, name)
    monkeypatch.setattr(quantize, "packs_int4", lambda *_: False)
    plain = made(quantize, kind)
    plain.bias = module.bias
    quantize.pack(plain)
    error = (fast - plain(x)).norm() / fast.norm()
    assert error < 0.012


@pytest.mark.parametrize(("inputs", "offset"), [(64, 0), (64, 1), (64, 8), (40, 0), (33, 0)])
def test_codes_of_any_width_and_from_any_address(
    quantize: ModuleType, inputs: int, offset: int
) -> None:
    """A CPU's product reads 16 codes at once, from addresses that 16 divides, or ends the process;
    files hold them anywhere."""
    codes, scale = quantize.to_int8(drawn(17, inputs))
    there = torch.empty(codes.numel() + offset, dtype=torch.int8)[offset:].view_as(codes)
    module = quantize.Int8Linear(there.copy_(codes), scale.float())
    quantize.pack(module)
    x = drawn(3, inputs, seed=6)
    wanted = x.double() @ module.weight.double().T
    assert (module(x) - wanted).norm() < 0.008 * wanted.norm()


def test_what_is_packed_keeps_its_weight(quantize: ModuleType) -> None:
    module = made(quantize, "int4")
    before = module.weight
    module.pack()
    assert torch.allclose(module.weight, before, rtol=2**-7, atol=1e-3)


# ---- GPTQ and AWQ ----


def brute_force(weight: Tensor, gram: Tensor, scales: list[Tensor], group: int) -> np.ndarray:
    """Codes one input at a time, after which those that are left are solved for anew (OBQ)."""
    w, h = weight.double().numpy().copy(), gram.double().numpy()
    h = h + 0.01 * np.diag(h).mean() * np.eye(len(h))
    codes, original = np.zeros_like(w), w.copy()
    done = np.zeros_like(w)
    for column in range(w.shape[1]):
        scale, offset = (part.double().numpy() for part in scales[column // group].unbind(-1))
        codes[:, column] = np.clip(np.round((w[:, column] - offset) / scale) + 8, 0, 15)
        done[:, column] = scale * (codes[:, column] - 8) + offset
        a, b = slice(0, column + 1), slice(column + 1, None)
        if column + 1 < w.shape[1]:  # what is left minimises |(w - original) X|
            change = (done - original)[:, a] @ h[a, b]
            w[:, b] = original[:, b] - np.linalg.solve(h[b, b], change.T).T
    return codes


@pytest.mark.parametrize("width", [32, 160])
def test_gptq_takes_the_codes_of_brute_force(calibrate: ModuleType, width: int) -> None:
    weight, x = drawn(12, width), inputs_of(300, width)
    gram = x.T @ x
    codes, scales = calibrate.gptq(weight, gram, 32, False)
    wanted = brute_force(weight, gram, list(scales), 32)
    assert (codes.numpy() == wanted).mean() > 0.995  # but for ties and rounding in float32
    found = calibrate.gptq(weight, torch.eye(width), 32, False)[0]
    assert torch.equal(found, calibrate.nearest(weight, calibrate.scales_of(weight, 32, False)))


@pytest.mark.parametrize("by", ["gptq", "awq"])
@pytest.mark.parametrize("symmetric", [False, True])
@pytest.mark.parametrize("group", [32, 64])
def test_outputs_change_less_than_by_the_nearest(
    quantize: ModuleType, calibrate: ModuleType, by: str, symmetric: bool, group: int
) -> None:
    linear, x = nn.Linear(128, 40), inputs_of(400, 128) * (1 + 20 * (torch.arange(128) % 16 == 0))
    with torch.no_grad():
        linear.weight.copy_(drawn(40, 128))
    wanted = x.double() @ linear.weight.double().T

    def error(module: nn.Module) -> float:
        weight: Any = module.weight
        return ((x.double() @ weight.double().T - wanted).norm() / wanted.norm()).item()

    near = error(quantize.quantized(linear, "int4", group, symmetric, False))
    options = argparse.Namespace(group=group, symmetric=symmetric)
    found = error(getattr(calibrate, f"by_{by}")(linear, calibrate.Seen.of(x), options))
    assert 0 < found < 0.9 * near


def test_awq_takes_the_power_that_is_best(quantize: ModuleType, calibrate: ModuleType) -> None:
    weight, x = drawn(20, 64), inputs_of(200, 64) * (1 + 20 * (torch.arange(64) % 16 == 0))
    factors = calibrate.awq(weight, x.T @ x, x.abs().sum(0), 32, False).double()
    errors = []
    for power in np.linspace(0, 1, calibrate.POWERS + 1):
        size = x.abs().double().mean(0)
        own = (size / size.mean()) ** -power
        own = own / (own.max() * own.min()).sqrt()
        scales = quantize.scales_of(weight / own, 32, False)
        near = quantize.valued(quantize.nearest(weight / own, scales), scales).double() * own
        errors.append(((near - weight) @ x.double().T).norm().item())
        if errors[-1] == min(errors):
            best = own
    assert torch.allclose(factors, best, rtol=1e-3)
    assert min(errors) < 0.9 * errors[0]


# ---- a whole run ----


def test_a_trained_model_of_few_bits_is_used_like_any(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    train, compress, evaluate, sample = import_package(
        tmp_path, SPEC, "train", "compress", "evaluate", "sample"
    )
    monkeypatch.chdir(tmp_path)
    Path("text.txt").write_text("One two three four five six seven eight nine ten. " * 60)
    assert train.main(["--data", "text.txt", "--device", "cpu"]) == 0
    losses = {"dense": loss_of(evaluate, "out/small")}
    for name, asked in {
        "int8": ["--to", "int8"],
        "dynamic": ["--to", "int8", "--dynamic"],
        "nearest": ["--by", "nearest"],
        "gptq": [],
        "awq": ["--by", "awq", "--symmetric"],
        "some": ["--skip", "q_proj", "head"],
    }.items():
        assert compress.main([*asked, "--rows", "16", "--device", "cpu", "--out", name]) == 0
        losses[name] = loss_of(evaluate, name)
        asked = ["--checkpoint", name, "--prompt", "One", "--tokens", "5", "--device", "cpu"]
        assert sample.main(asked) == 0
    assert max(losses.values()) - min(losses.values()) < 0.02
    assert len({f"{loss:.6f}" for loss in losses.values()}) > 4

    capsys.readouterr()
    assert compress.main(["--out", "int8", "--device", "cpu"]) == 2
    assert "is there already" in capsys.readouterr().err
    assert compress.main(["--to", "none", "--out", "none", "--device", "cpu"]) == 2
    assert "say what to do" in capsys.readouterr().err
    assert compress.main(["--checkpoint", "int8", "--out", "twice", "--device", "cpu"]) == 2
    assert "int8 has no matrices of floats left" in capsys.readouterr().err
    assert train.main(["--data", "text.txt", "--from", "int8", "--out", "new"]) == 2
    assert "few bits" in capsys.readouterr().err


def loss_of(evaluate: ModuleType, checkpoint: str) -> float:
    options = evaluate.parse_options(["--device", "cpu"])
    options.checkpoint = Path(checkpoint)
    found = next(evaluate.found_of(options))
    value: float = found.figures["loss per token"].value
    return value
