# Made from specs/cnn_fashion.yaml; make it again: tgen build specs/cnn_fashion.yaml
"""Which codes of four bits change least what a matrix computes from inputs that are met.

GPTQ (arXiv:2210.17323) rounds one input's weights after the other, and lets those that are left
make up for the errors so far; AWQ (arXiv:2306.00978) rounds all at once, after inputs that are
large were made smaller and their weights larger.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from .codes import nearest, paired, scales_of, valued
from .convolutions import PLAIN, int8_conv, is_plain
from .model import Model
from .quantize import Int4Linear, matrices, quantized
from .ranges import make_static
from .runs import Seen, met_by, rows_of, run_of

COLUMNS = 128  # whose errors are handed on together
DAMPING = 0.01  # of the mean of the diagonal, added to it (section 3.3 of GPTQ)
POWERS = 20  # of inputs' sizes that AWQ tries, from 0 to 1


def quantize(model: Model, options: argparse.Namespace) -> list[str]:
    """Puts modules of few bits in the place of a model's matrices; their names."""
    if options.static:
        check_static(options)
        return make_static(model, options)
    found = [*matrices(model, options.skip)]
    filters = [(n, m) for n, m in matrices(model, options.skip, PLAIN) if is_plain(m)]
    if not found and not filters:
        raise ValueError(f"{options.checkpoint} has no matrices of floats left, but for --skip")
    several = options.to == "int4" and options.by != "nearest"
    fits = [(n, m) for n, m in found if takes_int4(m, options.group)] if several else []
    if fits:
        seen_by_blocks(model, dict(fits), options)
    for name, module in found:
        if model.get_submodule(name) is module:
            kind = "int8" if several else options.to
            made = quantized(module, kind, options.group, options.symmetric, options.dynamic)
            model.set_submodule(name, made)
    for name, module in filters:
        model.set_submodule(name, int8_conv(module))
    return [name for name, _ in (*found, *filters)]


def check_static(options: argparse.Namespace) -> None:
    if options.to != "int8" or options.dynamic:
        raise ValueError("--static is of whole numbers alone: say --to int8 and --no-dynamic")


def takes_int4(module: nn.Module, group: int) -> bool:
    return isinstance(module, nn.Linear) and module.in_features % group == 0


def seen_by_blocks(
    model: Model, modules: dict[str, nn.Module], options: argparse.Namespace
) -> None:
    """Block by block, by what the blocks before, which are of few bits already, hand on.

    A matrix that no module multiplies with, such as a head's in the loss, stays as it is.
    """
    run = run_of(options.checkpoint, options.device, options.data, model)
    batches = rows_of(run, options.rows)
    for names in blocks(modules):
        met = met_by(run, batches, {name: modules[name] for name in names})
        for name, seen in met.items():
            module = modules[name]
            assert isinstance(module, nn.Linear)
            made = (by_gptq if options.by == "gptq" else by_awq)(module, seen, options)
            model.set_submodule(name, made)


def blocks(names: dict[str, nn.Module]) -> Iterator[list[str]]:
    """Names that are alike up to their last number, in order."""
    found: dict[tuple[str, ...], list[str]] = {}
    for name in names:
        parts = name.split(".")
        numbers = [place for place, part in enumerate(parts) if part.isdecimal()]
        end = numbers[-1] + 1 if numbers else len(parts)
        found.setdefault(tuple(parts[:end]), []).append(name)
    yield from found.values()


# ---- GPTQ ----


def by_gptq(linear: nn.Linear, seen: Seen, options: argparse.Namespace) -> Int4Linear:
    weight, group = linear.weight.detach(), options.group
    codes, scales = gptq(weight, seen.gram, group, options.symmetric)
    return Int4Linear(paired(codes), scales, linear.bias)


def gptq(weight: Tensor, gram: Tensor, group: int, symmetric: bool) -> tuple[Tensor, Tensor]:
    """Codes (outputs, inputs) and scales (groups, outputs, 2), by X^T X of inputs (inputs, inputs).

    Each column is rounded, and what this changes is made up for by those after it: of X W^T the
    squared error is then the least for the codes so far (section 3, equations 2 and 3).
    """
    left, factor = weight.float().clone(), inverse_factor(gram)
    width, codes, scales = max(COLUMNS, group), [], []
    for start in range(0, left.size(1), width):
        own, after = slice(start, start + width), slice(start + width, None)
        found = rounded(left[:, own], factor[own, own], group, symmetric)
        codes.append(found[0])
        scales += found[1]
        left[:, after] -= found[2] @ factor[own, after]
    return torch.cat(codes, dim=1), torch.stack(scales)


def rounded(
    left: Tensor, factor: Tensor, group: int, symmetric: bool
) -> tuple[Tensor, list[Tensor], Tensor]:
    """Codes of some columns (outputs, width), scales of their groups, and errors to hand on."""
    left, scales = left.clone(), []
    codes, errors = torch.zeros_like(left), torch.zeros_like(left)
    for column in range(left.size(1)):
        if column % group == 0:
            scales.append(scales_of(left[:, column : column + group], group, symmetric)[0])
        scale, offset = scales[-1].float().unbind(-1)
        codes[:, column] = ((left[:, column] - offset) / scale).round().add(8).clamp(0, 15)
        number = scale * (codes[:, column] - 8) + offset
        errors[:, column] = (left[:, column] - number) / factor[column, column]
        left[:, column:] -= errors[:, column, None] * factor[column, column:]
    return codes, scales, errors


def inverse_factor(gram: Tensor) -> Tensor:
    """The upper Cholesky factor of the inverse of a damped X^T X. (inputs, inputs)"""
    gram = gram.double()
    more = DAMPING * gram.diagonal().mean().clamp_min(1e-12)
    damped = gram + more * torch.eye(len(gram)).to(gram)
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(damped))
    return torch.linalg.cholesky(inverse, upper=True).float()


# ---- AWQ ----


def by_awq(linear: nn.Linear, seen: Seen, options: argparse.Namespace) -> Int4Linear:
    weight, group, symmetric = linear.weight.detach(), options.group, options.symmetric
    factors = awq(weight, seen.gram, seen.sizes, group, symmetric)
    scales = scales_of(weight / factors, group, symmetric)
    codes = nearest(weight / factors, scales)
    return Int4Linear(paired(codes), scales, linear.bias, factors)


def awq(weight: Tensor, gram: Tensor, sizes: Tensor, group: int, symmetric: bool) -> Tensor:
    """What inputs are multiplied by, and weights divided by. (inputs,)

    Of the powers of the inputs' mean sizes (section 3.2, equation 5) the one by which X W^T changes
    least.
    """
    weight, sizes = weight.float(), (sizes / sizes.mean().clamp_min(1e-12)).clamp_min(1e-4)
    best, found = torch.inf, torch.ones_like(sizes)
    for power in range(POWERS + 1):
        factors = sizes ** -(power / POWERS)
        factors = factors / (factors.max() * factors.min()).sqrt()
        near = weight / factors
        scales = scales_of(near, group, symmetric)
        error = valued(nearest(near, scales), scales) * factors - weight
        if (loss := ((error @ gram) * error).sum().item()) < best:
            best, found = loss, factors
    return found
