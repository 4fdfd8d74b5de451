# Made from specs/cnn_fashion.yaml; make it again: tgen build specs/cnn_fashion.yaml
"""cnn_fashion: a network that classifies images of 28 x 28 pixels, with 422 k parameters.

3 x 3 convolutions; batch norm; ReLU; max pooling; a layer of 128 units.

Paper:
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
    image_size: int = 28  # pixels, height and width
    channels: int = 1
    classes: int = 10
    widths: tuple[int, ...] = (32, 64, 128)

    @classmethod
    def tiny(cls) -> Config:
        """The same architecture at toy size."""
        return cls(
            widths=(8,) * 3,
        )


class Model(nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.layers = nn.Sequential(
            nn.Conv2d(config.channels, config.widths[0], 3, padding=1, bias=False),
            nn.BatchNorm2d(config.widths[0]),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(config.widths[0], config.widths[1], 3, padding=1, bias=False),
            nn.BatchNorm2d(config.widths[1]),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(config.widths[1] * (config.image_size // 2 // 2) ** 2, config.widths[2]),
            nn.ReLU(),
            nn.Linear(config.widths[2], config.classes),
        )

    @torch.no_grad()
    def init_weights(self) -> None:
        """Weights from N(0, 2 / inputs), which keeps the variance over a ReLU; norms at one."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                inputs = module.weight[0].numel()
                nn.init.normal_(module.weight, std=math.sqrt(2 / inputs))
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
            elif isinstance(module, nn.BatchNorm2d):
                module.reset_parameters()

    def forward(
        self, images: Tensor, targets: Tensor | None = None, *, reduction: str = "mean"
    ) -> Tensor:
        """Scores (B, classes) of images (B, channels, H, W); with targets (B,), the cross entropy.

        reduction: "mean" or "sum" over targets that are not -100, or "none" for a loss per image.
        """
        wanted = (self.config.channels, self.config.image_size, self.config.image_size)
        if images.ndim != 4 or images.shape[1:] != wanted:
            raise ValueError(f"images of {tuple(images.shape)}, not of (batch, *{wanted})")
        scores: Tensor = self.layers(images)
        if targets is None:
            return scores
        return F.cross_entropy(scores, targets, reduction=reduction)
