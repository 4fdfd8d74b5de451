"""Two networks that train each other in plain numpy float64: both players, and what they minimise.

Gradients of the discriminator are central differences over pixels: nothing here knows a backward.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.oracle.network import Reading
from tests.oracle.network.functions import Array

STEP = 1e-5  # of central differences
Judge = Callable[[Array], Array]  # of images: a score of each, the mean over its patches


def player(model: dict[str, Any], name: str, outputs: int) -> dict[str, Any]:
    """One of the two as a model of `tests.oracle.network`."""
    said = model[name] if isinstance(model[name], dict) else {"layers": model[name]}
    merged = {
        kind: {**model.get(kind, {}), **said.get(kind, {})}
        for kind in ("conv", "linear")
        if kind in model or kind in said
    }
    numbers = {**model.get("numbers", {})}
    if "latent" in model:
        numbers["latent"] = model["latent"]
    if norm := said.get("norm", model.get("norm")):
        merged["norm"] = norm
    blocks = model.get("blocks", {})
    return {**merged, "layers": said["layers"], "blocks": blocks, "numbers": numbers,
            "outputs": outputs}  # fmt: skip


def generated(
    model: dict[str, Any], weights: list[Array], running: list[Array], noise: Array,
    labels: NDArray[np.int64] | None,
) -> Array:  # fmt: skip
    """Images of noise, not in training."""
    weights = list(weights)
    if labels is not None:
        noise = np.concatenate([noise, weights.pop(0)[labels]], 1)
    read = player(model, "generator", model["image"]["channels"])
    return Reading(read, weights, running).outputs(noise)


def judge(
    model: dict[str, Any], weights: list[Array], running: list[Array],
    labels: NDArray[np.int64] | None,
) -> Judge:  # fmt: skip
    """The discriminator, not in training; of several rounds of images the labels come again."""

    def scores(images: Array) -> Array:
        own = list(weights)
        if labels is not None:
            of = np.tile(labels, len(images) // len(labels))
            plane = own.pop(0)[of].reshape(-1, 1, *images.shape[2:])
            images = np.concatenate([images, plane], 1)
        found = Reading(player(model, "discriminator", 1), own, running).outputs(images)
        return found.reshape(len(found), -1)

    return scores


def slopes(scores: Judge, images: Array) -> Array:
    """How the mean score of each image changes with its pixels. (N, pixels)"""
    count, pixels = len(images), images[0].size
    moved = np.tile(images.reshape(1, 1, count, pixels), (2, pixels, 1, 1))
    for pixel in range(pixels):
        moved[0, pixel, :, pixel] += STEP
        moved[1, pixel, :, pixel] -= STEP
    found = scores(moved.reshape(-1, *images.shape[1:])).mean(1).reshape(2, pixels, count)
    change: Array = (found[0] - found[1]).T / (2 * STEP)
    return change


def discriminator_loss(
    loss: dict[str, Any], scores: Judge, real: Array, made: Array, mix: Array
) -> float:
    """The sum over images."""
    of_real, of_made = scores(real), scores(made)
    kind = loss["kind"]
    if kind in ("non-saturating", "bce"):
        label = 1 - loss.get("smoothing", 0.0)
        a, b = 1 / (1 + np.exp(-of_real)), 1 / (1 + np.exp(-of_made))
        each = -label * np.log(a) - (1 - label) * np.log(1 - a) - np.log(1 - b)
    elif kind == "hinge":
        each = np.maximum(0, 1 - of_real) + np.maximum(0, 1 + of_made)
    elif kind == "least-squares":
        each = (of_real - 1) ** 2 + of_made**2
    else:
        each = of_made - of_real
    total = float(each.mean(1).sum())
    if kind == "wgan-gp":
        between = (1 - mix)[:, None, None, None] * real + mix[:, None, None, None] * made
        norms = np.sqrt((slopes(scores, between) ** 2).sum(1))
        total += loss.get("penalty", 10.0) * float(((norms - 1) ** 2).sum())
    if r1 := loss.get("r1", 0.0):
        total += r1 / 2 * float((slopes(scores, real) ** 2).sum())
    return total


def generator_loss(kind: str, scores: Judge, made: Array) -> float:
    """The sum over images."""
    found = scores(made)
    if kind in ("non-saturating", "bce"):
        found = -np.log(1 / (1 + np.exp(-found)))
    elif kind == "least-squares":
        found = (found - 1) ** 2
    else:
        found = -found
    return float(found.mean(1).sum())
