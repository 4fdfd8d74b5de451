# Made from specs/cnn_fashion.yaml; make it again: tgen build specs/cnn_fashion.yaml
"""Weights of few bits: modules with whole numbers and their scales in the place of a matrix.

Scales are numbers of bfloat16, so that each type of floats has them exactly. On a CPU few rows at
once go through PyTorch's products with whole numbers, which read less memory than others would;
they take inputs in bfloat16.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator
from fnmatch import fnmatchcase

import torch
import torch.nn.functional as F
from torch import Tensor, nn

ROWS = 32  # up to which a CPU's products with whole numbers are faster than those with their floats
KINDS = ("int8", "int4")
# ---- whole numbers and their scales ----


def to_int8(weight: Tensor) -> tuple[Tensor, Tensor]:
    """Whole numbers from -127 to 127 (outputs, inputs), and a scale for each row (outputs,)."""
    weight = weight.float()
    scale = (weight.abs().amax(1) / 127).clamp_min(1e-12).bfloat16()
    codes = (weight / scale.float()[:, None]).round().clamp(-127, 127)
    return codes.to(torch.int8), scale


def scales_of(weight: Tensor, group: int, symmetric: bool) -> Tensor:
    """A scale and an offset for each group of inputs of an output. (groups, outputs, 2)

    A code c from 0 to 15 is the number scale * (c - 8) + offset.
    """
    parts = torch.unflatten(weight.float(), 1, (-1, group))
    if symmetric:
        scale = parts.abs().amax(2) / 7
        offset = torch.zeros_like(scale)
    else:
        low, high = parts.amin(2), parts.amax(2)
        scale = (high - low) / 15
        offset = low + 8 * scale
    both = torch.stack((scale.clamp_min(1e-12), offset), dim=-1)
    return both.transpose(0, 1).contiguous().bfloat16()


def nearest(weight: Tensor, scales: Tensor) -> Tensor:
    """The code from 0 to 15 that is nearest to each weight. (outputs, inputs)"""
    scale, offset = spread(scales, weight.size(1))
    return ((weight - offset) / scale).round().add(8).clamp(0, 15)


def spread(scales: Tensor, inputs: int) -> tuple[Tensor, Tensor]:
    """Scale and offset of each weight, both (outputs, inputs)."""
    each = scales.float().repeat_interleave(inputs // len(scales), dim=0)
    return each[..., 0].T, each[..., 1].T


def valued(codes: Tensor, scales: Tensor) -> Tensor:
    """The numbers of codes from 0 to 15. (outputs, inputs)"""
    scale, offset = spread(scales, codes.size(1))
    return scale * (codes.float() - 8) + offset


def paired(codes: Tensor) -> Tensor:
    """Two codes in a byte, the first in its low half. (outputs, inputs / 2)"""
    codes = codes.to(torch.uint8)
    return codes[:, ::2] | codes[:, 1::2] << 4


def unpaired(codes: Tensor) -> Tensor:
    """Each byte's two codes. (outputs, inputs)"""
    return torch.stack((codes & 15, codes >> 4), dim=-1).flatten(1)


# ---- modules ----


class Quantized(nn.Module):
    """y = W x + b, where W is kept as whole numbers and their scales."""

    codes: Tensor
    bias: nn.Parameter | None

    def product(self, x: Tensor) -> Tensor:
        """Of rows (rows, inputs) with the matrix. (rows, outputs)"""
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        y = self.product(x.flatten(0, -2)).view(*x.shape[:-1], -1)
        return y if self.bias is None else y + self.bias.type_as(y)


class Int8Linear(Quantized):
    """W = scale * codes, by rows."""

    scale: Tensor

    def __init__(self, codes: Tensor, scale: Tensor, bias: nn.Parameter | None = None) -> None:
        super().__init__()
        self.register_buffer("codes", codes)  # int8 (outputs, inputs)
        self.register_buffer("scale", scale)  # (outputs,)
        self.bias = bias
        self.ready = False

    @property
    def weight(self) -> Tensor:
        return self.codes.type_as(self.scale) * self.scale[:, None]

    def product(self, x: Tensor) -> Tensor:
        return int8_product(x, self.codes, self.scale, self.ready)

    def pack(self) -> None:
        """For use alone: what is packed can't be saved."""
        self.codes, self.ready = aligned(self.codes)


