"""What a transformer costs: parameters, FLOPs, bytes."""

from __future__ import annotations

import functools
from collections import Counter
from itertools import pairwise

from codegen.plan.masks.ranges import AxisTile, Inputs, effort, key_ranges
from codegen.plan.plan import Cost, OptimizerPlan
from codegen.plan.tables import Parameter
from codegen.plan.transformer.attention_function import kept_numbers
from codegen.plan.transformer.image import ImagePlan
from codegen.plan.transformer.network import TransformerNetwork
from codegen.plan.transformer.parts import LayerPlan
from codegen.spec.masks.reach import plain, window_of
from codegen.spec.masks.tree import Atom, parse_mask
from codegen.spec.transformer.resolve import output_width
from codegen.spec.transformer.vocabulary import TransformerModel

FLOAT32, BFLOAT16 = 4, 2
SAMPLES, LEAST = 256, 4  # queries
STEPS = 20_000
# What a classifier computes for the whole image, and not for each of its tokens.
ONCE_AN_IMAGE = ("head.", "distillation_head.", "pool.q_proj", "pool.o_proj", "pool.mlp")


def transformer_cost(
    network: TransformerNetwork, model: TransformerModel, optimizer: OptimizerPlan
) -> Cost:
    """Counts from the parameter table; a multiply-add is two FLOPs, masked pairs cost nothing."""
    count = sum(p.count for p in network.parameters)
    active = sum(active_count(network, p) for p in network.parameters)
    matrices = sum(p.count for p in network.parameters if p.group == "matrix")
    length = network.context_length
    forward = forward_flops(network, model, length)
    kept = [la for i, la in enumerate(network.layers) if network.decodes and la.kv_source == i]
    cache = sum(cache_width(layer) * cache_slots(layer.mask, length) for layer in kept)
    if network.cross:
        numbers = network.cross.numbers
        cache += int(2 * numbers["kv_heads"] * numbers["head_dim"]) * length * len(network.layers)
    moments = 2 * count if optimizer.kind == "adamw" else 2 * (count - matrices) + matrices
    return Cost(
        parameters=count,
        active_parameters=active,
        flops_forward=forward,
        flops_train=3 * forward,
        weight_bytes=FLOAT32 * count,
        weight_bytes_bf16=BFLOAT16 * count,
        kv_cache_bytes=BFLOAT16 * cache,
        training_bytes=FLOAT32 * (2 * count + moments),
        unit="image" if network.image else "token",
    )


def forward_flops(network: TransformerNetwork, model: TransformerModel, length: int) -> int:
    """FLOPs of the average token in a sequence of `length`, forward.

    Of an image classifier: of an image. Of an encoder-decoder: of a token of the target and one of
    the source, of the same length.
    """
    passes = Counter(network.order or range(len(network.layers)))
    of_layer = {f"blocks.{layer}": times for layer, times in passes.items()}
    matrices = sum(
        active_count(network, p) * of_layer.get(".".join(p.name.split(".")[:2]), 1)
        for p in network.parameters
        if p.group == "matrix" and not p.name.startswith(ONCE_AN_IMAGE)
    )
    head = model.vocab_size * output_width(model)
    attention = sum(
        _attention_flops(layer, length) * (1 if stack.stack else passes[index])
        for stack in network.stacks
        for index, layer in enumerate(stack.layers)
    )
    if network.cross:
        numbers = network.cross.numbers
        attention += int(4 * numbers["heads"] * numbers["head_dim"]) * length * len(network.layers)
    if network.image:
        rest = flops_besides_tokens(network, network.image)
        return network.image.tokens * (2 * matrices + attention) + rest
    return 2 * (matrices + head) + attention


def active_count(network: TransformerNetwork, parameter: Parameter) -> int:
    """How many of a parameter's numbers one token meets: of experts, those of the active ones."""
    if ".experts." not in parameter.name:
        return parameter.count
    stack, _, place = parameter.name.partition("blocks.")
    own = network.encoder if stack == "encoder." else network
    layer = (own or network).layers[int(place.partition(".")[0])]
    return parameter.count * int(layer.numbers["active_experts"]) // int(layer.numbers["experts"])


def cache_width(layer: LayerPlan) -> int:
    """Numbers that a cache keeps of a token: its keys and values, or its latent."""
    if layer.latent:
        return layer.latent.kv_rank + layer.latent.rope_dim
    return layer.kv_heads * (layer.head_dim + layer.value_dim)


def flops_besides_tokens(network: TransformerNetwork, image: ImagePlan) -> int:
    """Of an image's patches, and of what pools and classifies."""
    sizes = {p.name: p.count for p in network.parameters}
    once = sum(count for name, count in sizes.items() if name.startswith(ONCE_AN_IMAGE))
    return 2 * (image.patches * sizes["patch_embedding.weight"] + once)


def cache_slots(mask: str, length: int) -> int:
    """How many positions a cache for `length` tokens keeps."""
    first, ring = kept_numbers(plain(parse_mask(mask)))
    return length if ring is None else min(length, first + ring)


@functools.cache
def visible_pairs(mask: str, length: int) -> int:
    """How many (query, key) pairs a mask shows in a sequence of `length`, in one document.

    Counted for up to SAMPLES queries, fewer where one takes long; the others see as much as those
    beside them.
    """
    tree, inputs = plain(parse_mask(mask)), one_row(length)
    window = window_of(tree)
    if tree == Atom("causal") or window is not None:
        reach = min(window or length, length)
        return reach * (reach + 1) // 2 + (length - reach) * reach
    samples = min(length, max(LEAST, min(SAMPLES, STEPS // effort(tree, length))))
    edges = [length * i // samples for i in range(samples)]
    widths = [high - low for low, high in pairwise([*edges, length])]
    middles = [low + width // 2 for low, width in zip(edges, widths, strict=True)]
    seen = (key_ranges(tree, AxisTile(q, q + 1, length, inputs)).visited for q in middles)
    return sum(count * width for count, width in zip(seen, widths, strict=True))


def one_row(length: int) -> Inputs:
    """The run-time inputs of a row that is one document, without prefix or padding."""
    whole = {"document_starts": 0, "document_ends": length, "lengths": length}
    return {**whole, "prefix_lengths": 0}


def _attention_flops(layer: LayerPlan, length: int) -> int:
    """Scores and weighted sum of one layer, for the average token of a full sequence."""
    pairs = visible_pairs(layer.mask, length)
    values = layer.value_dim * (2 if layer.differential else 1)
    return 2 * layer.heads * (layer.head_dim + values) * pairs // length
