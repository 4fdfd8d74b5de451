# Made from specs/cnn_fashion.yaml; make it again: tgen build specs/cnn_fashion.yaml
"""Matrices as whole numbers with their scales, and products with them.

Scales are numbers of bfloat16, so that each type of floats has them exactly. On a CPU few rows at
once go through PyTorch's products with whole numbers, which read less memory than others would;
they take inputs in bfloat16.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

ROWS = 32  # up to which a CPU's products with whole numbers are faster than those with their floats


# ---- whole numbers and their scales ----


def to_int8(weight: Tensor, dtype: torch.dtype = torch.bfloat16) -> tuple[Tensor, Tensor]:
    """Whole numbers from -127 to 127 (outputs, inputs), and a scale for each row (outputs,)."""
    weight = weight.float()
    scale = (weight.abs().amax(1) / 127).clamp_min(1e-12).to(dtype)
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


# ---- products ----


def int8_product(
    x: Tensor, codes: Tensor, scale: Tensor, packed: tuple[Tensor, Tensor] | None
) -> Tensor:
    """x (rows, inputs) with W = scale * codes (outputs, inputs). (rows, outputs)"""
    if x.device.type != "cpu":
        return F.linear(x, codes.type_as(x)) * scale.type_as(x)
    if packed is not None and len(x) <= ROWS:
        return torch._weight_int8pack_mm(x.bfloat16(), *packed).type_as(x)
    return (F.linear(x.bfloat16(), codes.bfloat16()) * scale.bfloat16()).type_as(x)


def aligned(codes: Tensor, scale: Tensor) -> tuple[Tensor, Tensor] | None:
    """Codes and scales as a CPU's product reads them: 16 at once, from addresses that 16 divides.

    None where it can't.
    """
    known = codes.device.type == "cpu" and hasattr(torch, "_weight_int8pack_mm")
    if not known or codes.size(1) % 16:
        return None
    return (codes if codes.data_ptr() % 16 == 0 else codes.clone()), scale.bfloat16()


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
