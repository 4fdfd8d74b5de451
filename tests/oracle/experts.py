"""A mixture of experts, token by token."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from codegen.plan.transformer.experts import RouterPlan
from codegen.plan.transformer.layer_plan import LayerPlan
from codegen.plan.transformer.parts import MlpPlan
from tests.oracle.activations import sigmoid
from tests.oracle.arrays import Array, Weights
from tests.oracle.formulas import linear, softcap

# What an expert computes of rows: the projections' matrices and biases by name come first.
Expert = Callable[[Weights, Array], Array]


def mixture(
    plan: MlpPlan,
    layer: LayerPlan,
    weights: Weights,
    prefix: str,
    x: Array,
    compute: Expert,
    gaps: list[float],
    routed: Array | None = None,
) -> Array:
    """The weighted sum of each token's experts. To `gaps` goes by how much each choice was made.

    `routed` is what the router reads, if it reads something else than the experts.
    """
    assert plan.experts is not None
    out = np.zeros_like(x)
    logits = linear(weights, f"{prefix}.router", x if routed is None else routed)
    if plan.logit_scale:
        logits = logits * x.dtype.type(layer.numbers["route_logit_scale"])
    correction = weights.get(f"{prefix}.correction_bias")
    for at in np.ndindex(*x.shape[:-1]):
        for number, share in route(plan.experts.router, layer, logits[at], correction, gaps):
            row, share = x[at][None], x.dtype.type(share)
            if plan.experts.router.expert_scale:
                share = share * weights[f"{prefix}.expert_scale"][number]
            own = expert(weights, f"{prefix}.experts", number)
            if plan.experts.weigh_input:
                out[at] += compute(own, share * row)[0]
            else:
                out[at] += share * compute(own, row)[0]
    return out


def expert(weights: Weights, prefix: str, number: int) -> dict[str, Array]:
    """The projections of one expert, under the names that those of an MLP have."""
    found = {}
    for name in ("gate_proj", "up_proj", "down_proj"):
        if f"{prefix}.{name}" in weights:
            found[f"{name}.weight"] = weights[f"{prefix}.{name}"][number]
        if f"{prefix}.{name}_bias" in weights:
            found[f"{name}.bias"] = weights[f"{prefix}.{name}_bias"][number]
    return found


def route(
    router: RouterPlan,
    layer: LayerPlan,
    logits: Array,
    correction: Array | None,
    gaps: list[float],
) -> list[tuple[int, float]]:
    """The experts of one token and their weights."""
    active = int(layer.numbers["active_experts"])
    if router.softcap:
        logits = softcap(logits, float(layer.numbers["route_softcap"]))
    scale = float(layer.numbers["route_scale"]) if router.scaled else 1.0
    if router.scores == "sparsemixer":
        chosen = sparsemixer(logits, active, float(layer.numbers["route_threshold"]), gaps)
        return [(number, scale * share) for number, share in chosen]
    powers = np.exp(logits - logits.max())
    scores = powers / powers.sum() if router.scores == "softmax" else sigmoid(logits)
    choice = scores
    if correction is not None:
        choice = correction + (logits if router.correction == "logits" else scores)
    if router.grouped:
        choice = open_groups(router, layer, choice, gaps)
    elif correction is None and router.scores == "softmax":  # small ones are told apart, too
        choice = np.log(np.maximum(scores, np.finfo(np.float32).tiny))
    numbers = best(choice, active, gaps)
    shares = scores[numbers]
    if router.normalize:
        power = float(layer.numbers["route_power"]) if router.powered else 1.0
        total = (shares**power).sum() ** (1 / power)
        shares = shares / (total + (float(layer.numbers["route_eps"]) if router.eps else 0.0))
    return [(int(n), scale * float(share)) for n, share in zip(numbers, shares, strict=True)]


def best(scores: Array, count: int, gaps: list[float]) -> list[int]:
    """The numbers of the highest scores."""
    order = sorted(range(len(scores)), key=lambda n: -scores[n])
    if count < len(order):
        gaps.append(float(scores[order[count - 1]] - scores[order[count]]))
    return order[:count]


def open_groups(router: RouterPlan, layer: LayerPlan, choice: Array, gaps: list[float]) -> Array:
    """The scores, those of experts outside the best groups at minus infinity."""
    parts = choice.reshape(int(layer.numbers["expert_groups"]), -1)
    top = 2 if router.group_score == "top2" else 1
    of_group = np.sort(parts, axis=1)[:, -top:].sum(1)
    kept = best(of_group, int(layer.numbers["active_groups"]), gaps)
    closed = [group not in kept for group in range(len(parts))]
    return np.where(np.array(closed)[:, None], -np.inf, parts).reshape(-1)


def sparsemixer(
    logits: Array, active: int, threshold: float, gaps: list[float]
) -> list[tuple[int, float]]:
    """Each choice is the best left; its weight a softmax over what is left and close to it."""
    left = list(range(len(logits)))
    chosen = []
    for _ in range(active):
        number = best(logits[left], 1, gaps)[0]
        top = logits[left[number]]
        far = (top - logits[left]) / np.maximum(abs(logits[left]), top)
        gaps.extend(abs(far - 2 * threshold).tolist())
        close = [n for n, f in zip(left, far, strict=True) if f <= 2 * threshold]
        chosen.append((left[number], float(1 / np.exp(logits[close] - top).sum())))
        left.remove(left[number])
    return chosen
