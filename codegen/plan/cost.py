"""What a transformer costs: parameters, FLOPs, bytes."""

from __future__ import annotations

from codegen.plan.network import LayerPlan, TransformerNetwork
from codegen.plan.plan import Cost, OptimizerPlan
from codegen.spec.transformer import TransformerModel

FLOAT32, BFLOAT16 = 4, 2


def transformer_cost(
    network: TransformerNetwork, model: TransformerModel, optimizer: OptimizerPlan
) -> Cost:
    """Counts from the parameter table; a multiply-add is two FLOPs, masked pairs cost nothing."""
    count = sum(p.count for p in network.parameters)
    matrices = sum(p.count for p in network.parameters if p.group == "matrix")
    length = model.context_length
    forward = forward_flops(network, model, length)
    cache = sum(
        2 * layer.kv_heads * layer.head_dim * min(layer.window or length, length)
        for layer in network.layers
    )
    moments = 2 * count if optimizer.kind == "adamw" else 2 * (count - matrices) + matrices
    return Cost(
        parameters=count,
        flops_forward=forward,
        flops_train=3 * forward,
        weight_bytes=FLOAT32 * count,
        weight_bytes_bf16=BFLOAT16 * count,
        kv_cache_bytes=BFLOAT16 * cache,
        training_bytes=FLOAT32 * (2 * count + moments),
    )


def forward_flops(network: TransformerNetwork, model: TransformerModel, length: int) -> int:
    """FLOPs of the average token in a sequence of `length`, forward."""
    matrices = sum(p.count for p in network.parameters if p.group == "matrix")
    head = model.vocab_size * model.d_model
    attention = sum(_attention_flops(layer, length) for layer in network.layers)
    return 2 * (matrices + head) + attention


def visible_pairs(length: int, window: int | None) -> int:
    """How many (query, key) pairs a causal mask shows in a sequence of `length`."""
    reach = min(window or length, length)
    return reach * (reach + 1) // 2 + (length - reach) * reach


def _attention_flops(layer: LayerPlan, length: int) -> int:
    """Scores and weighted sum of one layer, for the average token of a full sequence."""
    pairs = visible_pairs(length, layer.window)
    return 2 * 2 * layer.heads * layer.head_dim * pairs // length
