# Made from specs/unet.yaml; make it again: tgen build specs/unet.yaml
"""unet: a network that segments images of 256 x 256 pixels, with 31 M parameters.

3 x 3 convolutions; batch norm; ReLU; max pooling; transposed 2 x 2 convolutions; 1 x 1
convolutions.

Papers:
  Ronneberger et al., U-Net (arXiv:1505.04597)
  He et al., Delving Deep into Rectifiers (arXiv:1502.01852)
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True)
class Config:
    image_size: int = 256  # pixels, height and width
    channels: int = 3
    classes: int = 1
    widths: tuple[int, ...] = (64, 128, 256, 512, 1024)

    @classmethod
    def tiny(cls) -> Config:
        """The same architecture at toy size."""
        return cls(
            image_size=32,
            widths=(8, 8, 16, 32, 64),
        )


def with_background(scores: Tensor) -> Tensor:
    """Scores (B, 1, H, W) of an object, behind the background's, which are 0. (B, 2, H, W)"""
    return F.pad(scores, (0, 0, 0, 0, 1, 0))


class Level(nn.Sequential):
    def __init__(self, channels: int, width: int) -> None:
        super().__init__(
            nn.Conv2d(channels, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
        )


class UNet(nn.Module):
    """A level, and below it the next; what comes back meets what the level had."""

    def __init__(self, channels: int, widths: tuple[int, ...]) -> None:
        super().__init__()
        width, lower = widths[:2]
        self.encoder = Level(channels, width)
        self.down = nn.MaxPool2d(2)
        self.below = UNet(width, widths[1:]) if len(widths) > 2 else Level(width, lower)
        self.up = nn.ConvTranspose2d(lower, width, 2, stride=2)
        self.decoder = Level(2 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        x = self.encoder(x)
        y = self.up(self.below(self.down(x)))
        x = self.decoder(torch.cat([x, y], 1))
        return x


class Model(nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.layers = nn.Sequential(
            UNet(config.channels, config.widths),
            nn.Conv2d(config.widths[0], config.classes, 1),
        )

    @torch.no_grad()
    def init_weights(self) -> None:
        """Weights from N(0, 2 / inputs), which keeps the variance over a ReLU; norms at one."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
                inputs = module.weight[0].numel()
                nn.init.normal_(module.weight, std=math.sqrt(2 / inputs))
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
            elif isinstance(module, nn.BatchNorm2d):
                module.reset_parameters()

    def forward(
        self, images: Tensor, targets: Tensor | None = None, *, reduction: str = "mean"
    ) -> Tensor:
        """Scores (B, 1, H, W) of images (B, channels, H, W), above 0 where the object is.

        With targets (B, H, W) of 0 and 1, the binary cross entropy; reduction: "mean" or "sum" over
        targets that are not -100, or "none" for a loss per pixel.
        """
        wanted = (self.config.channels, self.config.image_size, self.config.image_size)
        if images.ndim != 4 or images.shape[1:] != wanted:
            raise ValueError(f"images of {tuple(images.shape)}, not of (batch, *{wanted})")
        scores: Tensor = self.layers(images)
        if targets is None:
            return scores
        return F.cross_entropy(with_background(scores), targets, reduction=reduction)
