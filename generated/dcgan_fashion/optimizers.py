# Made from specs/dcgan_fashion.yaml; make it again: tgen build specs/dcgan_fashion.yaml
"""An optimizer for each of both networks, and how fast they learn over the run."""

from __future__ import annotations

from typing import Any

import torch

from .model import Model
from .options import Options


def make_optimizers(model: Model, options: Options) -> list[torch.optim.Optimizer]:
    """The discriminator's and the generator's; weight decay adds to gradients of matrices only."""
    optimizers: list[torch.optim.Optimizer] = []
    for player, lr in (
        (model.discriminator, options.discriminator_lr),
        (model.generator, options.lr),
    ):
        matrices = [p for p in player.parameters() if p.ndim >= 2]
        vectors = [p for p in player.parameters() if p.ndim < 2]
        groups: list[dict[str, Any]] = [
            {"params": matrices, "base_lr": lr, "weight_decay": options.weight_decay},
            {"params": vectors, "base_lr": lr, "weight_decay": 0.0},
        ]
        betas = (options.beta1, options.beta2)
        optimizers.append(torch.optim.Adam(groups, lr, betas, options.eps, fused=True))
    return optimizers


def lr_multiplier(step: int, options: Options) -> float:
    """Warm-up, flat, then a line down to min_lr_ratio over the last decay_fraction."""
    if step < options.warmup:
        return (step + 1) / (options.warmup + 1)
    decay_steps = min(options.decay_fraction * options.steps, options.steps - options.warmup)
    left = min(1.0, (options.steps - step) / max(1.0, decay_steps))
    return options.min_lr_ratio + (1 - options.min_lr_ratio) * left
