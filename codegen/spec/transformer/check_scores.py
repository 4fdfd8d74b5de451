"""Scales and biases of scores that no model can have."""

from __future__ import annotations

import math
from collections.abc import Iterator

from codegen.spec.masks.expression import ExpressionError
from codegen.spec.masks.reach import is_causal
from codegen.spec.masks.tree import parse_mask
from codegen.spec.mistake import Mistake
from codegen.spec.transformer.attention import Alibi, Attention
from codegen.spec.transformer.resolve import scale_numbers
from codegen.spec.transformer.scale import evaluate, parse_scale
from codegen.spec.transformer.vocabulary import Block, TransformerModel
from codegen.spec.yaml.source import Key


def check_scale(
    key: Key, scale: float | str | None, model: TransformerModel, block: Block
) -> Iterator[Mistake]:
    """A scale is a positive number at the sizes that the model has."""
    if not isinstance(scale, str):
        return
    try:
        value = evaluate(parse_scale(scale), scale_numbers(model, block))
    except ExpressionError as error:
        yield Mistake(key, error.message, at=(scale, error.offset, error.length))
        return
    if not 0 < value < math.inf:
        yield Mistake(key, f"a scale is a positive number, not {value:g}")


def check_relative_bias(key: Key, attention: Attention) -> Iterator[Mistake]:
    """Some buckets are for one distance each, the others reach further (T5, section 2.1)."""
    relative = attention.relative_bias
    if relative is None:
        return
    causal = is_causal(parse_mask(attention.mask))
    exact = relative.buckets // (2 if causal else 4)
    if exact < 1:
        message = f"{relative.buckets} buckets are too few for both directions"
        yield Mistake((*key, "buckets"), message, "at least 4")
    elif relative.max_distance <= exact:
        message = f"max_distance {relative.max_distance} is not beyond the {exact} exact distances"
        yield Mistake((*key, "max_distance"), message, f"more than {exact}, or fewer buckets")


def check_shared_scores(kinds: dict[str | None, Block]) -> Iterator[Mistake]:
    """All layers with slopes, or with a temperature, have the same."""
    first: dict[str, object] = {}
    for kind, block in kinds.items():
        at: Key = ("model", "blocks", str(kind), "attention") if kind else ("model", "attention")
        attention = block.attention
        alibi = attention.alibi.slopes if isinstance(attention.alibi, Alibi) else "bloom"
        for field, value in (
            ("alibi", alibi if attention.alibi else None),
            ("temperature", attention.temperature),
        ):
            if value is not None and first.setdefault(field, value) != value:
                message = f"all layers with a field `{field}` must share one"
                yield Mistake((*at, field), message)


def check_shared_bias(kinds: dict[str | None, Block]) -> Iterator[Mistake]:
    """Layers that share a table of biases have its numbers, and as many heads as it has."""
    attentions = {kind: block.attention for kind, block in kinds.items()}
    found = [a.relative_bias for a in attentions.values() if a.relative_bias]
    first = next((relative for relative in found if relative.shared), None)
    if first is None:
        return
    heads = next(iter(attentions.values())).heads
    for kind, attention in attentions.items():
        at: Key = ("model", "blocks", str(kind), "attention") if kind else ("model", "attention")
        if attention.relative_bias not in (None, first):
            message = "all layers with a bias by distance must share one that is shared"
            yield Mistake((*at, "relative_bias"), message)
        if attention.heads != heads:
            message = "layers that share a bias by distance must have the same heads"
            yield Mistake((*at, "heads"), message)
