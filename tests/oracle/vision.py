"""Image classifiers: what makes tokens of patches, and scores of tokens."""

from __future__ import annotations

import itertools

import numpy as np

from codegen.plan import Plan
from codegen.plan.transformer.network import TransformerNetwork
from tests.oracle.arrays import Array, Weights, part_of
from tests.oracle.blocks import block
from tests.oracle.formulas import linear, norm, read_heads, split_heads
from tests.oracle.mlp import mlp
from tests.oracle.numbers import end_eps
from tests.oracle.run import Run


def scores(plan: Plan, weights: Weights, images: Array) -> Array:
    """(batch, classes), or embeddings, for images (batch, channels, height, width)."""
    net = plan.model
    image = net.image
    assert image is not None
    x, grid = embed(net, weights, images)
    side, positions = image.size // image.patch_size, np.arange(x.shape[1])[None]
    for index in net.order or range(len(net.layers)):
        biases = weights
        if image.relative_bias != "none":
            owners = {"shared": [""], "layer": [f"blocks.{index}.attention."]}
            owners["both"] = owners["shared"] + owners["layer"]
            tables = [weights[f"{owner}grid_bias.table"] for owner in owners[image.relative_bias]]
            bias = sum(grid_bias(table, side, *grid) for table in tables)
            biases = {**weights, f"blocks.{index}.grid_bias": bias}
        x = block(Run(net, biases, positions), index, x)
    first = len(image.placed) + image.registers
    parts = {
        "class": [x[:, :1]],
        "mean": [x[:, first:]],
        "class_mean": [x[:, :1], x[:, first:]],
        "class_distillation": [x[:, :1], x[:, 1:2]],
        "attention": [x],
    }[image.pooling]
    if net.norm and image.pooling_norm == "before":
        parts = [normed(net, weights, "norm", part) for part in parts]
    if image.pooling == "attention":
        read = [attention_pool(net, weights, parts[0])]
    else:
        read = [part.mean(axis=1) for part in parts]
    if net.norm and image.pooling_norm == "after":
        read = [normed(net, weights, "pool_norm", part) for part in read]
    if image.pooling == "class_distillation":
        heads = ("head", "distillation_head")
        return sum(linear(weights, n, r) for n, r in zip(heads, read, strict=True)) / 2
    whole = np.concatenate(read, axis=-1)
    if image.projection:
        return linear(weights, "projection", whole)
    return linear(weights, "head", whole) if image.classes else whole


def normed(net: TransformerNetwork, weights: Weights, name: str, x: Array) -> Array:
    """A norm outside the blocks, if the model has it."""
    pooled = net.norm or net.blocks[0].norm  # that inside a pool is there without the last
    plan = {"embedding_norm": net.embedding.norm, "pool.norm": pooled}.get(name, net.norm)
    return norm(plan, end_eps(net, plan), weights, name, x) if plan else x


def embed(
    net: TransformerNetwork, weights: Weights, images: Array
) -> tuple[Array, tuple[int, int]]:
    """Tokens and patches with their positions (batch, time, d_model), and the grid of patches."""
    image = net.image
    assert image is not None
    size = image.patch_size
    rows, columns = images.shape[2] // size, images.shape[3] // size
    kernel = weights["patch_embedding.weight"]
    kernel = kernel.reshape(len(kernel), -1)
    cuts = itertools.product(range(rows), range(columns))
    patches = [images[:, :, y * size :, x * size :][:, :, :size, :size] for y, x in cuts]
    flat = np.stack([patch.reshape(len(images), -1) for patch in patches], axis=1)
    x = flat @ kernel.T + weights.get("patch_embedding.bias", images.dtype.type(0))
    tokens = [np.tile(weights[name], (len(images), 1, 1)) for name in image.placed]
    x = np.concatenate([*tokens, x], axis=1)
    if image.positions:
        x = x + positions(net, weights["position_embedding"], rows, columns)
    if image.registers:
        registers = np.tile(weights["register_tokens"], (len(images), 1, 1))
        before, after = np.split(x, [len(image.placed)], axis=1)
        x = np.concatenate([before, registers, after], axis=1)
    x = normed(net, weights, "embedding_norm", x)
    return x, (rows, columns)


