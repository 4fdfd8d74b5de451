"""Parameters and config fields of an image classifier, outside its blocks."""

from __future__ import annotations

from collections.abc import Iterator

from codegen.plan.tables import ConfigField, Group, Parameter, Start
from codegen.plan.transformer.image import (
    TINY_CLASSES,
    TINY_PATCH,
    TINY_REGISTERS,
    TINY_SIZE,
    TINY_VIEW,
    ImagePlan,
)
from codegen.plan.transformer.network import TransformerNetwork
from codegen.plan.transformer.parameter_rows import (
    ZEROS,
    linear_rows,
    norm_rows,
    normal,
    of_embeddings,
    of_heads,
    vector_row,
)
from codegen.spec.transformer.vocabulary import TransformerModel


def image_fields(image: ImagePlan) -> Iterator[ConfigField]:
    """What a config says of images; toy images have four patches along a side."""
    yield ConfigField("image_size", "int", image.size, TINY_SIZE, "pixels, height and width")
    yield ConfigField("patch_size", "int", image.patch_size, TINY_PATCH)
    yield ConfigField("channels", "int", image.channels, image.channels)
    if image.classes:
        yield ConfigField("classes", "int", image.classes, min(image.classes, TINY_CLASSES))
    if image.registers:
        tiny = min(image.registers, TINY_REGISTERS)
        yield ConfigField("register_tokens", "int", image.registers, tiny)
    if image.projection:
        yield ConfigField("projection_dim", "int", image.projection, TINY_VIEW, "of embeddings")


def rows_before_blocks(
    image: ImagePlan, model: TransformerModel, heads: int
) -> Iterator[Parameter]:
    """Patches, learned tokens, positions, and the biases that all layers share."""
    width, start = model.d_model, of_embeddings(model)
    patch = (image.channels, image.patch_size, image.patch_size)
    yield _table("patch_embedding.weight", (width, *patch), start)
    if image.patch_bias:
        yield _vector("patch_embedding.bias", width, ZEROS)
    for token in image.placed:
        yield _vector(token, width, start)
    if image.registers:
        yield _table("register_tokens", (image.registers, width), start)
    if image.positions:
        shape = (len(image.placed) + image.patches, width)
        yield _table("position_embedding", shape, start)
    if image.relative_bias in ("shared", "both"):
        yield grid_bias_row("", image, heads)


def grid_bias_row(prefix: str, image: ImagePlan, heads: int) -> Parameter:
    """A table of biases by the offset of patches, and three for the class token."""
    side = 2 * (image.size // image.patch_size) - 1
    shape = (side * side + 3, heads)
    return Parameter(f"{prefix}grid_bias.table", shape, "grid_bias", ZEROS, "vector", 1)


def rows_after_blocks(
    network: TransformerNetwork, model: TransformerModel, residual: Start
) -> Iterator[Parameter]:
    """What pools, and the heads; `residual` is how projections into the stream start."""
    image = network.image
    assert image is not None
    if image.pooling == "attention":
        yield from _pool(network, model, normal(model), residual)
    if network.norm and image.pooling_norm == "after":
        yield from norm_rows("pool_norm", network.norm, model.d_model)
    if image.projection:
        shape = (image.projection, image.pooled * model.d_model)
        yield _table("projection.weight", shape, normal(model), "matrix")
    if not image.classes:
        return
    heads = ("head", "distillation_head")[: 1 + (image.pooling == "class_distillation")]
    for name in heads:
        shape = (image.classes, image.pooled * model.d_model)
        yield _table(f"{name}.weight", shape, of_heads(model), "head")
        if network.head.bias:
            yield _vector(f"{name}.bias", image.classes, ZEROS)


def _pool(
    network: TransformerNetwork, model: TransformerModel, start: Start, residual: Start
) -> Iterator[Parameter]:
    """A learned query's attention and the MLP after it."""
    layer, mlp, width = network.attending[0], network.blocks[0].mlp, model.d_model
    inner = layer.heads * layer.head_dim
    yield _vector("pool.query", width, start)
    for name in ("q", "k", "v"):
        yield from linear_rows(f"pool.{name}_proj", inner, width, True, start)
    yield from linear_rows("pool.o_proj", width, inner, True, residual)
    yield from norm_rows("pool.norm", network.norm or network.blocks[0].norm, width)
    for name in ("gate", "up") if mlp.kind == "gated" else ("up",):
        yield from linear_rows(f"pool.mlp.{name}_proj", layer.d_ff, width, mlp.bias, start)
    yield from norm_rows("pool.mlp.norm", mlp.norm, layer.d_ff, shard=0)
    for name in ("alpha_p", "alpha_n") if mlp.activation == "xielu" else ():
        yield vector_row(f"pool.mlp.{name}", 1, name, ZEROS)
    yield from linear_rows("pool.mlp.down_proj", width, layer.d_ff, mlp.down_bias, residual)
    yield from norm_rows("pool.mlp.output_norm", mlp.end_norm, width)


def _table(name: str, shape: tuple[int, ...], init: Start, group: Group = "embedding") -> Parameter:
    return Parameter(name, shape, name.removesuffix(".weight"), init, group)


def _vector(name: str, size: int, init: Start) -> Parameter:
    return vector_row(name, size, name.replace(".", "_"), init)
