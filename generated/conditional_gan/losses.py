# Made from specs/conditional_gan.yaml; make it again: tgen build specs/conditional_gan.yaml
"""What both networks minimise."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from .data import Batch
from .model import Model
from .options import Options


def fakes_of(model: Model, batch: Batch) -> Tensor:
    """Images of a batch's noise and classes."""
    images: Tensor = model.generator(batch.noise, batch.targets)
    return images.float()


def discriminator_loss(model: Model, batch: Batch, fakes: Tensor, options: Options) -> Tensor:
    """How far scores are from 1 or more, and from -1 or less (arXiv:1802.05957).

    The sum over the images of a batch.
    """
    real = model.discriminator(batch.images, batch.targets).float()
    made = model.discriminator(fakes, batch.targets).float()
    loss = F.relu(1 - real) + F.relu(1 + made)
    return loss.mean(1).sum()


def generator_loss(model: Model, batch: Batch, fakes: Tensor, options: Options) -> Tensor:
    """How little the discriminator is taken in; the sum over the images of a batch."""
    made = model.discriminator(fakes, batch.targets).float()
    loss = -made
    return loss.mean(1).sum()
