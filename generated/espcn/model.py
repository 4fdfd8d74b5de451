# Made from specs/espcn.yaml; make it again: tgen build specs/espcn.yaml
"""espcn: a network that enlarges pictures 3 times by their luminance, with 22.7 k parameters.

5 x 5 convolutions; tanh; 3 x 3 convolutions; pixel shuffle (arXiv:1609.05158).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Config:
    image_size: int = 17  # of training's patches, height and width
    channels: int = 1
    upscale: int = 3  # times as high and as wide
    widths: tuple[int, ...] = (64, 32)

    @classmethod
    def tiny(cls) -> Config:
        """The same architecture at toy size."""
        return cls(
            widths=(8, 8),
        )


def pixel_error(predictions: Tensor, targets: Tensor, reduction: str) -> Tensor:
    """The mean squared error of a picture's pixels: of each (B,), their sum, or their mean."""
    if targets.shape != predictions.shape:
        there, made = tuple(targets.shape), tuple(predictions.shape)
        raise ValueError(f"targets of {there}, and pictures of {made}")
    errors = (predictions.float() - targets).square().mean((1, 2, 3))
    if reduction == "none":
        return errors
    return errors.sum() if reduction == "sum" else errors.mean()


class Model(nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.layers = nn.Sequential(
            nn.Conv2d(config.channels, config.widths[0], 5, padding=2),
            nn.Tanh(),
            nn.Conv2d(config.widths[0], config.widths[1], 3, padding=1),
            nn.Tanh(),
            nn.Conv2d(config.widths[1], config.upscale**2, 3, padding=1),
            nn.PixelShuffle(config.upscale),
        )

    @torch.no_grad()
    def init_weights(self) -> None:
        """Weights from N(0, 1 / inputs), which keeps the variance; biases zero."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                inputs = module.weight[0].numel()
                nn.init.normal_(module.weight, std=math.sqrt(1 / inputs))
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        *_, last = (parameter for parameter in self.parameters() if parameter.ndim > 1)
        last.mul_(0.1)  # so that what comes out starts small

    def forward(
        self, images: Tensor, targets: Tensor | None = None, *, reduction: str = "mean"
    ) -> Tensor:
        """Pictures (B, channels, upscale * H, upscale * W) of images (B, channels, H, W).

        With targets, the mean squared error of their pixels; reduction: "mean" or "sum" over
        pictures, or "none" for one number each.
        """
        if images.ndim != 4 or images.size(1) != self.config.channels:
            wanted = f"(batch, {self.config.channels}, height, width)"
            raise ValueError(f"images of {tuple(images.shape)}, not of {wanted}")
        predictions: Tensor = self.layers(images)
        if targets is None:
            return predictions
        return pixel_error(predictions, targets, reduction)
