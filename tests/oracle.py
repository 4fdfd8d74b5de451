"""A slow interpreter of the Plan in plain numpy: what a transformer of this plan must compute.

It shares no code with the templates and reads no expression over the Config: numbers are those of
the layers and of the config's fields at true size, masks are read from their text. It computes in
the precision of the weights; the tests give it float64.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from codegen.plan import Plan
from codegen.plan.network import AttentionPlan, LayerPlan, NormPlan, TransformerNetwork

Array = np.ndarray[Any, np.dtype[Any]]
Weights = Mapping[str, Array]

IGNORED = -100


def logits(plan: Plan, weights: Weights, tokens: Array) -> Array:
    """(batch, time, vocabulary) for tokens (batch, time)."""
    net = plan.model
    x = embed(net, weights, tokens)
    for index in range(len(net.layers)):
        x = block(net, weights, x, index)
    x = norm(net.norm, final_eps(net), weights, "norm", x)
    table = weights["token_embedding.weight" if net.tied else "head.weight"]
    out = x @ table.T
    if net.head_bias:
        out = out + weights["head_bias"]
    return softcap(out, number(net, "logit_softcap")) if net.softcap else out


def loss(plan: Plan, weights: Weights, tokens: Array, targets: Array, reduction: str) -> Array:
    """Cross entropy: per token (batch, time), zero where the target is -100; their sum or mean."""
    scores = logits(plan, weights, tokens)
    scores = scores - scores.max(-1, keepdims=True)
    log_probabilities = scores - np.log(np.exp(scores).sum(-1, keepdims=True))
    counted = targets != IGNORED
    chosen = np.where(counted, targets, 0)[..., None]
    each = np.where(counted, -np.take_along_axis(log_probabilities, chosen, -1)[..., 0], 0.0)
    if reduction == "none":
        return each
    return each.sum() if reduction == "sum" else each.sum() / counted.sum()


# Numbers


def fields(net: TransformerNetwork) -> dict[str, Any]:
    """The config's values at true size."""
    return {field.name: field.value for field in net.fields}


def number(net: TransformerNetwork, name: str) -> float:
    return float(fields(net)[name])


def layer_number(net: TransformerNetwork, name: str, plural: str, layer: int) -> float | None:
    """A layer's number: of the one field for all, else of its own; None where there is neither."""
    values = fields(net)
    value = values[name] if name in values else values.get(plural, {layer: None})[layer]
    return None if value is None else float(value)


def norm_eps(net: TransformerNetwork, layer: int) -> float:
    eps = layer_number(net, "norm_eps", "norm_epsilons", layer)
    assert eps is not None
    return eps


def final_eps(net: TransformerNetwork) -> float:
    """Of the norms outside the blocks."""
    own = [field.value for field in net.fields if field.name == "final_norm_eps"]
    return float(own[0]) if own else norm_eps(net, 0)


# The embedding


def embed(net: TransformerNetwork, weights: Weights, tokens: Array) -> Array:
    """(batch, time, d_model): scaled, shifted, placed, normalised, in this order."""
    x = weights["token_embedding.weight"][tokens]
    if net.embedding_scaled:
        x = x * number(net, "embedding_scale")
    if net.token_shift:
        before = np.concatenate([x[:, :1], x[:, :-1]], axis=1)  # the first token's is its own
        x = x + weights["token_shift"] * before
    if net.learned_positions:
        x = x + weights["position_embedding.weight"][: tokens.shape[1]]
    if net.embedding_norm:
        x = norm(net.norm, final_eps(net), weights, "embedding_norm", x)
    return x


# The block


def block(net: TransformerNetwork, weights: Weights, x: Array, index: int) -> Array:
    """A layer: each sublayer added to the stream, normalised before, after, or both."""
    layer = net.layers[index]
    (plan,) = (b for b in net.blocks if b.class_name == layer.block)
    eps, prefix = norm_eps(net, index), f"blocks.{index}"

    def normed(place: str, y: Array) -> Array:
        return norm(plan.norm, eps, weights, f"{prefix}.{place}", y)

    def sublayer(name: str, y: Array) -> Array:
        if name == "attention":
            return attention(net, plan.attention, index, weights, y)
        return mlp(plan.mlp.kind, plan.mlp.activation, weights, f"{prefix}.mlp", y)

    for name in ("attention", "mlp"):
        before = x if plan.placement == "post" else normed(f"{name}_norm", x)
        output = sublayer(name, before)
        x = x + (output if plan.placement == "pre" else normed(f"{name}_post_norm", output))
    return x


