"""The numbers of heads that may differ by layer, latents' among them: one row each."""

from __future__ import annotations

from collections.abc import Callable

from codegen.plan.transformer.layer_numbers.number_row import (
    TINY_HEAD_DIM,
    TINY_NOPE_DIM,
    TINY_VALUE_DIM,
    Layer,
    NumberRow,
    Value,
    capped,
)
from codegen.spec.transformer.resolve import value_dim


def _kv_heads(layer: Layer) -> int:
    return layer.block.attention.kv_heads or layer.block.attention.heads


def _toy_kv_heads(layer: Layer) -> Value:
    grouped = layer.true["kv_heads"] < layer.true["heads"]
    return min(layer.true["kv_heads"], 2) if grouped else layer.toy["heads"]


def _toy_head_dim(layer: Layer) -> Value:
    return TINY_NOPE_DIM + TINY_HEAD_DIM if layer.block.attention.latent else TINY_HEAD_DIM


def _latent(field: str) -> Callable[[Layer], Value]:
    def read(layer: Layer) -> Value:
        latent = layer.block.attention.latent
        return getattr(latent, field) or 0 if latent else 0

    return read


def _latent_row(field: str, toy: int, comment: str = "") -> NumberRow:
    """A number of latent attention; those that no layer reads are no fields."""
    return NumberRow(
        field,
        f"{field}s",
        "int",
        _latent(field),
        lambda la: toy,
        used=lambda b: bool(b.attention.latent and getattr(b.attention.latent, field)),
        own=True,
        of="attention",
        comment=comment,
    )


LATENT_ROWS = (
    _latent_row("q_rank", 24, "of the latent of queries"),
    _latent_row("kv_rank", 16, "of the latent of keys and values"),
    _latent_row("nope_dim", TINY_NOPE_DIM, "of a head, without positions"),
    _latent_row("rope_dim", TINY_HEAD_DIM, "of a head, with them; one key for all heads"),
    NumberRow(
        "value_dim",
        "value_dims",
        "int",
        lambda la: value_dim(la.model, la.block),
        lambda la: TINY_VALUE_DIM,
        used=lambda b: b.attention.latent is not None or b.attention.value_dim is not None,
        own=True,
        comment="of a value head",
        of="attention",
    ),
)

# The numbers of a mask stand after those of the heads.
HEAD_ROWS = (
    NumberRow(
        "heads",
        "heads",
        "int",
        lambda la: la.block.attention.heads,
        capped("heads", 4),
        of="attention",
    ),
    NumberRow(
        "kv_heads",
        "kv_heads",
        "int",
        _kv_heads,
        _toy_kv_heads,
        used=lambda b: (b.attention.kv_heads or b.attention.heads) != b.attention.heads,
        else_read="heads",
        of="attention",
    ),
    NumberRow(
        "head_dim",
        "head_dims",
        "int",
        lambda la: la.named["head_dim"],
        _toy_head_dim,
        used=lambda b: b.attention.latent is None,
        own=True,
        of="attention",
    ),
    *LATENT_ROWS,
)
