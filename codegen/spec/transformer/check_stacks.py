"""What an encoder-decoder may be, beside what each of its stacks may be alone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from codegen.spec.mistake import Mistake
from codegen.spec.transformer.check_blocks import check_blocks, check_head_dims
from codegen.spec.transformer.check_layers import check_layers
from codegen.spec.transformer.check_mlps import apart
from codegen.spec.transformer.resolve import resolve_block
from codegen.spec.transformer.rope import Rope
from codegen.spec.transformer.stacks import cross_attention_block, encoder_model
from codegen.spec.transformer.vocabulary import TransformerModel, TransformerSpec
from codegen.spec.yaml.source import Key

RUN_TIME_ATOMS = {"prefix", "padding", "document"}


def check_stacks(spec: TransformerSpec) -> Iterator[Mistake]:
    """The decoder of an encoder-decoder reads tokens and a source."""
    model = spec.model
    if spec.task == "seq2seq-lm":
        yield from _check_decoder(model)
        yield from _check_shared_rope(model)
        yield from _check_cross_attention(model)


def check_encoder(spec: TransformerSpec) -> Iterator[Mistake]:
    """The encoder of an encoder-decoder is an encoder by itself."""
    if spec.task == "seq2seq-lm":
        encoder = spec.model.encoder
        if encoder.shared_embedding and encoder.vocab_size is not None:
            place = ("model", "encoder", "vocab_size")
            message = "source and target have one embedding, and so one vocabulary"
            yield Mistake(place, message, "say `shared_embedding: false` beside it, or drop it")
        own = encoder.embedding
        if own and "tied" in own.model_fields_set:
            key: Key = ("model", "encoder", "embedding", "tied")
            yield Mistake(key, "an encoder has no head that its embedding could be tied to")
        model = encoder_model(spec.model)
        alone = spec.model_copy(update={"task": "masked-lm", "model": model})
        for finding in (*check_layers(alone), *check_blocks(alone)):
            yield replace(finding, key=("model", "encoder", *finding.key[1:]))
        yield from _check_routers(spec.model, model)


def _check_routers(decoder: TransformerModel, encoder: TransformerModel) -> Iterator[Mistake]:
    """The routers of both stacks have one loss and one rate."""
    mixed = [
        (stack, experts)
        for stack in (decoder, encoder)
        for kind in stack.blocks or (None,)
        if (experts := resolve_block(stack, kind).mlp.experts)
    ]
    of_encoder = (found for found in apart(mixed) if found[0] is encoder)
    for _, path, message in of_encoder:
        yield Mistake(("model", "encoder", "mlp", "experts", *path), message)


def _check_decoder(model: TransformerModel) -> Iterator[Mistake]:
    for kind in (None, *model.blocks):
        block = resolve_block(model, kind)
        at: Key = ("model", "blocks", kind) if kind else ("model",)
        if block.residual.layout == "parallel":
            place = (*at, "residual", "layout")
            yield Mistake(place, "sublayers of a decoder with a source follow each other")
        read = RUN_TIME_ATOMS & set(re.findall(r"\w+", block.attention.mask))
        if read:
            message = f"`{min(read)}` is no mask of a decoder with a source"
            yield Mistake((*at, "attention", "mask"), message)


def _check_shared_rope(model: TransformerModel) -> Iterator[Mistake]:
    """Both stacks turn heads with the same functions, which are named after kinds of blocks."""
    encoder = encoder_model(model)
    ropes = [_ropes(stack) for stack in (model, encoder)]
    distinct = {str(rope) for rope in ropes[0].values()}
    if len(distinct) == 1 and {str(rope) for rope in ropes[1].values()} <= distinct:
        return
    if not ropes[1].items() <= ropes[0].items():
        message = "an encoder has the rotary positions of its decoder, or none"
        yield Mistake(("model", "encoder", "attention", "rope"), message)


def _ropes(model: TransformerModel) -> dict[str | None, Rope]:
    """The rotary positions of each kind of blocks that has any."""
    found = {k: resolve_block(model, k).attention.rope for k in model.blocks or (None,)}
    return {kind: rope for kind, rope in found.items() if rope}


def _check_cross_attention(model: TransformerModel) -> Iterator[Mistake]:
    cross = cross_attention_block(model).attention
    if cross.qk_norm and cross.qk_norm.over != "head":
        message = "attention to a source has norms over heads with one gain for all"
        yield Mistake(("model", "cross_attention", "qk_norm"), message)
    if cross.heads % (cross.kv_heads or cross.heads):
        message = f"{cross.heads} heads can't share {cross.kv_heads} key-value heads evenly"
        yield Mistake(("model", "cross_attention", "kv_heads"), message)
    elif cross.head_dim is None and model.d_model % cross.heads:
        message = f"d_model {model.d_model} is not divisible by {cross.heads} heads"
        yield Mistake(("model", "cross_attention", "heads"), message, "set head_dim")
    key: Key = ("model", "cross_attention", "head_dim")
    yield from check_head_dims(model, cross_attention_block(model), key)
