"""Rows of the parameter table, by what a tensor is."""

from __future__ import annotations

import math
from collections.abc import Iterator

from codegen.plan.tables import Parameter, Start
from codegen.plan.transformer.parts import NormPlan
from codegen.spec.transformer.vocabulary import TransformerModel

ONES, ZEROS = Start("ones"), Start("zeros")

# Axes that tensor parallelism splits: outputs, but for these; latents are whole everywhere.
SHARDS: dict[str, int | None] = {
    "o_proj": 1,
    "down_proj": 1,
    "q_down": None,
    "kv_down": None,
    "out_proj": 1,
    "shared_gate": None,
}


def normal(model: TransformerModel) -> Start:
    """How all starts of which nothing else is said."""
    return Start("normal", model.init.std, source="init_std")


def of_embeddings(model: TransformerModel) -> Start:
    """How tables start."""
    if model.init.embedding_std is None:
        return normal(model)
    return Start("normal", model.init.embedding_std, source="embedding_std")


def of_residuals(model: TransformerModel, layers: int) -> Start:
    """How projections into the residual stream start."""
    if model.init.residual == "zero":
        return ZEROS
    if model.init.residual == "normal":
        return normal(model)
    return Start("normal", model.init.std / math.sqrt(2 * layers), source="residual_std")


def of_heads(model: TransformerModel) -> Start:
    """How output embeddings start."""
    return ZEROS if model.init.head == "zero" else normal(model)


def vector_row(
    name: str, size: int, role: str, init: Start, shard: int | None = None, trained: bool = True
) -> Parameter:
    """Of a bias, a gain or a scale: without weight decay."""
    return Parameter(name, (size,), role, init, "vector", shard, trained=trained)


def linear_rows(name: str, out: int, into: int, bias: bool, init: Start) -> Iterator[Parameter]:
    """Of a projection inside an attention or an MLP: its weight, and its bias if it has one."""
    role = name.rpartition(".")[2]
    shard = SHARDS.get(role, 0)
    yield Parameter(f"{name}.weight", (out, into), role, init, "matrix", shard)
    if bias:
        of_bias = 0 if shard == 0 else None  # a sum over shards has its bias once
        yield vector_row(f"{name}.bias", out, f"{role}_bias", ZEROS, of_bias)


def norm_rows(
    name: str, norm: NormPlan | None, width: int, heads: int = 0, shard: int | None = None
) -> Iterator[Parameter]:
    """Of a vector, or of one per head."""
    if norm is None:
        return
    if norm.weight:
        shape = (heads, width) if heads else (width,)
        start = ZEROS if norm.zero_centered else ONES
        yield Parameter(f"{name}.weight", shape, "norm", start, "vector", shard)
    if norm.bias:
        yield vector_row(f"{name}.bias", width, "norm_bias", ZEROS, shard)
