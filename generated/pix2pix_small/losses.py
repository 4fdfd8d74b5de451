# Made from specs/pix2pix_small.yaml; make it again: tgen build specs/pix2pix_small.yaml
"""What both networks minimise."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from .data import Pair
from .model import Model
from .options import Options


def fakes_of(model: Model, batch: Pair) -> Tensor:
    """Pictures of a batch's sources."""
    pictures: Tensor = model.generator(batch.images)
    return pictures.float()


def discriminator_loss(model: Model, batch: Pair, fakes: Tensor, options: Options) -> Tensor:
    """How badly real images are told from made ones, by binary cross entropy.

    Each is seen beside its source. The sum over the images of a batch.
    """
    real = model.discriminator(batch.images, batch.targets).float()
    made = model.discriminator(batch.images, fakes).float()
    loss = F.softplus(-real) + F.softplus(made)
    return loss.mean(1).sum()


def generator_loss(model: Model, batch: Pair, fakes: Tensor, options: Options) -> Tensor:
    """How little the discriminator is taken in, and how far pixels are from those of targets.

    The sum over the images of a batch.
    """
    made = model.discriminator(batch.images, fakes).float()
    loss = F.softplus(-made)
    apart = (fakes - batch.targets).abs().mean((1, 2, 3))
    return (loss.mean(1) + options.l1 * apart).sum()
