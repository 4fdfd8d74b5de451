# Made from specs/wgan_gp_fashion.yaml; make it again: tgen build specs/wgan_gp_fashion.yaml
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
    """Linear warm-up, then flat."""
    return min(1.0, (step + 1) / (options.warmup + 1))
