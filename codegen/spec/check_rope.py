"""Rotary positions that no model can have."""

from __future__ import annotations

from collections.abc import Iterator

from codegen.spec.finding import Finding
from codegen.spec.resolve import rotary_dim, rotary_width
from codegen.spec.rope import AnyScaling, Llama3Scaling, LongRopeScaling, YarnScaling
from codegen.spec.source import Key
from codegen.spec.transformer import Block, TransformerModel


def check_ropes(model: TransformerModel, kinds: dict[str | None, Block]) -> Iterator[Finding]:
    """Pairs fit the heads, scalings fit the pairs, and all layers turn the same way."""
    shared: dict[str, object] = {}
    for kind, block in kinds.items():
        attention = block.attention
        if attention.rope is None:
            continue
        at: Key = ("model", "blocks", str(kind), "attention") if kind else ("model", "attention")
        rope, place = attention.rope, (*at, "rope")
        width, dim = rotary_width(model, block), rotary_dim(model, block)
        if rope.dim is not None and (dim > width or dim % 2):
            message = f"{dim} dimensions of {width} can't turn in pairs"
            yield Finding((*place, "dim"), message, "an even number, at most head_dim")
        if rope.values and attention.value_dim not in (None, width):
            message = f"values of {attention.value_dim} dimensions can't turn like {width}"
            yield Finding((*place, "values"), message, "drop value_dim")
        if rope.values and attention.latent:
            yield Finding((*place, "values"), "values that are made of a latent don't turn")
        yield from _check_scaling((*place, "scaling"), rope.scaling, dim)
        for field in ("pairs", "sign"):
            if shared.setdefault(field, getattr(rope, field)) != getattr(rope, field):
                message = f"all layers with rotary positions must share one rope.{field}"
                yield Finding((*place, field), message)


def _check_scaling(key: Key, scaling: AnyScaling | None, dim: int) -> Iterator[Finding]:
    match scaling:
        case Llama3Scaling(low_freq_factor=low, high_freq_factor=high) if low >= high:
            message = "low_freq_factor must be below high_freq_factor"
            yield Finding((*key, "low_freq_factor"), message)
        case YarnScaling(beta_slow=slow, beta_fast=fast) if slow >= fast:
            yield Finding((*key, "beta_slow"), "beta_slow must be below beta_fast")
        case LongRopeScaling():
            for field in ("short_factor", "long_factor"):
                if len(getattr(scaling, field)) != dim // 2:
                    count = len(getattr(scaling, field))
                    message = f"{count} divisors for {dim // 2} pairs of dimensions"
                    yield Finding((*key, field), message)
