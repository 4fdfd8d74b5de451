# Made from specs/cyclegan_small.yaml; make it again: tgen build specs/cyclegan_small.yaml
"""cyclegan_small: two generators of 1.37 M parameters each, one that makes a picture of another
and one that leads back, and two discriminators of 167 k.

Trained by least squares; without pairs: what goes there and back stays the same; 7 x 7
convolutions; instance norm; ReLU; 3 x 3 convolutions; transposed 3 x 3 convolutions; tanh; 4 x 4
convolutions; leaky ReLU.

Papers:
  Goodfellow et al., Generative Adversarial Networks (arXiv:1406.2661)
  Radford et al., Deep Convolutional GANs (arXiv:1511.06434)
  Zhu et al., Unpaired Image-to-Image Translation (arXiv:1703.10593)
  Mao et al., Least Squares GANs (arXiv:1611.04076)
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True)
class Config:
    image_size: int = 64  # of training's patches, height and width
    channels: int = 3
    g_stem_width: int = 32  # of the generator's layers
    g_down_widths: tuple[int, ...] = (64, 128)  # of the generator's layers
    g_blocks: int = 4  # of the generator's layers
    g_same_width: int = 128  # of the generator's layers
    g_up_widths: tuple[int, ...] = (64, 32)  # of the generator's layers
    d_widths: tuple[int, ...] = (32, 64, 128, 1)  # of the discriminator's
    init_std: float = 0.02

    @classmethod
    def tiny(cls) -> Config:
        """The same architecture at toy size."""
        return cls(
            g_stem_width=8,
            g_down_widths=(8, 8),
            g_blocks=2,
            g_same_width=8,
            g_up_widths=(8, 8),
            d_widths=(8, 8, 8, 1),
        )


MULTIPLE = 4  # of pixels: what layers divide the sides of an image by, at most


class Down(nn.Sequential):
    def __init__(self, channels: int, width: int) -> None:
        super().__init__(
            nn.Conv2d(channels, width, 3, stride=2, padding=1, bias=False, padding_mode="reflect"),
            nn.InstanceNorm2d(width),
            nn.ReLU(),
        )


class Same(nn.Module):
    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(channels, width, 3, padding=1, bias=False, padding_mode="reflect"),
            nn.InstanceNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1, bias=False, padding_mode="reflect"),
            nn.InstanceNorm2d(width),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x)


class Up(nn.Sequential):
    def __init__(self, channels: int, width: int) -> None:
        super().__init__(
            nn.ConvTranspose2d(
                channels, width, 3, stride=2, padding=1, output_padding=1, bias=False
            ),
            nn.InstanceNorm2d(width),
            nn.ReLU(),
        )


class Generator(nn.Module):
    """Pictures (B, channels, H, W) of images (B, channels, H, W), both from -1 to 1."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(
                config.channels,
                config.g_stem_width,
                7,
                padding=3,
                bias=False,
                padding_mode="reflect",
            ),
            nn.InstanceNorm2d(config.g_stem_width),
            nn.ReLU(),
            Down(config.g_stem_width, config.g_down_widths[0]),
            Down(config.g_down_widths[0], config.g_down_widths[1]),
            Same(config.g_down_widths[1], config.g_same_width),
            *(Same(config.g_same_width, config.g_same_width) for _ in range(config.g_blocks - 1)),
            Up(config.g_same_width, config.g_up_widths[0]),
            Up(config.g_up_widths[0], config.g_up_widths[1]),
            nn.Conv2d(config.g_up_widths[1], config.channels, 7, padding=3, padding_mode="reflect"),
            nn.Tanh(),
        )

    def forward(self, images: Tensor) -> Tensor:
        pictures: Tensor = self.layers(images)
        return pictures


class Discriminator(nn.Module):
    """Scores (B, N) of images (B, channels, size, size), the higher the more real."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(config.channels, config.d_widths[0], 4, stride=2, padding=1),
            nn.LeakyReLU(negative_slope=0.2),
            nn.Conv2d(config.d_widths[0], config.d_widths[1], 4, stride=2, padding=1, bias=False),
            nn.InstanceNorm2d(config.d_widths[1]),
            nn.LeakyReLU(negative_slope=0.2),
            nn.Conv2d(config.d_widths[1], config.d_widths[2], 4, stride=2, padding=1, bias=False),
            nn.InstanceNorm2d(config.d_widths[2]),
            nn.LeakyReLU(negative_slope=0.2),
            nn.Conv2d(config.d_widths[2], config.d_widths[3], 3, padding=1),
        )

    def forward(self, images: Tensor) -> Tensor:
        scores: Tensor = self.layers(images)
        return scores.flatten(1)


class Model(nn.Module):
    """Two generators, there and back, and for each a discriminator that teaches it."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.generator = nn.ModuleDict({"forth": Generator(config), "back": Generator(config)})
        self.discriminator = nn.ModuleDict(
            {"forth": Discriminator(config), "back": Discriminator(config)}
        )

    @torch.no_grad()
    def init_weights(self) -> None:
        """Weights from N(0, init_std^2) (arXiv:1511.06434, section 4); biases zero."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
                nn.init.normal_(module.weight, std=self.config.init_std)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, images: Tensor, way: str = "forth") -> Tensor:
        """Targets made of sources (B, channels, H, W) of any size, from -1 to 1; or "back"."""
        if images.ndim != 4 or images.size(1) != self.config.channels or min(images.shape[2:]) < 8:
            wanted = f"(batch, {self.config.channels}, height, width)"
            wanted += ", 8 pixels or more"
            raise ValueError(f"images of {tuple(images.shape)}, not of {wanted}")
        height, width = images.shape[2:]
        images = F.pad(images, (0, -width % MULTIPLE, 0, -height % MULTIPLE), mode="reflect")
        pictures: Tensor = self.generator[way](images)
        return pictures[..., :height, :width]
