# Made from specs/wgan_gp_fashion.yaml; make it again: tgen build specs/wgan_gp_fashion.yaml
"""What both networks minimise."""

from __future__ import annotations

import torch
from torch import Tensor

from .data import Batch
from .model import Model
from .options import Options


def fakes_of(model: Model, batch: Batch) -> Tensor:
    """Images of a batch's noise."""
    images: Tensor = model.generator(batch.noise)
    return images.float()


def discriminator_loss(model: Model, batch: Batch, fakes: Tensor, options: Options) -> Tensor:
    """How much less real images score than made ones (arXiv:1704.00028).

    The sum over the images of a batch.
    """
    real = model.discriminator(batch.images).float()
    made = model.discriminator(fakes).float()
    loss = -real + made
    total = loss.mean(1).sum()
    total = total + options.penalty * gradient_penalty(model, batch, fakes)
    return total


def gradient_penalty(model: Model, batch: Batch, fakes: Tensor) -> Tensor:
    """(|gradient| - 1)^2 at a point between each real image and a made one, summed over images."""
    mix = batch.mix[:, None, None, None]
    between = torch.lerp(batch.images, fakes, mix).requires_grad_()
    with torch.autocast(fakes.device.type, enabled=False):
        scores = model.discriminator(between).mean(1)
    (slope,) = torch.autograd.grad(scores.sum(), between, create_graph=True)
    return (slope.flatten(1).norm(dim=1) - 1).square().sum()


def generator_loss(model: Model, batch: Batch, fakes: Tensor, options: Options) -> Tensor:
    """How little the discriminator is taken in; the sum over the images of a batch."""
    made = model.discriminator(fakes).float()
    loss = -made
    return loss.mean(1).sum()