class DynamicInt8Linear(Int8Linear):
    """The same with whole numbers as inputs, too: each row has a scale of its own."""

    def __init__(self, codes: Tensor, scale: Tensor, bias: nn.Parameter | None = None) -> None:
        super().__init__(codes, scale, bias)
        self.register_buffer("dynamic", scale.new_ones(()))  # by which a checkpoint says so
        self.packed: tuple[Tensor, Tensor] | None = None

    def product(self, x: Tensor) -> Tensor:
        size = x.abs().amax(1, keepdim=True).float().clamp_min(1e-12)
        rows = x.float() / size  # from -1 to 1
        if self.packed is None:
            sums = whole_product((127 * rows).round().to(torch.int8), self.codes).float() / 127
        else:
            sums = int8_packed(rows, self.codes, *self.packed)
        return (sums * size * self.scale.float()).type_as(x)

    def pack(self) -> None:
        """For use alone: what is packed can't be saved."""
        if self.packed is None and packs_int8(self.codes):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # PyTorch means to drop it: then the rest does
                packed = torch.fbgemm_pack_quantized_matrix(self.codes)
                self.packed = packed, self.codes.sum(1, dtype=torch.int32)
                self.codes = self.codes.new_empty(1, 1).expand_as(self.codes)  # a shape alone
                self.product(self.scale.new_zeros(1, self.codes.size(1)))


class Int4Linear(Quantized):
    """W in groups of inputs, each with a scale and an offset.

    A CPU's products read codes in an order of their own, into which `pack` brings them for good.
    `factors`, if there are any, multiply inputs first (AWQ).
    """

    scales: Tensor
    factors: Tensor | None

    def __init__(
        self,
        codes: Tensor,
        scales: Tensor,
        bias: nn.Parameter | None = None,
        factors: Tensor | None = None,
    ) -> None:
        super().__init__()
        self.register_buffer("codes", codes)  # uint8 (outputs, inputs / 2)
        self.register_buffer("scales", scales)  # (groups, outputs, 2)
        self.register_buffer("factors", factors)  # (inputs,)
        self.bias = bias
        self.group = 2 * codes.size(1) // len(scales)
        self.packed: tuple[Tensor, Tensor] | None = None

    @property
    def weight(self) -> Tensor:
        if self.packed is None:
            weight = valued(unpaired(self.codes), self.scales)
        else:
            inputs = torch.eye(self.group * len(self.packed[1]), dtype=torch.bfloat16)
            weight = int4_packed(inputs, *self.packed, self.group).T
        weight = weight if self.factors is None else weight * self.factors
        return weight.type_as(self.scales)

    def product(self, x: Tensor) -> Tensor:
        if self.factors is not None:
            x = x * self.factors
        if self.packed is not None:
            return int4_packed(x.bfloat16(), *self.packed, self.group).type_as(x)
        return F.linear(x, valued(unpaired(self.codes), self.scales).type_as(x))

    def pack(self) -> None:
        """For use alone: what is packed can't be saved."""
        if self.packed is None and packs_int4(self.codes, self.group):
            self.packed = in_order(unpaired(self.codes)), self.scales.bfloat16()
            self.codes, self.scales = self.codes.new_empty(0), self.scales.new_empty(0)


class Int8Embedding(nn.Module):
    """A table whose rows are whole numbers, each with a scale; of a tied head, too."""

    codes: Tensor
    scale: Tensor

    def __init__(self, codes: Tensor, scale: Tensor) -> None:
        super().__init__()
        self.register_buffer("codes", codes)  # int8 (rows, width)
        self.register_buffer("scale", scale)  # (rows,)
        self.ready = False

    @property
    def weight(self) -> Tensor:
        return self.codes.type_as(self.scale) * self.scale[:, None]

    def forward(self, ids: Tensor) -> Tensor:
        return self.codes[ids].type_as(self.scale) * self.scale[ids][..., None]

    def product(self, x: Tensor) -> Tensor:
        """Of rows (rows, width) with those of the table. (rows, its rows)"""
        return int8_product(x, self.codes, self.scale, self.ready)

    def pack(self) -> None:
        self.codes, self.ready = aligned(self.codes)


# ---- products ----


def int8_product(x: Tensor, codes: Tensor, scale: Tensor, ready: bool) -> Tensor:
    """x (rows, inputs) with W = scale * codes (outputs, inputs). (rows, outputs)"""
    if x.device.type != "cpu":
        return F.linear(x, codes.type_as(x)) * scale.type_as(x)
    rows, scale = x.bfloat16(), scale.bfloat16()
    if ready and len(x) <= ROWS:
        return torch._weight_int8pack_mm(rows, codes, scale).type_as(x)
    return (F.linear(rows, codes.bfloat16()) * scale).type_as(x)


def aligned(codes: Tensor) -> tuple[Tensor, bool]:
    """Codes as a CPU's product reads them, and whether it can: 16 at once, from such addresses."""
    known = codes.device.type == "cpu" and hasattr(torch, "_weight_int8pack_mm")
    if not known or codes.size(1) % 16:
        return codes, False
    return (codes if codes.data_ptr() % 16 == 0 else codes.clone()), True


