"""Rotary positions, stretched or not."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from codegen.plan.transformer.layer_plan import LayerPlan
from codegen.plan.transformer.network import TransformerNetwork
from codegen.plan.transformer.parts import RopePlan
from tests.oracle.arrays import Array
from tests.oracle.numbers import fields
from tests.oracle.run import Run

ROPE_NUMBERS = (
    "factor",
    "low_freq_factor",
    "high_freq_factor",
    "beta_fast",
    "beta_slow",
    "original_context_length",
    "attention_factor",
    "long_attention_factor",
)


def turned(run: Run, layer: LayerPlan, x: Array) -> Array:
    """Heads (batch, heads, time, head_dim) with their first dimensions turned by position.

    `read_at` (batch, time) of the inputs says how long the text was when each token was read; by
    default it was read as a whole.
    """
    net, time = run.net, x.shape[2]
    (rope,) = (r for r in net.ropes if layer.kind in r.kinds)
    own = fields(net).get("rotary_dim", fields(net).get(f"{rope.name}_dim"))
    dim = int(own or x.shape[-1])
    read_at = run.inputs.get("read_at", np.full((1, time), time))
    by_length = {n: rope_frequencies(net, rope, layer, dim, int(n)) for n in np.unique(read_at)}
    frequencies = np.array([[by_length[n][0] for n in row] for row in read_at])
    factor = np.array([[by_length[n][1] for n in row] for row in read_at])[:, None, :, None]
    angles = (run.positions[..., None] * frequencies * rope.sign)[:, None]
    cos, sin = factor * np.cos(angles), factor * np.sin(angles)
    cos, sin = cos.astype(x.dtype), sin.astype(x.dtype)
    pairs = [
        (i, i + dim // 2) if rope.pairs == "half" else (2 * i, 2 * i + 1) for i in range(dim // 2)
    ]
    y = x.copy()
    for index, (one, two) in enumerate(pairs):
        c, s = cos[..., index], sin[..., index]
        y[..., one] = x[..., one] * c - x[..., two] * s
        y[..., two] = x[..., two] * c + x[..., one] * s
    return y


def rope_frequencies(
    net: TransformerNetwork, rope: RopePlan, layer: LayerPlan, dim: int, time: int
) -> tuple[list[float], float]:
    """Radians a position of each pair of dimensions, and the factor of what is turned."""
    values, theta = fields(net), layer.rope_theta
    assert theta is not None
    own = {n: values.get(f"{rope.name}_{n}", 1.0) for n in ROPE_NUMBERS}
    factor, context = own["factor"], own["original_context_length"]
    if rope.scaling == "dynamic" and time > context:
        theta *= (factor * time / context - (factor - 1)) ** (dim / (dim - 2))
    frequencies = [theta ** (-2 * i / dim) for i in range(dim // 2)]
    match rope.scaling:
        case "linear":
            frequencies = [f / factor for f in frequencies]
        case "llama3":
            frequencies = [llama3(own, f) for f in frequencies]
        case "yarn":
            frequencies = yarn(own, frequencies, theta, rope.truncate)
        case "longrope":
            which = "long" if time > context else "short"
            divisors = values[f"{rope.name}_{which}_factors"]
            frequencies = [f / d for f, d in zip(frequencies, divisors, strict=True)]
            if which == "long" and rope.long_attention_factor:
                return frequencies, own["long_attention_factor"]
        case "proportional":
            turning = values[f"{rope.name}_pairs"]
            frequencies = [f / factor if i < turning else 0.0 for i, f in enumerate(frequencies)]
    return frequencies, own["attention_factor"]


def yarn(
    own: Mapping[str, float], frequencies: list[float], theta: float, whole: bool
) -> list[float]:
    """arXiv:2309.00071, section 3.2: by how often a pair turns in the original context."""
    dim, context = 2 * len(frequencies), own["original_context_length"]

    def pair_that_turns(times: float) -> float:
        return dim * math.log(context / (times * 2 * math.pi)) / (2 * math.log(theta))

    low, high = pair_that_turns(own["beta_fast"]), pair_that_turns(own["beta_slow"])
    low, high = (math.floor(low), math.ceil(high)) if whole else (low, high)
    low, high = max(low, 0), min(high, dim - 1)
    found = []
    for index, frequency in enumerate(frequencies):
        slowed = min(max((index - low) / (high - low or 0.001), 0), 1)
        found.append(frequency * (1 - slowed) + slowed * frequency / own["factor"])
    return found


def llama3(own: Mapping[str, float], frequency: float) -> float:
    """Llama 3.1's stretch: long waves divided, short ones kept, a ramp in between."""
    factor, low, high = own["factor"], own["low_freq_factor"], own["high_freq_factor"]
    context, wavelength = own["original_context_length"], 2 * math.pi / frequency
    if wavelength < context / high:
        return frequency
    if wavelength > context / low:
        return frequency / factor
    smooth = (context / wavelength - low) / (high - low) if high > low else 1.0
    return (1 - smooth) * frequency / factor + smooth * frequency
