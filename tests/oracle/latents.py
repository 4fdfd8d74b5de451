"""Multi-head latent attention (arXiv:2405.04434, section 2.1)."""

from __future__ import annotations

import numpy as np

from codegen.plan.transformer.parts import NormPlan
from tests.oracle.arrays import Array
from tests.oracle.formulas import linear, norm, split_heads
from tests.oracle.numbers import inner_eps
from tests.oracle.rope import turned
from tests.oracle.run import Run


def latent_heads(run: Run, index: int, x: Array) -> tuple[Array, Array, Array]:
    """Queries, keys and values (batch, heads, time, ...), out of narrow latents."""
    layer, prefix, weights = run.net.layers[index], f"blocks.{index}.attention", run.weights
    sizes, rms = layer.latent, NormPlan("rms", True, False, "", "")
    assert sizes is not None
    eps = inner_eps(run.net, "latent_norm", index)
    name, y = "q_proj", x
    if sizes.q_rank:
        down = linear(weights, f"{prefix}.q_down", x)
        name, y = "q_up", norm(rms, eps, weights, f"{prefix}.q_latent_norm", down)
    q = split_heads(linear(weights, f"{prefix}.{name}", y), layer.heads)
    down = linear(weights, f"{prefix}.kv_down", x)
    latent = norm(rms, eps, weights, f"{prefix}.kv_latent_norm", down[..., : sizes.kv_rank])
    up = split_heads(linear(weights, f"{prefix}.kv_up", latent), layer.heads)
    q_turned, k_turned = q[..., sizes.nope_dim :], down[:, None, :, sizes.kv_rank :]
    if layer.rope_theta is not None:
        q_turned = turned(run, layer, q_turned)
        k_turned = turned(run, layer, k_turned)
    q = np.concatenate([q[..., : sizes.nope_dim], q_turned], axis=-1)
    shared = np.repeat(k_turned, layer.heads, axis=1)
    k = np.concatenate([up[..., : sizes.nope_dim], shared], axis=-1)
    return q, k, up[..., sizes.nope_dim :]