def packs_int8(codes: Tensor) -> bool:
    """Whether there is a product for whole numbers in the order of this device."""
    name = "fbgemm_linear_int8_weight_fp32_activation"
    engines = torch.backends.quantized.supported_engines
    return codes.device.type == "cpu" and hasattr(torch, name) and "fbgemm" in engines


def int8_packed(x: Tensor, codes: Tensor, packed: Tensor, sums: Tensor) -> Tensor:
    """Of rows from -1 to 1 (rows, inputs), which are rounded in it; `sums` are of codes' rows."""
    none = x.new_zeros(len(codes))
    return torch.fbgemm_linear_int8_weight_fp32_activation(x, codes, packed, sums, 1.0, 0, none)


def whole_product(x: Tensor, codes: Tensor) -> Tensor:
    """Sums of products of whole numbers (rows, inputs) and (outputs, inputs). (rows, outputs)"""
    if x.device.type == "cpu" and hasattr(torch, "_int_mm"):
        return torch._int_mm(x, codes.T)
    return F.linear(x.double(), codes.double())  # which has all sums exactly


def packs_int4(codes: Tensor, group: int) -> bool:
    """Whether there is a product for codes in the order of this device."""
    known = hasattr(torch.ops.aten, "_weight_int4pack_mm_for_cpu")
    fits = len(codes) % 16 == 0 and group in (32, 64, 128, 256)
    return known and fits and codes.device.type == "cpu"


def in_order(codes: Tensor) -> Tensor:
    """Codes (outputs, inputs) in the order in which a CPU's products read them."""
    packed: Tensor = torch.ops.aten._convert_weight_to_int4pack_for_cpu(codes.int(), 2)
    return packed


def int4_packed(x: Tensor, codes: Tensor, scales: Tensor, group: int) -> Tensor:
    y: Tensor = torch.ops.aten._weight_int4pack_mm_for_cpu(x.contiguous(), codes, group, scales)
    return y


# ---- of a whole model ----


def matrices(model: nn.Module, skip: Iterable[str] = ()) -> Iterator[tuple[str, nn.Module]]:
    """The modules that have a matrix and nothing else, by name, but for those to skip."""
    for name, module in model.named_modules():
        if type(module) in (nn.Linear, nn.Embedding) and not skipped(name, skip):
            yield name, module


def skipped(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(name, p) or f".{name}".endswith(f".{p}") for p in patterns)


def quantized(
    module: nn.Module,
    kind: str,
    group: int,
    symmetric: bool,
    dynamic: bool,
    choose: Callable[[Tensor, Tensor], Tensor] = nearest,
) -> nn.Module:
    """The module for the place of one with a matrix; `choose` finds codes by weights and scales."""
    assert isinstance(module, nn.Linear | nn.Embedding)
    weight = module.weight.detach()
    if isinstance(module, nn.Embedding):
        return Int8Embedding(*to_int8(weight))
    if kind == "int8" or weight.size(1) % group:
        made = DynamicInt8Linear if dynamic else Int8Linear
        return made(*to_int8(weight), module.bias)
    scales = scales_of(weight, group, symmetric)
    return Int4Linear(paired(choose(weight, scales)), scales, module.bias)


def pack(model: nn.Module) -> None:
    """Makes a model ready for use on its device."""
    for module in model.modules():
        if isinstance(module, Int8Linear | Int4Linear | Int8Embedding):
            module.pack()


def shape_like(model: nn.Module, tensors: dict[str, Tensor]) -> None:
    """Modules become those that tensors by these names are of; what is in them is read later."""
    for name in tensors:
        if name.endswith(".codes"):
            place = name.removesuffix(".codes")
            ends = ("codes", "scale", "scales", "factors", "dynamic")
            own = {end: tensors[f"{place}.{end}"] for end in ends if f"{place}.{end}" in tensors}
            model.set_submodule(place, blank_like(model.get_submodule(place), own))


def blank_like(module: nn.Module, own: dict[str, Tensor]) -> nn.Module:
    """A quantised module of the kind and size of its tensors, in the place of a plain one."""
    assert isinstance(module, nn.Linear | nn.Embedding)
    blank = {name: torch.empty_like(t, device=module.weight.device) for name, t in own.items()}
    bias = module.bias if isinstance(module, nn.Linear) else None
    if "scales" in own:
        return Int4Linear(blank["codes"], blank["scales"], bias, blank.get("factors"))
    if isinstance(module, nn.Embedding):
        return Int8Embedding(blank["codes"], blank["scale"])
    made = DynamicInt8Linear if "dynamic" in own else Int8Linear
    return made(blank["codes"], blank["scale"], bias)
