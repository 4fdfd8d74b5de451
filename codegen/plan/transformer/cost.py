"""What a transformer costs: parameters, FLOPs, bytes."""

from __future__ import annotations

from collections import Counter

from codegen.plan.plan import BFLOAT16, Cost
from codegen.plan.tables import Parameter
from codegen.plan.transformer.attention_plan import AttentionPlan
from codegen.plan.transformer.block_plan import Mixer
from codegen.plan.transformer.image import ImagePlan
from codegen.plan.transformer.layer_plan import LayerPlan
from codegen.plan.transformer.network import TransformerNetwork
from codegen.plan.transformer.sublayers import kind_of
from codegen.spec.transformer.resolve import output_width
from codegen.spec.transformer.vocabulary import TransformerModel

# What a classifier computes for the whole image, and not for each of its tokens.
ONCE_AN_IMAGE = ("head.", "distillation_head.", "pool.q_proj", "pool.o_proj", "pool.mlp")


def transformer_cost(network: TransformerNetwork, model: TransformerModel) -> Cost:
    """Counts from the parameter table; a multiply-add is two FLOPs, masked pairs cost nothing."""
    count = sum(p.count for p in network.parameters)
    active = sum(active_count(network, p) for p in network.parameters)
    trained = sum(p.count for p in network.parameters if p.trained)
    length = network.context_length
    forward = forward_flops(network, model, length)
    cache = sum(
        kept_bytes(network, sublayer.plan, layer, length)
        for layer in network.layers
        for sublayer in network.block_of(layer).sublayers
    )
    return Cost.of(
        count,
        forward,
        active_parameters=active,
        flops_train=training_flops(network, model, length),
        trained_parameters=trained if trained < count else 0,
        kv_cache_bytes=cache,
        unit="image" if network.image else "token",
    )


def kept_bytes(network: TransformerNetwork, plan: Mixer, layer: LayerPlan, length: int) -> int:
    """What decoding keeps of a layer: numbers of bfloat16, or whole ones with such scales."""
    numbers = kind_of(plan).kept(plan, layer, length)
    if not (network.rounded_cache and isinstance(plan, AttentionPlan)):
        return BFLOAT16 * numbers
    heads = layer.kv_heads * (layer.head_dim + layer.value_dim)
    return numbers + BFLOAT16 * 2 * layer.kv_heads * numbers // heads


def forward_flops(network: TransformerNetwork, model: TransformerModel, length: int) -> int:
    """FLOPs of the average token in a sequence of `length`, forward.

    Of an image classifier: of an image. Of an encoder-decoder: of a token of the target and one of
    the source, of the same length.
    """
    passes = Counter(network.order or range(len(network.layers)))
    whole = network.pooling is not None and network.pooling.kind  # what is pooled is read once
    once = (*ONCE_AN_IMAGE, "head_transform.") if whole else ONCE_AN_IMAGE
    of_layer = {f"blocks.{layer}": times for layer, times in passes.items()}
    matrices = sum(
        active_count(network, p) * of_layer.get(".".join(p.name.split(".")[:2]), 1)
        for p in network.parameters
        if p.group == "matrix" and not p.name.startswith(once)
    )
    head = (model.classes if network.pooling else model.vocab_size) * output_width(model)
    besides = sum(
        kind_of(sublayer.plan).flops(sublayer.plan, layer, length)
        * (1 if stack.stack else passes[index])
        for stack in network.stacks
        for index, layer in enumerate(stack.layers)
        for sublayer in stack.block_of(layer).sublayers
    )
    if network.image:
        rest = flops_besides_tokens(network, network.image)
        return network.image.tokens * (2 * matrices + besides) + rest
    if whole:
        return 2 * matrices + besides  # what is pooled is little beside all tokens
    return 2 * (matrices + head) + besides


def training_flops(network: TransformerNetwork, model: TransformerModel, length: int) -> int:
    """Forward and backward: frozen matrices have no gradients, though what they read has."""
    forward = forward_flops(network, model, length)
    frozen = [p for p in network.parameters if not p.trained and p.group in ("matrix", "head")]
    per_image = network.image.tokens if network.image else 1
    return 3 * forward - 2 * per_image * sum(active_count(network, p) for p in frozen)


def active_count(network: TransformerNetwork, parameter: Parameter) -> int:
    """How many of a parameter's numbers one token meets: of experts, those of the active ones."""
    if ".experts." not in parameter.name:
        return parameter.count
    stack, _, place = parameter.name.partition("blocks.")
    own = network.encoder if stack == "encoder." else network
    layer = (own or network).layers[int(place.partition(".")[0])]
    return parameter.count * int(layer.numbers["active_experts"]) // int(layer.numbers["experts"])


def flops_besides_tokens(network: TransformerNetwork, image: ImagePlan) -> int:
    """Of an image's patches, and of what pools and classifies."""
    sizes = {p.name: p.count for p in network.parameters}
    once = sum(count for name, count in sizes.items() if name.startswith(ONCE_AN_IMAGE))
    return 2 * (image.patches * sizes["patch_embedding.weight"] + once)
