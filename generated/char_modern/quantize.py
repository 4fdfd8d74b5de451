# Made from specs/char_modern.yaml; make it again: tgen build specs/char_modern.yaml
"""Weights of few bits: modules with whole numbers and their scales in the place of a matrix."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from fnmatch import fnmatchcase

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .codes import (
    aligned,
    in_order,
    int4_packed,
    int8_packed,
    int8_product,
    nearest,
    packs_int4,
    packs_int8,
    paired,
    scales_of,
    to_int8,
    unpaired,
    valued,
    whole_product,
)

KINDS = ("int8", "int4")
GROUPS = (32, 64, 128, 256)  # inputs of an output that share a scale of int4


# ---- modules ----


class Quantized(nn.Module):
    """y = W x + b, where W is kept as whole numbers and their scales."""

    codes: Tensor
    bias: nn.Parameter | None

    def product(self, x: Tensor) -> Tensor:
        """Of rows (rows, inputs) with the matrix. (rows, outputs)"""
        raise NotImplementedError

    def pack(self) -> None:
        """Makes ready for use alone: what is packed can't be saved."""
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
        self.packed: tuple[Tensor, Tensor] | None = None

    @property
    def weight(self) -> Tensor:
        return self.codes.type_as(self.scale) * self.scale[:, None]

    def product(self, x: Tensor) -> Tensor:
        return int8_product(x, self.codes, self.scale, self.packed)

    def pack(self) -> None:
        if packed := aligned(self.codes, self.scale):
            self.codes, self.packed = packed[0], packed


class DynamicInt8Linear(Int8Linear):
    """The same with whole numbers as inputs, too: each row has a scale of its own."""

    def __init__(self, codes: Tensor, scale: Tensor, bias: nn.Parameter | None = None) -> None:
        super().__init__(codes, scale, bias)
        self.register_buffer("dynamic", scale.new_ones(()))  # by which a checkpoint says so

    @property
    def weight(self) -> Tensor:
        if self.packed is None:
            return super().weight
        inputs = torch.eye(self.codes.size(1))  # of which the rounding changes nothing
        return self.product(inputs).T.type_as(self.scale)

    def product(self, x: Tensor) -> Tensor:
        size = x.abs().amax(1, keepdim=True).float().clamp_min(1e-12)
        rows = x.float() / size  # from -1 to 1
        if self.packed is None:
            sums = whole_product((127 * rows).round().to(torch.int8), self.codes).float() / 127
        else:
            sums = int8_packed(rows, self.codes, *self.packed)
        return (sums * size * self.scale.float()).type_as(x)

    def pack(self) -> None:
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
        if self.packed is None and packs_int4(self.codes, self.group):
            self.packed = in_order(unpaired(self.codes)), self.scales.bfloat16()
            self.codes, self.scales = self.codes.new_empty(0), self.scales.new_empty(0)


class Int8Embedding(Int8Linear):
    """A table whose rows are looked up, and multiplied with where a head is tied to it."""

    def forward(self, ids: Tensor) -> Tensor:
        return self.codes[ids].type_as(self.scale) * self.scale[ids][..., None]


def linear(x: Tensor, module: nn.Module, bias: Tensor | None = None) -> Tensor:
    """Products with the rows of a table or a head (rows, width), as they are kept. (..., rows)"""
    if isinstance(module, Quantized):
        y = Quantized.forward(module, x)
    else:
        assert isinstance(module, nn.Linear | nn.Embedding)
        y = F.linear(x, module.weight)
    return y if bias is None else y + bias


def like(module: nn.Module) -> Tensor:
    """A tensor of the type, and on the device, of what a module computes."""
    if isinstance(module, Int4Linear):
        return module.scales
    if isinstance(module, Int8Linear):
        return module.scale
    assert isinstance(module.weight, Tensor)
    return module.weight


# ---- of a whole model ----


def matrices(
    model: nn.Module,
    skip: Sequence[str] = (),
    kinds: tuple[type[nn.Module], ...] = (nn.Linear, nn.Embedding),
) -> Iterator[tuple[str, nn.Module]]:
    """The modules that have a matrix and nothing else, by name, but for those to skip."""
    for name, module in model.named_modules():
        if type(module) in kinds and not skipped(name, skip):
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
        if isinstance(module, Quantized):
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
