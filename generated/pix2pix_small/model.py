# Made from specs/pix2pix_small.yaml; make it again: tgen build specs/pix2pix_small.yaml
"""pix2pix_small: a generator of 1.81 M parameters that makes pictures of their edges, and a
discriminator of 167 k.

Trained by binary cross entropy and by the pixels' distance to targets; 4 x 4 convolutions; leaky
ReLU; batch norm; ReLU; transposed 4 x 4 convolutions; tanh; 3 x 3 convolutions.

Papers:
  Goodfellow et al., Generative Adversarial Networks (arXiv:1406.2661)
  Radford et al., Deep Convolutional GANs (arXiv:1511.06434)
  Isola et al., Image-to-Image Translation with Conditional Adversarial Networks
    (arXiv:1611.07004)
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True)
class Config:
    image_size: int = 64  # of training's patches, height and width
    channels: int = 1
    outputs: int = 3  # channels of what is made
    g_stem_width: int = 32  # of the generator's layers
    g_widths: tuple[int, ...] = (32, 64, 128, 128, 128)  # of the generator's layers
    d_widths: tuple[int, ...] = (32, 64, 128, 1)  # of the discriminator's
    init_std: float = 0.02

    @classmethod
    def tiny(cls) -> Config:
        """The same architecture at toy size."""
        return cls(
            g_stem_width=8,
            g_widths=(8,) * 5,
            d_widths=(8, 8, 8, 1),
        )


MULTIPLE = 32  # of pixels: what layers divide the sides of an image by, at most


class Down(nn.Sequential):
    def __init__(self, channels: int, width: int) -> None:
        super().__init__(
            nn.LeakyReLU(),
            nn.Conv2d(channels, width, 4, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(width),
        )


class Up(nn.Sequential):
    def __init__(self, channels: int, width: int) -> None:
        super().__init__(
            nn.ReLU(),
            nn.ConvTranspose2d(channels, width, 4, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(width),
        )


class UNet(nn.Module):
    """A level, and below it the next; what comes back meets what the level had."""

    def __init__(self, channels: int, widths: tuple[int, ...]) -> None:
        super().__init__()
        width, lower = widths[:2]
        self.down = Down(channels, lower)
        self.below = UNet(lower, widths[1:]) if len(widths) > 2 else nn.Identity()
        back = lower if len(widths) == 2 else 2 * lower  # channels from below
        self.up = Up(back, width)

    def forward(self, x: Tensor) -> Tensor:
        y = self.up(self.below(self.down(x)))
        return torch.cat([x, y], 1)


class Generator(nn.Module):
    """Pictures (B, outputs, H, W) of images (B, channels, H, W), both from -1 to 1."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(config.channels, config.g_stem_width, 4, stride=2, padding=1),
            UNet(config.g_stem_width, config.g_widths),
            nn.ReLU(),
            nn.ConvTranspose2d(
                config.g_stem_width + config.g_widths[0], config.outputs, 4, stride=2, padding=1
            ),
            nn.Tanh(),
        )

    def forward(self, images: Tensor) -> Tensor:
        pictures: Tensor = self.layers(images)
        return pictures


class Discriminator(nn.Module):
    """Scores (B, N) of pictures beside what they are made of, the higher the more real."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(config.channels + config.outputs, config.d_widths[0], 4, stride=2, padding=1),
            nn.LeakyReLU(),
            nn.Conv2d(config.d_widths[0], config.d_widths[1], 4, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(config.d_widths[1]),
            nn.LeakyReLU(),
            nn.Conv2d(config.d_widths[1], config.d_widths[2], 4, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(config.d_widths[2]),
            nn.LeakyReLU(),
            nn.Conv2d(config.d_widths[2], config.d_widths[3], 3, padding=1),
        )

    def forward(self, sources: Tensor, images: Tensor) -> Tensor:
        x = torch.cat([sources, images], 1)
        scores: Tensor = self.layers(x)
        return scores.flatten(1)


class Model(nn.Module):
    """A generator of pictures, and a discriminator that teaches it."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.generator = Generator(config)
        self.discriminator = Discriminator(config)

    @torch.no_grad()
    def init_weights(self) -> None:
        """Weights from N(0, init_std^2) (arXiv:1511.06434, section 4); norms at one."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
                nn.init.normal_(module.weight, std=self.config.init_std)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
            elif isinstance(module, nn.BatchNorm2d):
                module.reset_parameters()

    def forward(self, images: Tensor) -> Tensor:
        """Pictures (B, outputs, H, W) of images (B, channels, H, W) of any size, from -1 to 1."""
        if (
            images.ndim != 4
            or images.size(1) != self.config.channels
            or min(images.shape[2:]) < MULTIPLE
        ):
            wanted = f"(batch, {self.config.channels}, height, width)"
            wanted += f", {MULTIPLE} pixels or more"
            raise ValueError(f"images of {tuple(images.shape)}, not of {wanted}")
        height, width = images.shape[2:]
        images = F.pad(images, (0, -width % MULTIPLE, 0, -height % MULTIPLE), mode="reflect")
        pictures: Tensor = self.generator(images)
        return pictures[..., :height, :width]