def positions(net: TransformerNetwork, table: Array, rows: int, columns: int) -> Array:
    """(tokens and patches, d_model): resized along one side, then the other."""
    image = net.image
    assert image is not None
    count, side = len(image.placed), image.size // image.patch_size
    if (rows, columns) == (side, side):
        return table
    patches = table[count:].reshape(side, side, -1)
    resize = cubic_antialias if image.antialias else cubic
    patches = np.einsum("ys,xt,stc->yxc", resize(side, rows), resize(side, columns), patches)
    return np.concatenate([table[:count], patches.reshape(rows * columns, -1).astype(table.dtype)])


def kernel_of(a: float, distance: float) -> float:
    """Keys' cubic convolution kernel."""
    d = abs(distance)
    if d <= 1:
        return ((a + 2) * d - (a + 3)) * d * d + 1
    return (((d - 5) * d + 8) * d - 4) * a if d < 2 else 0.0


def cubic(old: int, new: int) -> Array:
    """(new, old): what each old place gives to each new one; beyond the edge is the edge."""
    matrix = np.zeros((new, old))
    for to in range(new):
        center = (to + 0.5) * old / new - 0.5
        for at in range(int(np.floor(center)) - 1, int(np.floor(center)) + 3):
            matrix[to, min(max(at, 0), old - 1)] += kernel_of(-0.75, center - at)
    return matrix


def cubic_antialias(old: int, new: int) -> Array:
    """The same, wider where places grow fewer, and without what is beyond the edge."""
    wide = max(old / new, 1.0)
    matrix = np.zeros((new, old))
    for to in range(new):
        center = (to + 0.5) * old / new
        low, high = int(center - 2 * wide + 0.5), int(center + 2 * wide + 0.5)
        for at in range(max(low, 0), min(high, old)):
            matrix[to, at] = kernel_of(-0.5, (at - center + 0.5) / wide)
    return matrix / matrix.sum(axis=1, keepdims=True)


def linear_resize(old: int, new: int) -> Array:
    """(new, old): the two nearest old places share each new one."""
    matrix = np.zeros((new, old))
    for to in range(new):
        center = max((to + 0.5) * old / new - 0.5, 0.0)
        low = int(center)
        matrix[to, low] += 1 - (center - low)
        matrix[to, min(low + 1, old - 1)] += center - low
    return matrix


def grid_bias(table: Array, side: int, rows: int, columns: int) -> Array:
    """(heads, query, key) of the class token and a grid of patches."""
    reach, height, width = 2 * side - 1, 2 * rows - 1, 2 * columns - 1
    offsets = table[:-3].reshape(reach, reach, -1)
    offsets = np.einsum(
        "ys,xt,sth->yxh", linear_resize(reach, height), linear_resize(reach, width), offsets
    )
    to_patch, to_class, itself = table[-3:]
    time = rows * columns + 1
    bias = np.zeros((time, time, table.shape[1]))
    bias[0], bias[:, 0] = to_patch, to_class
    bias[0, 0] = itself
    for query, key in itertools.product(range(rows * columns), repeat=2):
        down = query // columns - key // columns
        right = query % columns - key % columns
        bias[1 + query, 1 + key] = offsets[down + rows - 1, right + columns - 1]
    return bias.transpose(2, 0, 1)


def attention_pool(net: TransformerNetwork, weights: Weights, x: Array) -> Array:
    """(batch, d_model): one learned query over all tokens, and an MLP."""
    heads = net.layers[0].heads
    q = linear(weights, "pool.q_proj", weights["pool.query"])[None, None]
    q = split_heads(np.repeat(q, len(x), axis=0), heads)
    k = split_heads(linear(weights, "pool.k_proj", x), heads)
    v = split_heads(linear(weights, "pool.v_proj", x), heads)
    scale, all_seen = x.dtype.type(q.shape[-1] ** -0.5), np.ones((1, 1, 1, 1), bool)
    y = np.concatenate(read_heads(scale * q, k, v, all_seen), axis=-1)[:, 0]
    y = linear(weights, "pool.o_proj", y)
    inner = normed(net, weights, "pool.norm", y)
    return y + mlp(net, net.blocks[0].mlp, 0, part_of(weights, "pool.mlp"), inner)
