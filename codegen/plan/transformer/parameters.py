"""The parameter table of a transformer: one row a tensor."""

from __future__ import annotations

from collections.abc import Iterator

from codegen.plan.tables import Parameter, Start
from codegen.plan.transformer.image_parameters import rows_after_blocks, rows_before_blocks
from codegen.plan.transformer.layer_parameters import layer_rows
from codegen.plan.transformer.network import TransformerNetwork
from codegen.plan.transformer.parameter_rows import (
    ZEROS,
    norm_rows,
    normal,
    of_embeddings,
    of_heads,
    of_residuals,
    vector_row,
)
from codegen.plan.transformer.parts import EmbeddingPlan
from codegen.plan.transformer.pooling import pooled_rows
from codegen.spec.transformer.resolve import output_width, token_count
from codegen.spec.transformer.vocabulary import TransformerModel


def parameter_table(network: TransformerNetwork, model: TransformerModel) -> tuple[Parameter, ...]:
    """Every parameter with its shape and what happens to it, as a reader meets it."""
    residual = of_residuals(model, len(network.layers))
    if network.image:
        rows = list(rows_before_blocks(network.image, model, network.attending[0].heads))
        rows += norm_rows("embedding_norm", network.embedding.norm, model.d_model)
    else:
        rows = list(_embeddings(network.embedding, model))
        rows += _layer_embeddings(network, model)
        rows += _streams(model)
    if network.shared_bias:
        rows.append(_bias_table(network, "bias_table", normal(model)))
    for index in range(len(network.layers)):
        rows += layer_rows(network, model, index, residual)
    if not (network.image and network.image.pooling_norm == "after"):
        rows += norm_rows("norm", network.norm, model.d_model)
    if network.image:
        return (*rows, *rows_after_blocks(network, model, residual))
    if network.pooling:
        return (*rows, *pooled_rows(network.head, network.pooling, model))
    rows += _head(network, model)
    return tuple(rows)


def _embeddings(plan: EmbeddingPlan, model: TransformerModel) -> Iterator[Parameter]:
    spec, start = model.embedding, of_embeddings(model)
    narrow = spec.dim or model.d_model
    width = narrow if plan.projected else model.d_model
    added = narrow if plan.projected in ("sum", "norm") else model.d_model
    shape = (model.vocab_size + spec.extra_tokens, width)
    role = "token_embedding"
    yield Parameter(f"{role}.weight", shape, role, start, "embedding", shard=0)
    yield from _features(model)
    if plan.learned:
        shape = (model.context_length + spec.position_offset, added)
        role = "position_embedding"
        yield Parameter(f"{role}.weight", shape, role, start, "embedding")
    for name, count in (("token", spec.token_types), ("task", spec.task_types)):
        if count:
            role = f"{name}_type_embedding"
            yield Parameter(f"{role}.weight", (count, added), role, start, "embedding")
    if plan.token_shift:
        yield vector_row("token_shift", model.d_model, "token_shift", ZEROS)
    normed = narrow if plan.projected == "norm" else model.d_model
    yield from norm_rows("embedding_norm", plan.norm, normed)
    if plan.projected:
        shape = (model.d_model, narrow)
        role = "embedding_proj"
        yield Parameter(f"{role}.weight", shape, role, normal(model), "matrix")
        if plan.projection_bias:
            yield vector_row("embedding_proj.bias", model.d_model, "embedding_proj_bias", ZEROS)


def _layer_embeddings(network: TransformerNetwork, model: TransformerModel) -> Iterator[Parameter]:
    """Of what each layer has for itself: a table and a projection for all, and a norm."""
    spec = model.embedding
    if spec.per_layer is None:
        return
    width = len(network.layers) * spec.per_layer.dim
    shape = (spec.per_layer.rows or token_count(model), width)
    role = "layer_embedding"
    yield Parameter(f"{role}.weight", shape, role, of_embeddings(model), "embedding", shard=0)
    shape, role = (width, model.d_model), "layer_embedding_proj"
    yield Parameter(f"{role}.weight", shape, role, normal(model), "matrix")
    yield from norm_rows("layer_embedding_norm", network.embedding.layer_norm, spec.per_layer.dim)


def _streams(model: TransformerModel) -> Iterator[Parameter]:
    """Of what makes streams of one, and one of them: a matrix for each but the first."""
    if model.altup:
        shape = (model.altup.streams - 1, model.d_model, model.d_model)
        for role in ("stream_proj", "merge_proj"):
            yield Parameter(role, shape, role, normal(model), "matrix")


def _features(model: TransformerModel) -> Iterator[Parameter]:
    """Tables beside that of the tokens, and what projects their vectors together."""
    features, width = model.embedding.features, model.d_model
    for feature in features:
        role, shape = f"{feature.name}_embedding", (feature.rows, feature.dim)
        start = of_embeddings(model)
        yield Parameter(f"{role}.weight", shape, role, start, "embedding", trained=False)
    if features:
        inputs = width + sum(feature.dim for feature in features)
        role, start = "feature_proj", Start("normal", inputs**-0.5, source="fan_in")
        yield Parameter(f"{role}.weight", (width, inputs), role, start, "matrix")
        yield vector_row(f"{role}.bias", width, f"{role}_bias", ZEROS)


def _head(network: TransformerNetwork, model: TransformerModel) -> Iterator[Parameter]:
    plan = network.head
    width = output_width(model)
    if plan.transform:
        shape = (width, model.d_model)
        role = "head_transform"
        yield Parameter(f"{role}.weight", shape, role, normal(model), "matrix")
        if plan.transform.bias:
            yield vector_row("head_transform.bias", width, "head_transform_bias", ZEROS)
        yield from norm_rows("head_norm", plan.transform.norm, width)
    if not plan.tied:
        shape = (model.vocab_size, width)
        yield Parameter("head.weight", shape, "head", of_heads(model), "head", shard=0)
    if plan.bias:
        size, trained = model.vocab_size, not plan.bias_fixed
        yield vector_row("head_bias", size, "head_bias", ZEROS, shard=0, trained=trained)


def _bias_table(network: TransformerNetwork, name: str, init: Start) -> Parameter:
    """The table that layers share; the spec's checks have seen to it that they fit it."""
    names = {
        block.name
        for block in network.blocks
        if any(attention.score.shared_bias for attention in block.attentions)
    }
    layer = next(layer for layer in network.attending if layer.block in names)
    shape = (layer.relative_buckets, layer.heads)
    return Parameter(name, shape, "bias_table", init, "vector", shard=1)
