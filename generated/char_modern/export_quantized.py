# Made from specs/char_modern.yaml; make it again: tgen build specs/char_modern.yaml
"""Matrices of few bits, as floats."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from .checkpoint import weights
from .model import Model
from .quantize import Int4Linear, Int8Embedding, Int8Linear

Matrix = Int8Linear | Int4Linear | Int8Embedding


def quantized_in(model: nn.Module) -> dict[str, Matrix]:
    """The modules whose matrices are of few bits, by name."""
    return {name: module for name, module in model.named_modules() if isinstance(module, Matrix)}


def with_matrices(
    model: Model, modules: Mapping[str, Matrix], numbers: Callable[[Matrix], Tensor]
) -> Model:
    """The model with plain modules for some, whose matrices are `numbers` of theirs.

    Tensors of all others are shared.
    """
    shared: dict[int, Any] = {id(tensor): tensor for tensor in weights(model).values()}
    plain = copy.deepcopy(model, shared)
    for name, module in modules.items():
        plain.set_submodule(name, plain_module(module, numbers(module)))
    return plain


def plain_module(module: Matrix, matrix: Tensor) -> nn.Module:
    """One that has the matrix, of floats or not, and the bias of one of few bits."""
    rows, columns = matrix.shape
    with torch.device("meta"):
        if isinstance(module, Int8Embedding):
            made: nn.Linear | nn.Embedding = nn.Embedding(rows, columns)
        else:
            made = nn.Linear(columns, rows, bias=False)
            made.register_parameter("bias", module.bias)
    made.weight = nn.Parameter(matrix, requires_grad=False)
    return made


def dequantized(model: Model) -> Model:
    """The same in float32, with the floats that matrices of few bits stand for."""
    model = model.float()
    return with_matrices(model, quantized_in(model), floats_of).eval()


def floats_of(module: Matrix) -> Tensor:
    return module.weight
