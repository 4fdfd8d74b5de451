"""Networks that make a picture of another in plain numpy float64, and what these minimise."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.oracle import gan
from tests.oracle.gan import Judge, player
from tests.oracle.network import Reading
from tests.oracle.network.functions import Array

Weights = tuple[list[Array], list[Array]]  # of a network, and its running statistics


def translated(model: dict[str, Any], weights: Weights, images: Array) -> Array:
    """What a generator makes of images, not in training."""
    outputs = model.get("outputs", model["image"]["channels"])
    own, running = weights
    return Reading(player(model, "generator", outputs), list(own), running).outputs(images)


def judge(model: dict[str, Any], weights: Weights, sources: Array | None = None) -> Judge:
    """The scores of a discriminator; of several rounds of images the sources come again."""
    own, running = weights

    def scores(images: Array) -> Array:
        if sources is not None:
            again = np.tile(sources, (len(images) // len(sources), 1, 1, 1))
            images = np.concatenate([again, images], 1)
        found = Reading(player(model, "discriminator", 1), list(own), running).outputs(images)
        return found.reshape(len(found), -1)

    return scores


def of_pairs(
    model: dict[str, Any], loss: dict[str, Any], players: dict[str, Weights], images: Array,
    targets: Array,
) -> tuple[float, float]:  # fmt: skip
    """Of the discriminator and of the generator, the sums over images."""
    scores = judge(model, players["discriminator"], images)
    made = translated(model, players["generator"], images)
    told = gan.discriminator_loss(loss, scores, targets, made, np.zeros(0))
    fooled = gan.generator_loss(loss["kind"], scores, made)
    return told, fooled + loss.get("l1", 100.0) * apart(made, targets)


def of_a_cycle(
    model: dict[str, Any], loss: dict[str, Any], players: dict[str, Weights], images: Array,
    targets: Array,
) -> tuple[float, float]:  # fmt: skip
    """Of both discriminators and of both generators, the sums over images."""
    told = fooled = 0.0
    ways = (("forth", "back", images, targets), ("back", "forth", targets, images))
    for way, other, given, wanted in ways:
        scores = judge(model, players[f"discriminator.{way}"])
        made = translated(model, players[f"generator.{way}"], given)
        told += gan.discriminator_loss(loss, scores, wanted, made, np.zeros(0))
        fooled += gan.generator_loss(loss["kind"], scores, made)
        returned = translated(model, players[f"generator.{other}"], made)
        fooled += loss["cycle"] * apart(returned, given)
        kept = translated(model, players[f"generator.{way}"], wanted)
        fooled += loss.get("identity", 0.0) * apart(kept, wanted)
    return told, fooled


def apart(images: Array, others: Array) -> float:
    """Of each image the mean distance of its pixels, summed over images."""
    return float(np.abs(images - others).mean((1, 2, 3)).sum())