def attention(
    net: TransformerNetwork, plan: AttentionPlan, index: int, weights: Weights, x: Array
) -> Array:
    """softmax(scale * q k) v over the visible keys, head by head."""
    layer, prefix = net.layers[index], f"blocks.{index}.attention"
    q = split_heads(linear(weights, f"{prefix}.q_proj", x), layer.heads)
    k = split_heads(linear(weights, f"{prefix}.k_proj", x), layer.kv_heads)
    v = split_heads(linear(weights, f"{prefix}.v_proj", x), layer.kv_heads)
    if plan.qk_norm:
        eps = layer_number(net, "qk_norm_eps", "qk_norm_epsilons", index) or norm_eps(net, index)
        q = norm(plan.qk_norm, eps, weights, f"{prefix}.q_norm", q)
        k = norm(plan.qk_norm, eps, weights, f"{prefix}.k_norm", k)
    if layer.rope_theta is not None:
        frequencies = rope_frequencies(net, layer)
        q, k = rotate(q, frequencies), rotate(k, frequencies)
    scale = layer_number(net, "attention_scale", "attention_scales", index)
    scale = 1 / math.sqrt(layer.head_dim) if scale is None else scale
    seen = visible(layer.mask, x.shape[1])
    heads = []
    for head in range(layer.heads):
        shared = head // (layer.heads // layer.kv_heads)
        scores = scale * q[:, head] @ k[:, shared].swapaxes(1, 2)
        heads.append(softmax(np.where(seen, scores, -np.inf)) @ v[:, shared])
    return linear(weights, f"{prefix}.o_proj", np.concatenate(heads, axis=-1))


def split_heads(x: Array, heads: int) -> Array:
    """(batch, time, heads * head_dim) -> (batch, heads, time, head_dim)."""
    return x.reshape(*x.shape[:2], heads, -1).swapaxes(1, 2)


def mlp(kind: str, activation: str, weights: Weights, prefix: str, x: Array) -> Array:
    act, up = ACTIVATIONS[activation], linear(weights, f"{prefix}.up_proj", x)
    inner = act(linear(weights, f"{prefix}.gate_proj", x)) * up if kind == "gated" else act(up)
    return linear(weights, f"{prefix}.down_proj", inner)


# Formulas


def linear(weights: Weights, name: str, x: Array) -> Array:
    return x @ weights[f"{name}.weight"].T + weights.get(f"{name}.bias", x.dtype.type(0))


def norm(plan: NormPlan, eps: float, weights: Weights, name: str, x: Array) -> Array:
    """RMSNorm or LayerNorm over the last axis."""
    if plan.kind == "layer":
        x = x - x.mean(-1, keepdims=True)
    x = x / np.sqrt((x * x).mean(-1, keepdims=True) + eps)
    x = x * weights[f"{name}.weight"] if plan.weight else x
    return x + weights[f"{name}.bias"] if plan.bias else x


def softmax(scores: Array) -> Array:
    powers = np.exp(scores - scores.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def softcap(x: Array, cap: float) -> Array:
    return cap * np.tanh(x / cap)


def rope_frequencies(net: TransformerNetwork, layer: LayerPlan) -> list[float]:
    """Radians a position of each pair of dimensions, stretched as the plan says."""
    theta, dim = layer.rope_theta, layer.head_dim
    assert net.rope is not None and theta is not None
    frequencies = [theta ** (-2 * i / dim) for i in range(dim // 2)]
    if net.rope.scaling == "linear":
        return [f / number(net, "rope_factor") for f in frequencies]
    return [llama3(net, f) for f in frequencies] if net.rope.scaling == "llama3" else frequencies


def llama3(net: TransformerNetwork, frequency: float) -> float:
    """Llama 3.1's stretch: long waves divided, short ones kept, a ramp in between."""
    factor = number(net, "rope_factor")
    low, high = number(net, "rope_low_freq_factor"), number(net, "rope_high_freq_factor")
    context, wavelength = number(net, "rope_original_context_length"), 2 * math.pi / frequency
    if wavelength < context / high:
        return frequency
    if wavelength > context / low:
        return frequency / factor
    smooth = (context / wavelength - low) / (high - low)
    return (1 - smooth) * frequency / factor + smooth * frequency


def rotate(x: Array, frequencies: list[float]) -> Array:
    """Turns each pair (x[i], x[i + head_dim / 2]) of (batch, heads, time, head_dim)."""
    angles = np.arange(x.shape[2])[:, None] * np.array(frequencies)
    cos, sin = np.cos(angles).astype(x.dtype), np.sin(angles).astype(x.dtype)
    one, two = np.split(x, 2, axis=-1)
    return np.concatenate([one * cos - two * sin, two * cos + one * sin], axis=-1)


def visible(mask: str, time: int) -> Array:
    """(query, key): the mask's text as the spec language defines it."""
    q, k = np.arange(time)[:, None], np.arange(time)[None, :]

    def see(tree: ast.expr) -> Array:
        match tree:
            case ast.BinOp(left, ast.BitAnd(), right):
                return see(left) & see(right)
            case ast.Name("causal"):
                return k <= q
            case ast.Call(ast.Name("window"), [ast.Constant(int(left))]):
                return q - k < left
            case ast.Call(ast.Name("window"), [ast.Constant(int(left)), ast.Constant(int(right))]):
                return (q - k < left) & (k < q + right)
        raise ValueError(f"no mask: {mask}")

    return see(ast.parse(mask, mode="eval").body)


def gelu(x: Array) -> Array:
    erf = np.vectorize(math.erf, otypes=[x.dtype])
    return 0.5 * x * (1 + erf(x / math.sqrt(2)))


ACTIVATIONS = {
    "silu": lambda x: x * 0.5 * (1 + np.tanh(x / 2)),  # x * sigmoid(x), which can't overflow
    "gelu": gelu,
    "gelu_tanh": lambda x: 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),
    "relu": lambda x: np.maximum(x, 0),
    "relu2": lambda x: np.maximum(x, 0) ** 2,
}
