"""Embeddings and heads that no model can have."""

from __future__ import annotations

from collections.abc import Iterator

from codegen.spec.mistake import Mistake
from codegen.spec.transformer.check_norms import bias_without_place
from codegen.spec.transformer.ends import Embedding
from codegen.spec.transformer.resolve import output_width, resolve_norm, token_count
from codegen.spec.transformer.vocabulary import TransformerSpec
from codegen.spec.yaml.source import Key

TAKEN = (
    *("token", "position", "document", "embedding", "head", "value", "output", "nope", "rope"),
    *("token_type", "task_type", "layer"),
)


def _check_features(embedding: Embedding) -> Iterator[Mistake]:
    """Features have names of their own, and the token's vector is as wide as the model."""
    seen: set[str] = set()
    for index, feature in enumerate(embedding.features):
        if feature.name in (*TAKEN, *seen):
            key: Key = ("model", "embedding", "features", index, "name")
            yield Mistake(key, f"`{feature.name}` is the name of something else", "another name")
        seen.add(feature.name)
    tokens_alone = embedding.norm_of == "tokens"
    if embedding.features and (embedding.dim or embedding.token_shift or tokens_alone):
        message = "features stand beside the token's own vector: as wide as the model's, unshifted"
        yield Mistake(("model", "embedding", "features"), message, "drop dim, token_shift, norm_of")


def check_ends(spec: TransformerSpec) -> Iterator[Mistake]:
    """The embedding and the head fit the stream between them, and each other."""
    model = spec.model
    embedding, head = model.embedding, model.head
    if embedding.token_shift and embedding.dim:
        message = "a token shift is of vectors as wide as the model's"
        yield Mistake(("model", "embedding", "token_shift"), message, "drop embedding.dim")
    if embedding.norm_of == "tokens" and (embedding.token_shift or embedding.dim):
        message = "a norm of tokens alone is of vectors as wide as the model's, unshifted"
        yield Mistake(("model", "embedding", "norm_of"), message)
    yield from _check_features(embedding)
    if embedding.position_offset and embedding.positions == "none":
        key: Key = ("model", "embedding", "position_offset")
        yield Mistake(key, "an offset, but no positions", "positions: learned or sinusoidal")
    narrow = embedding.dim if embedding.dim and embedding.projected != "tokens" else None
    if embedding.positions == "sinusoidal" and (narrow or model.d_model) % 2:
        message = f"sines and cosines need an even width, not {narrow or model.d_model}"
        yield Mistake(("model", "embedding", "positions"), message)
    if embedding.tied and embedding.extra_tokens:
        message = "a tied head predicts all tokens that there are"
        yield Mistake(("model", "embedding", "extra_tokens"), message, "tied: false")
    if embedding.tied and head.dim and head.dim != (embedding.dim or model.d_model):
        message = f"a tied head reads {embedding.dim or model.d_model} numbers, not {head.dim}"
        yield Mistake(("model", "head", "dim"), message, "drop it, or tied: true")
    if head.transform is None and output_width(model) != model.d_model:
        message = f"nothing makes {output_width(model)} of {model.d_model} numbers for the head"
        hint = "head: {transform: {activation: identity, norm: false, bias: false}}"
        yield Mistake(("model", "head"), message, hint)
    transform_norm = head.transform.norm if head.transform else False
    for key, own in (
        (("model", "embedding", "norm"), embedding.norm),
        (("model", "final_norm"), model.final_norm),
        (("model", "head", "transform", "norm"), transform_norm),
    ):
        norm = resolve_norm(model, own)
        if norm and not isinstance(own, bool):
            yield from bias_without_place((*key, "bias"), norm)
    last = resolve_norm(model, model.final_norm)
    if last and last.zero_centered != model.norm.zero_centered:
        message = "the last norm has gains of the same kind as the others"
        yield Mistake(("model", "final_norm"), message, "say zero_centered in `norm`")
    if model.altup and model.altup.scaled and embedding.per_layer is None:
        message = "no layer has an embedding of its own, whose gate would read what is scaled"
        yield Mistake(("model", "altup", "scaled"), message, "embedding.per_layer")
    tokens = token_count(model)
    if embedding.per_layer and (embedding.per_layer.rows or 0) > tokens:
        message = f"there are {tokens:,} tokens, and no row for any other"
        yield Mistake(("model", "embedding", "per_layer", "rows"), message)
    if embedding.per_layer and embedding.per_layer.activation == "xielu":
        key = ("model", "embedding", "per_layer", "activation")
        yield Mistake(key, "this gate has no learned slopes", "another activation")
    if head.transform and head.transform.activation == "xielu":
        key = ("model", "head", "transform", "activation")
        yield Mistake(key, "a head's layer has no learned slopes", "another activation")
