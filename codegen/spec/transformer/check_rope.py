"""Rotary positions that no model can have."""

from __future__ import annotations

from collections.abc import Iterator

from codegen.spec.mistake import Mistake
from codegen.spec.transformer.resolve import rotary_dim, rotary_width
from codegen.spec.transformer.rope import AnyScaling, Llama3Scaling, LongRopeScaling, YarnScaling
from codegen.spec.transformer.vocabulary import Block, TransformerModel
from codegen.spec.yaml.source import Key


def check_ropes(model: TransformerModel, kinds: dict[str | None, Block]) -> Iterator[Mistake]:
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
            yield Mistake((*place, "dim"), message, "an even number, at most head_dim")
        if rope.values and attention.value_dim not in (None, width):
            message = f"values of {attention.value_dim} dimensions can't turn like {width}"
            yield Mistake((*place, "values"), message, "drop value_dim")
        if rope.values and attention.latent:
            yield Mistake((*place, "values"), "values that are made of a latent don't turn")
        yield from _check_scaling((*place, "scaling"), rope.scaling, dim)
        for field in ("pairs", "sign"):
            if shared.setdefault(field, getattr(rope, field)) != getattr(rope, field):
                message = f"all layers with rotary positions must share one rope.{field}"
                yield Mistake((*place, field), message)


def _check_scaling(key: Key, scaling: AnyScaling | None, dim: int) -> Iterator[Mistake]:
    match scaling:
        case Llama3Scaling(low_freq_factor=low, high_freq_factor=high) if low > high:
            message = "low_freq_factor can't be above high_freq_factor"
            yield Mistake((*key, "low_freq_factor"), message)
        case YarnScaling(beta_slow=slow, beta_fast=fast) if slow > fast:
            yield Mistake((*key, "beta_slow"), "beta_slow can't be above beta_fast")
        case LongRopeScaling():
            for field in ("short_factor", "long_factor"):
                if len(getattr(scaling, field)) != dim // 2:
                    count = len(getattr(scaling, field))
                    message = f"{count} divisors for {dim // 2} pairs of dimensions"
                    yield Mistake((*key, field), message)
