"""How scores are scaled, and what ALiBi and relative positions add to them."""

from __future__ import annotations

import functools
import math

import numpy as np

from codegen.plan.reads import OverLayer
from codegen.plan.transformer.attention_plan import AttentionPlan
from codegen.plan.transformer.network import TransformerNetwork
from tests.oracle.arrays import Array
from tests.oracle.masks import shows_later_keys
from tests.oracle.numbers import layer_number
from tests.oracle.run import Run


def score_scale(net: TransformerNetwork, plan: AttentionPlan, index: int) -> float:
    """The factor of scores: its own or 1 / sqrt(head_dim), in some models of a layer's number."""
    scale = layer_number(net, "attention_scale", "attention_scales", index)
    scale = 1 / math.sqrt(net.layers[index].head_dim) if scale is None else scale
    return (
        scale / (index + 1) if isinstance(plan.numbers.get("attention_scale"), OverLayer) else scale
    )


def score_bias(run: Run, plan: AttentionPlan, index: int, time: int) -> Array:
    """(heads, query, key): what ALiBi and T5's relative positions add to the scores."""
    net, layer = run.net, run.net.layers[index]
    distances = np.arange(time)[:, None] - np.arange(time)[None, :]
    bias = np.zeros((layer.heads, time, time))
    if plan.score.alibi:
        find_slopes = mpt_slopes if plan.score.alibi_slopes == "mpt" else alibi_slopes
        slopes = np.array(find_slopes(layer.heads, plan.score.alibi_most))
        if plan.score.alibi_scaled:
            slopes = slopes * score_scale(net, plan, index)
        bias -= slopes[:, None, None] * abs(distances)
    if plan.score.relative_bias:
        own = "" if plan.score.shared_bias else f"blocks.{index}.attention."
        table = run.weights[f"{own}bias_table"]
        most = layer_number(net, "relative_max_distance", "relative_max_distances", index)
        assert most is not None
        # A mask may be causal without looking so; then its buckets are for both directions.
        both_ways = plan.function is not None and not plan.function.mask.causal
        assert both_ways or not shows_later_keys(layer.mask, time)
        find = functools.partial(t5_bucket, both_ways=both_ways, buckets=len(table), most=most)
        bias += table[np.vectorize(find, otypes=[np.int64])(distances)].transpose(2, 0, 1)
    return bias


def geometric(count: int, most: float) -> list[float]:
    """So many slopes, the last of them 2 to minus the most."""
    return [2 ** (-most * (i + 1) / count) for i in range(count)]


def mpt_slopes(heads: int, most: float) -> list[float]:
    """As MPT has them: of the next power of two, every second one first."""
    power = 1
    while power < heads:
        power *= 2
    slopes = geometric(power, most)
    return slopes if power == heads else (slopes[1::2] + slopes[::2])[:heads]


def alibi_slopes(heads: int, most: float = 8) -> list[float]:
    """arXiv:2108.12409, section 3; other than powers of two as in the authors' code (its A.1)."""
    power = 2 ** int(math.log2(heads))
    return geometric(power, most) + geometric(2 * power, most)[::2][: heads - power]


def t5_bucket(distance: int, both_ways: bool, buckets: int, most: float) -> int:
    """T5's bucket of a distance q - k, as in its own code (arXiv:1910.10683, section 2.1)."""
    first = 0
    if both_ways:
        buckets //= 2
        first = buckets if distance < 0 else 0
        distance = abs(distance)
    distance = max(distance, 0)
    exact = buckets // 2
    if distance < exact:
        return first + distance
    far = math.log(distance / exact) / math.log(most / exact) * (buckets - exact)
    return first + min(exact + math.floor(far + 1e-9), buckets - 1)
