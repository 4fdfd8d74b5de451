"""Rows of the parameter table, by what a tensor is."""

from __future__ import annotations

from collections.abc import Iterator

from codegen.plan.tables import Init, Parameter
from codegen.plan.transformer.parts import NormPlan

ONES, ZEROS = Init("ones"), Init("zeros")


def matrix_row(name: str, shape: tuple[int, ...], role: str, init: Init) -> Parameter:
    """Of a projection outside the blocks."""
    return Parameter(name, shape, role, init, decay=True, group="matrix", shard=0)


def embedding_row(name: str, shape: tuple[int, ...], role: str, init: Init) -> Parameter:
    """Of a table, or of a head that may be one."""
    return Parameter(name, shape, role, init, decay=True, group="embedding", shard=0)


def vector_row(name: str, size: int, role: str, init: Init) -> Parameter:
    """Of a bias, a gain or a scale: without weight decay."""
    return Parameter(name, (size,), role, init, decay=False, group="vector")


def norm_rows(name: str, norm: NormPlan | None, width: int, heads: int = 0) -> Iterator[Parameter]:
    """Of a vector, or of one a head."""
    if norm is None:
        return
    if norm.weight:
        shape = (heads, width) if heads else (width,)
        start = ZEROS if norm.zero_centered else ONES
        yield Parameter(f"{name}.weight", shape, "norm", start, decay=False, group="vector")
    if norm.bias:
        yield vector_row(f"{name}.bias", width, "norm_bias", ZEROS)
