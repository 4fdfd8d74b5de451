# Made from specs/mlp_digits.yaml; make it again: tgen build specs/mlp_digits.yaml
"""mlp_digits: a network that classifies images of 8 x 8 pixels, with 9.61 k parameters.

A layer of 128 units; ReLU; dropout at a rate of 0.2.

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
    image_size: int = 8  # pixels, height and width
    channels: int = 1
    classes: int = 10
    width: int = 128  # units of a hidden layer
    dropout: float = 0.2

    @classmethod
    def tiny(cls) -> Config:
        """The same architecture at toy size."""
        return cls(
            width=32,
        )


class Model(nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.layers = nn.Sequential(
            nn.Flatten(),
            nn.Linear(config.channels * config.image_size**2, config.width),
            nn.ReLU(),
            nn.Dropout(config.dropout),
            nn.Linear(config.width, config.classes),
        )

    @torch.no_grad()
    def init_weights(self) -> None:
        """Weights from N(0, 2 / inputs), which keeps the variance over a ReLU; biases zero."""
        for parameter in self.parameters():
            if parameter.ndim > 1:
                nn.init.normal_(parameter, std=math.sqrt(2 / parameter.size(1)))
            else:
                nn.init.zeros_(parameter)

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
