# Made from specs/cyclegan_small.yaml; make it again: tgen build specs/cyclegan_small.yaml
"""What both networks minimise."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .data import Pair
from .model import Model
from .options import Options


def fakes_of(model: Model, batch: Pair) -> Tensor:
    """Targets made of a batch's sources, and sources made of its targets. (2, B, C, H, W)"""
    forth, back = model.generator["forth"], model.generator["back"]
    pictures = torch.stack((forth(batch.images), back(batch.targets)))
    return pictures.float()


def discriminator_loss(model: Model, batch: Pair, fakes: Tensor, options: Options) -> Tensor:
    """Of both discriminators; the sum over the images of a batch."""
    forth, back = model.discriminator["forth"], model.discriminator["back"]
    of_forth = confusion(forth, batch.targets, fakes[0], options)
    return of_forth + confusion(back, batch.images, fakes[1], options)


def confusion(discriminator: nn.Module, images: Tensor, fakes: Tensor, options: Options) -> Tensor:
    """How far scores are from 1, and from 0 (arXiv:1611.04076)."""
    real = discriminator(images).float()
    made = discriminator(fakes).float()
    loss = (real - 1).square() + made.square()
    return loss.mean(1).sum()


def generator_loss(model: Model, batch: Pair, fakes: Tensor, options: Options) -> Tensor:
    """How little discriminators are taken in, how far pictures are that come back again, and how
    far those are changed that are as they should be; the sum over the images of a batch.
    """
    generators, discriminators = model.generator, model.discriminator
    forth, back = generators["forth"], generators["back"]
    pictures = torch.stack(batch)  # (2, B, C, H, W)
    scores = discriminators["forth"](fakes[0]), discriminators["back"](fakes[1])
    returned = torch.stack((back(fakes[0]), forth(fakes[1]))).float()
    kept = torch.stack((back(batch.images), forth(batch.targets))).float()
    made = torch.stack(scores).float()  # (2, B, N)
    loss = (made - 1).square()
    each = loss.mean(2) + options.cycle * distance(returned, pictures)
    each = each + options.identity * distance(kept, pictures)
    return each.sum()


def distance(images: Tensor, others: Tensor) -> Tensor:
    """The mean distance of pixels (2, B) of images (2, B, C, H, W)."""
    return (images - others).abs().mean((2, 3, 4))
