# Made from specs/wgan_gp_fashion.yaml; make it again: tgen build specs/wgan_gp_fashion.yaml
"""Images of a trained model: how noise is drawn, mixed and made into images."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from .model import Config, Model
from .process import check_memory


def noise_of(config: Config, count: int, seed: int, truncation: float = 0.0) -> Tensor:
    """Normal noise (count, latent), the same on every device; 0: not truncated.

    Truncated, no number is further from 0: images are better and more alike (arXiv:1809.11096).
    """
    check_memory(4 * count * (config.latent + 100), f"{count:,} images")
    generator = torch.Generator().manual_seed(seed)
    noise = torch.empty(count, config.latent)
    if not truncation:
        return noise.normal_(generator=generator)
    nn.init.trunc_normal_(noise, a=-truncation, b=truncation, generator=generator)
    return noise


def between(start: Tensor, end: Tensor, steps: int) -> Tensor:
    """On the arc from each row of `start` to that of `end` (N, latent). (N * steps, latent)

    A straight line would leave the shell on which normal noise lies (arXiv:1609.04468).
    """
    check_memory(4 * start.numel() * steps, f"{steps:,} images")
    part = torch.linspace(0, 1, steps)[:, None]
    start, end = start[:, None], end[:, None]  # (N, 1, latent)
    angle = torch.cosine_similarity(start, end, dim=-1).clamp(-1, 1).acos()[..., None]
    bent = angle.sin() > 1e-4
    whole = torch.where(bent, angle.sin(), 1.0)
    first = torch.where(bent, torch.sin((1 - part) * angle) / whole, 1 - part)  # (N, steps, 1)
    last = torch.where(bent, torch.sin(part * angle) / whole, part)
    return (first * start + last * end).flatten(0, 1)


@torch.no_grad()
def generated(model: Model, noise: Tensor, batch: int) -> Iterator[Tensor]:
    """The images of noise (N, latent), so many at a time. (B, C, H, W), from -1 to 1"""
    device = next(model.parameters()).device
    for part in torch.split(noise, batch):
        yield model(part.to(device)).float()
