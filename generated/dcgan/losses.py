# Made from specs/dcgan.yaml; make it again: tgen build specs/dcgan.yaml
"""What both networks minimise."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from .data import Batch
from .model import Model
from .options import Options


def fakes_of(model: Model, batch: Batch) -> Tensor:
    """Images of a batch's noise."""
    images: Tensor = model.generator(batch.noise)
    return images.float()


def discriminator_loss(model: Model, batch: Batch, fakes: Tensor, options: Options) -> Tensor:
    """How badly real images are told from made ones (arXiv:1406.2661, section 3).

    The sum over the images of a batch.
    """
    real = model.discriminator(batch.images).float()
    made = model.discriminator(fakes).float()
    loss = F.softplus(-real) + F.softplus(made)
    return loss.mean(1).sum()


def generator_loss(model: Model, batch: Batch, fakes: Tensor, options: Options) -> Tensor:
    """How little the discriminator is taken in; the sum over the images of a batch."""
    made = model.discriminator(fakes).float()
    loss = F.softplus(-made)
    return loss.mean(1).sum()
