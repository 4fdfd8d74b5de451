# Made from specs/convnext_tiny.yaml; make it again: tgen build specs/convnext_tiny.yaml
"""convnext_tiny: a network that classifies images of 224 x 224 pixels, with 28.6 M parameters.

4 x 4 convolutions; LayerNorm; depthwise 7 x 7 convolutions; GELU; a learned gain of each channel;
2 x 2 convolutions; the mean over the map.

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
    stem_width: int = 96
    blocks: tuple[int, ...] = (3, 3, 9, 3)
    widths: tuple[int, ...] = (192, 384, 768)

    @classmethod
    def tiny(cls) -> Config:
        """The same architecture at toy size."""
        return cls(
            image_size=64,
            classes=10,
            stem_width=8,
            blocks=(2,) * 4,
            widths=(16, 24, 48),
        )


class LayerNorm2d(nn.LayerNorm):
    """LayerNorm over the channels of each pixel."""

    def forward(self, x: Tensor) -> Tensor:
        x = x.permute(0, 2, 3, 1)  # (B, H, W, C)
        return super().forward(x).permute(0, 3, 1, 2)


class Linear2d(nn.Conv2d):
    """A linear layer over the channels of each pixel, as a product of matrices."""

    def __init__(self, channels: int, width: int, *, bias: bool = True) -> None:
        super().__init__(channels, width, 1, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        x = x.permute(0, 2, 3, 1)  # (B, H, W, C)
        return F.linear(x, self.weight.flatten(1), self.bias).permute(0, 3, 1, 2)


class ChannelScale2d(nn.Module):
    """A learned gain of each channel of a map (arXiv:2103.17239)."""

    def __init__(self, channels: int, start: float) -> None:
        super().__init__()
        self.start = start
        self.weight = nn.Parameter(torch.empty(channels))

    def reset_parameters(self) -> None:
        nn.init.constant_(self.weight, self.start)

    def forward(self, x: Tensor) -> Tensor:
        return x * self.weight[:, None, None]


class Block(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(channels, channels, 7, padding=3, groups=channels),
            LayerNorm2d(channels, eps=1e-6),
            Linear2d(channels, 4 * channels),
            nn.GELU(),
            Linear2d(4 * channels, channels),
            ChannelScale2d(channels, 1e-6),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x)


class Down(nn.Sequential):
    def __init__(self, channels: int, width: int) -> None:
        super().__init__(
            LayerNorm2d(channels, eps=1e-6),
            nn.Conv2d(channels, width, 2, stride=2),
        )


class Model(nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.layers = nn.Sequential(
            nn.Conv2d(config.channels, config.stem_width, 4, stride=4),
            LayerNorm2d(config.stem_width, eps=1e-6),
            *(Block(config.stem_width) for _ in range(config.blocks[0])),
            Down(config.stem_width, config.widths[0]),
            *(Block(config.widths[0]) for _ in range(config.blocks[1])),
            Down(config.widths[0], config.widths[1]),
            *(Block(config.widths[1]) for _ in range(config.blocks[2])),
            Down(config.widths[1], config.widths[2]),
            *(Block(config.widths[2]) for _ in range(config.blocks[3])),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.LayerNorm(config.widths[2], eps=1e-6),
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
            elif isinstance(module, nn.LayerNorm | ChannelScale2d):
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
