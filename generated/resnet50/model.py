# Made from specs/resnet50.yaml; make it again: tgen build specs/resnet50.yaml
"""resnet50: a network that classifies images of 224 x 224 pixels, with 25.6 M parameters.

7 x 7 convolutions; batch norm; ReLU; max pooling; 1 x 1 convolutions; 3 x 3 convolutions; the
mean over the map.

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
    image_size: int = 224  # pixels, height and width
    channels: int = 3
    classes: int = 1000
    stem_width: int = 64
    blocks: tuple[int, ...] = (3, 4, 6, 3)
    strides: tuple[int, ...] = (1, 2, 2, 2)
    widths: tuple[int, ...] = (64, 128, 256, 512)

    @classmethod
    def tiny(cls) -> Config:
        """The same architecture at toy size."""
        return cls(
            image_size=48,
            classes=10,
            stem_width=8,
            blocks=(2,) * 4,
            widths=(8, 8, 16, 32),
        )


class Bottleneck(nn.Module):
    def __init__(self, channels: int, width: int, stride: int = 1) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(channels, width, 1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, stride=stride, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, 4 * width, 1, bias=False),
            nn.BatchNorm2d(4 * width),
        )
        self.shortcut = nn.Sequential()
        if stride != 1 or channels != 4 * width:
            self.shortcut = nn.Sequential(
                nn.Conv2d(channels, 4 * width, 1, stride=stride, bias=False),
                nn.BatchNorm2d(4 * width),
            )

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.layers(x) + self.shortcut(x))


class Model(nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.stem = nn.Sequential(
            nn.Conv2d(config.channels, config.stem_width, 7, stride=2, padding=3, bias=False),
            nn.BatchNorm2d(config.stem_width),
            nn.ReLU(),
            nn.MaxPool2d(3, stride=2, padding=1),
        )
        self.stages = nn.Sequential()
        channels = config.stem_width
        numbers = zip(config.widths, config.strides, config.blocks, strict=True)
        for width, stride, blocks in numbers:
            stage = nn.Sequential(Bottleneck(channels, width, stride=stride))
            stage.extend(Bottleneck(4 * width, width) for _ in range(blocks - 1))
            self.stages.append(stage)
            channels = 4 * width
        self.head = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(4 * config.widths[-1], config.classes),
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
        scores: Tensor = self.head(self.stages(self.stem(images)))
        if targets is None:
            return scores
        return F.cross_entropy(scores, targets, reduction=reduction)
