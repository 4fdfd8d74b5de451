"""Small specs of two networks that train each other, and pictures for them to learn from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

SIDE = 8


def players(name: str, **more: Any) -> dict[str, Any]:
    """A spec of images of 8 x 8 pixels; `model` and `train` say more than the smallest there is."""
    generator = [
        {"linear": {"width": 64, "norm": "batch", "activation": "relu"}},
        {"reshape": [4, 4, 4]},
        {"conv": {"width": "outputs", "kernel": 4, "stride": 2, "padding": 1,
                  "transposed": True, "activation": "tanh"}},
    ]  # fmt: skip
    discriminator = [
        {"conv": {"width": 8, "stride": 2, "norm": "batch", "activation": "leaky_relu"}},
        "flatten",
        {"linear": 1},
    ]
    model = {"image": {"size": SIDE, "channels": 1}, "latent": 6, "label_dim": 4}
    model |= {"generator": generator, "discriminator": discriminator, **more.pop("model", {})}
    if not model.get("classes"):
        del model["label_dim"]
    return {"name": name, "family": "gan", "task": "image-generation", "model": model, **more}


def write_stripes(path: Path, channels: int = 1, count: int = 60) -> None:
    """Noise under stripes that lie down (class 0) or stand (class 1), as a file of arrays."""
    random, labels = np.random.default_rng(0), np.arange(count) % 2
    lying = np.arange(SIDE)[:, None] // 2 % 2 * np.ones(SIDE)
    stripes = np.where(labels[:, None, None], lying.T, lying)
    images = 40 + 150 * stripes[..., None] + random.integers(0, 60, (count, SIDE, SIDE, channels))
    np.savez(path, images=images.astype(np.uint8), labels=labels)


def options_of(folder: Path, *more: str) -> list[str]:
    """Of a short run on stripes.npz in a folder."""
    given = ["--data", str(folder / "stripes.npz"), "--out", str(folder / "out"), "--batch", "16"]
    given += ["--samples", "40", "--steps", "6", "--log-every", "3", "--eval-every", "2"]
    return [*given, *more]
