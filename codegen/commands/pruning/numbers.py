"""The numbers of a smaller transformer: fewer heads, hidden units or layers, in each as many."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from codegen.errors import TgenError
from codegen.spec.transformer.attention import Attention
from codegen.spec.transformer.resolve import attending, default_width, head_dim, resolve_block
from codegen.spec.transformer.stacks import cross_attention_block, encoder_model
from codegen.spec.transformer.vocabulary import Block, TransformerModel, TransformerSpec

Key = tuple[str, ...]
OF_HEADS = ("heads", "kv_heads", "head_dim")
OF_MLPS = ("d_ff", "kind")
NAMES = {  # in scales and masks, what would be worked out otherwise
    "heads": re.compile(r"\b(heads|h)\b"),
    "neurons": re.compile(r"\bd_ff\b"),
    "layers": re.compile(r"\blayers\b"),
}


def smaller_transformer(spec: TransformerSpec, structure: str, amount: float) -> dict[str, Any]:
    """What a spec says otherwise of its `model`; TgenError if nothing of that can be cut."""
    model, pairs = spec.model, spec.task == "seq2seq-lm"
    _check_formulas(model.said(), structure)
    cut = {"heads": _heads, "neurons": _neurons, "layers": _layers}[structure]
    said: dict[str, Any] = {}
    for key, numbers in cut(model, pairs, amount):
        at = said
        for step in key:
            at = at.setdefault(step, {})
        at.update(numbers)
    return said


def fewer(count: int, amount: float, what: str) -> int:
    """So many are left of a count; TgenError if that is none, or all."""
    left = round(count * (1 - amount))
    if not 0 < left < count:
        message = f"{amount} of {count} {what} leaves {left}"
        raise TgenError(message, "an --amount that leaves some and cuts some")
    return left


def stacks(model: TransformerModel, pairs: bool) -> Iterator[tuple[Key, TransformerModel]]:
    """The model's own stack, and the encoder of an encoder-decoder; where each says its own."""
    yield (), model
    if pairs:
        yield ("encoder",), encoder_model(model)


def _blocks(
    model: TransformerModel, pairs: bool, field: str, names: tuple[str, ...]
) -> Iterator[tuple[Key, TransformerModel, Block]]:
    """Each place that says one of a field's numbers, and the whole block as it is there."""
    for key, stack in stacks(model, pairs):
        part = getattr(model.encoder, field) if key else None
        if not key or (part and part.model_fields_set & {*names}):
            yield (*key, field), stack, resolve_block(stack, None)
        own = (model.encoder.blocks or {}) if key else model.blocks
        for kind, block in own.items():
            if getattr(block, field).model_fields_set & {*names}:
                yield (*key, "blocks", kind, field), stack, resolve_block(stack, kind)


def _heads(
    model: TransformerModel, pairs: bool, amount: float
) -> Iterator[tuple[Key, dict[str, Any]]]:
    for _, stack in stacks(model, pairs):
        kinds = {kind: resolve_block(stack, kind) for kind in stack.blocks or (None,)}
        for block in attending(kinds).values():
            _check_attention(block.attention)
    for key, stack, block in _blocks(model, pairs, "attention", OF_HEADS):
        yield key, _fewer_heads(block.attention, head_dim(stack, block), amount)
    if pairs and model.cross_attention.model_fields_set & {*OF_HEADS}:
        block = cross_attention_block(model)
        size = head_dim(model, block)
        yield ("cross_attention",), _fewer_heads(block.attention, size, amount)


def _fewer_heads(attention: Attention, size: int, amount: float) -> dict[str, Any]:
    """Whole groups of query heads go, each with its keys and values; of one group, heads of it."""
    groups = attention.kv_heads or attention.heads
    if groups == 1:
        return {"heads": fewer(attention.heads, amount, "heads"), "head_dim": size}
    left = fewer(groups, amount, "heads" if groups == attention.heads else "groups of heads")
    heads = attention.heads // groups * left
    known = {} if attention.kv_heads is None else {"kv_heads": left}
    return {"heads": heads, **known, "head_dim": size}


def _check_attention(attention: Attention) -> None:
    over = attention.qk_norm and attention.qk_norm.over == "projection"
    reasons = {
        "`latent` attention makes all heads of one latent": attention.latent,
        "`kv_of`: layers read the keys and values of others": attention.kv_of,
        "`differential` attention subtracts heads from each other": attention.differential,
        "`output_norm` is over all heads": attention.output_norm,
        "`qk_norm: {over: projection}` is over all heads": over,
        "`alibi` gives each head its slope by its number": attention.alibi,
    }
    for reason, there in reasons.items():
        if there:
            raise TgenError(f"heads can't be cut here: {reason}", "--structure neurons, or layers")


def _neurons(
    model: TransformerModel, pairs: bool, amount: float
) -> Iterator[tuple[Key, dict[str, Any]]]:
    for _, stack in stacks(model, pairs):
        for kind in stack.blocks or (None,):
            _check_mlp(resolve_block(stack, kind))
    for key, stack, block in _blocks(model, pairs, "mlp", OF_MLPS):
        mlp = block.mlp
        width = mlp.d_ff or default_width(stack.d_model, gated=mlp.kind == "gated")
        yield key, {"d_ff": fewer(width, amount, "hidden units")}


def _check_mlp(block: Block) -> None:
    reasons = {
        "`experts` each have their own, and a router that chooses between them": block.mlp.experts,
        "`norm` is over all hidden units": block.mlp.norm,
        "`sparsity` depends on all hidden units": block.mlp.sparsity,
    }
    for reason, there in reasons.items():
        if there:
            raise TgenError(f"neurons can't be cut here: {reason}", "--structure heads, or layers")


def _layers(
    model: TransformerModel, pairs: bool, amount: float
) -> Iterator[tuple[Key, dict[str, Any]]]:
    per_layer = {
        "`depth_scaled` counts them": model.residual.depth_scaled,
        "`order` passes some more than once": getattr(model, "order", None),
        "each has its own part of an embedding (`per_layer`)": model.embedding.per_layer,
        "`scale_by_layer` goes by their number": model.attention.scale_by_layer,
        "`kv_of`: layers read the keys and values of others": any(
            block.attention.kv_of for block in model.blocks.values()
        ),
    }
    for reason, there in per_layer.items():
        if there:
            raise TgenError(f"layers can't be cut here: {reason}", "--structure neurons")
    yield (), {"layers": _fewer_layers(model.layers, amount)}
    if pairs and model.encoder.layers is not None:
        yield ("encoder",), {"layers": _fewer_layers(model.encoder.layers, amount)}


def _fewer_layers(layers: Any, amount: float) -> Any:
    if isinstance(layers, int):
        return fewer(layers, amount, "layers")
    if isinstance(layers, list) or layers.count or layers.repeat == 1:
        message = "layers can't be cut here: they are a list that doesn't repeat"
        raise TgenError(message, "of `layers: 12`, or of a `pattern` with a `repeat`, they can")
    return {"repeat": fewer(layers.repeat, amount, "times that the pattern stands")}


def _check_formulas(said: Any, structure: str, field: str = "") -> None:
    """No scale or mask is worked out from what is cut."""
    if isinstance(said, dict):
        for name, value in said.items():
            _check_formulas(value, structure, name)
    elif isinstance(said, str) and _is_formula(field) and NAMES[structure].search(said):
        message = f"{structure} can't be cut here: `{field}: {said}` would be another"
        raise TgenError(message, f"a number as `{field}`")


def _is_formula(field: str) -> bool:
    return field == "mask" or field.endswith("scale")
