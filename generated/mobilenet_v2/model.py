# Made from specs/mobilenet_v2.yaml; make it again: tgen build specs/mobilenet_v2.yaml
"""mobilenet_v2: a network that classifies images of 224 x 224 pixels, with 3.5 M parameters.

3 x 3 convolutions; batch norm; ReLU6; depthwise 3 x 3 convolutions; 1 x 1 convolutions; the mean
over the map; dropout at a rate of 0.2.

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
    stem_width: int = 32
    widths: tuple[int, ...] = (16, 24, 32, 64, 96, 160, 320)
    expansions: tuple[int, ...] = (1,) + (6,) * 6
    blocks: tuple[int, ...] = (2, 3, 4, 3, 3, 1)
    strides: tuple[int, ...] = (2, 2, 2, 1, 2, 1)
    head_width: int = 1280
    dropout: float = 0.2

    @classmethod
    def tiny(cls) -> Config:
        """The same architecture at toy size."""
        return cls(
            image_size=48,
            classes=10,
            stem_width=8,
            widths=(8, 8, 8, 8, 8, 16, 24),
            blocks=((2,) * 5 + (1,)),
            head_width=80,
        )


class Inverted1(nn.Sequential):
    def __init__(self, channels: int, width: int, stride: int = 1) -> None:
        """`inverted` with expand 1."""
        super().__init__(
            nn.Conv2d(channels, channels, 3, stride=stride, padding=1, groups=channels, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU6(),
            nn.Conv2d(channels, width, 1, bias=False),
            nn.BatchNorm2d(width),
        )


class Inverted2(nn.Module):
    def __init__(self, channels: int, width: int, expand: int, stride: int = 1) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(channels, expand * channels, 1, bias=False),
            nn.BatchNorm2d(expand * channels),
            nn.ReLU6(),
            nn.Conv2d(
                expand * channels,
                expand * channels,
                3,
                stride=stride,
                padding=1,
                groups=expand * channels,
                bias=False,
            ),
            nn.BatchNorm2d(expand * channels),
            nn.ReLU6(),
            nn.Conv2d(expand * channels, width, 1, bias=False),
            nn.BatchNorm2d(width),
        )
        self.adds = stride == 1 and channels == width

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.layers(x)
        return x + y if self.adds else y


class Model(nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.stem = nn.Sequential(
            nn.Conv2d(config.channels, config.stem_width, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(config.stem_width),
            nn.ReLU6(),
            Inverted1(config.stem_width, config.widths[0]),
        )
        self.stages = nn.Sequential()
        channels = config.widths[0]
        numbers = zip(
            config.widths[1:], config.expansions[1:], config.strides, config.blocks, strict=True
        )
        for width, expand, stride, blocks in numbers:
            stage = nn.Sequential(Inverted2(channels, width, expand=expand, stride=stride))
            stage.extend(Inverted2(width, width, expand=expand) for _ in range(blocks - 1))
            self.stages.append(stage)
            channels = width
        self.head = nn.Sequential(
            nn.Conv2d(config.widths[-1], config.head_width, 1, bias=False),
            nn.BatchNorm2d(config.head_width),
            nn.ReLU6(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Dropout(config.dropout),
            nn.Linear(config.head_width, config.classes),
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
