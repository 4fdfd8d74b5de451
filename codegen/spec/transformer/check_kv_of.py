"""Layers that attend to the keys and values of earlier ones."""

from __future__ import annotations

from collections.abc import Iterator

from codegen.spec.mistake import Mistake
from codegen.spec.transformer.resolve import head_dim, layer_kinds, value_dim
from codegen.spec.transformer.vocabulary import Block, TransformerModel
from codegen.spec.yaml.source import Key

LACKED = ("latent", "differential", "clip", "gate", "output_norm", "relative_bias", "values")


def check_kv_of(model: TransformerModel, kinds: dict[str | None, Block]) -> Iterator[Mistake]:
    """The layers before have such keys and values, and nothing else is asked of them."""
    shared = [kind for kind, block in kinds.items() if block.attention.kv_of]
    if not shared:
        return
    order = layer_kinds(model)
    for kind in shared:
        at: Key = ("model", "blocks", str(kind), "attention") if kind else ("model", "attention")
        block, source = kinds[kind], str(kinds[kind].attention.kv_of)
        message = _misplaced(model, kinds, order, kind, source)
        if message:
            yield Mistake((*at, "kv_of"), message)
            continue
        there = kinds[source]
        for field, ours, theirs in (
            ("kv_heads", _kv_heads(block), _kv_heads(there)),
            ("head_dim", head_dim(model, block), head_dim(model, there)),
            ("value_dim", value_dim(model, block), value_dim(model, there)),
            ("mask", block.attention.mask, there.attention.mask),
        ):
            if ours != theirs:
                yield Mistake((*at, "kv_of"), f"`{source}` has another {field}: {theirs}")
        for field in LACKED:
            if getattr(block.attention, field) not in (None, False, "none", "own"):
                message = f"a layer without keys of its own has no place for {field}"
                yield Mistake((*at, field), message, f"drop {field} or kv_of")
        norm = block.attention.qk_norm
        if norm and (norm.over != "head" or norm.after_rope):
            message = "queries alone are normalised by heads, before rotary positions"
            yield Mistake((*at, "qk_norm"), message)


def _misplaced(
    model: TransformerModel,
    kinds: dict[str | None, Block],
    order: tuple[str | None, ...],
    kind: str | None,
    source: str,
) -> str:
    if source not in kinds or kinds[source].attention.kv_of:
        return f"`{source}` is no kind of blocks with keys and values of its own"
    if kinds[source].attention.latent or kinds[source].attention.differential:
        return f"`{source}` has no keys and values that others could share"
    if source not in order[: order.index(kind)]:
        return f"no layer of the kind `{source}` stands before it"
    return ""


def _kv_heads(block: Block) -> int:
    return block.attention.kv_heads or block.attention.heads
