# Made from specs/dcgan_fashion.yaml; make it again: tgen build specs/dcgan_fashion.yaml
"""dcgan_fashion: a generator of 243 k parameters that makes images of 28 x 28 pixels, and a
discriminator of 435 k.

Trained by the non-saturating loss; gradients at real images are kept small; a layer of 3,136
units; batch norm; ReLU; transposed 4 x 4 convolutions; tanh; 4 x 4 convolutions; leaky ReLU; a
layer of 128 units.

Papers:
  Goodfellow et al., Generative Adversarial Networks (arXiv:1406.2661)
  Radford et al., Deep Convolutional GANs (arXiv:1511.06434)
  Mescheder et al., Which Training Methods for GANs do actually Converge (arXiv:1801.04406)
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Config:
    image_size: int = 28  # pixels, height and width
    channels: int = 1
    latent: int = 64  # numbers an image is made of
    g_widths: tuple[int, ...] = (3136, 32)  # of the generator's layers
    d_widths: tuple[int, ...] = (32, 64, 128)  # of the discriminator's
    init_std: float = 0.02

    @classmethod
    def tiny(cls) -> Config:
        """The same architecture at toy size."""
        return cls(
            g_widths=(392, 8),
            d_widths=(8,) * 3,
        )


class Generator(nn.Module):
    """Images (B, channels, size, size), from -1 to 1, of noise (B, latent)."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(config.latent, config.g_widths[0]),
            nn.BatchNorm1d(config.g_widths[0]),
            nn.ReLU(),
            nn.Unflatten(1, (config.g_widths[0] // 49, 7, 7)),
            nn.ConvTranspose2d(
                config.g_widths[0] // 49, config.g_widths[1], 4, stride=2, padding=1, bias=False
            ),
            nn.BatchNorm2d(config.g_widths[1]),
            nn.ReLU(),
            nn.ConvTranspose2d(config.g_widths[1], config.channels, 4, stride=2, padding=1),
            nn.Tanh(),
        )

    def forward(self, noise: Tensor) -> Tensor:
        images: Tensor = self.layers(noise)
        return images


class Discriminator(nn.Module):
    """Scores (B, N) of images (B, channels, size, size), the higher the more real."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(config.channels, config.d_widths[0], 4, stride=2, padding=1),
            nn.LeakyReLU(negative_slope=0.2),
            nn.Conv2d(config.d_widths[0], config.d_widths[1], 4, stride=2, padding=1),
            nn.LeakyReLU(negative_slope=0.2),
            nn.Flatten(),
            nn.Linear(config.d_widths[1] * (config.image_size // 2 // 2) ** 2, config.d_widths[2]),
            nn.LeakyReLU(negative_slope=0.2),
            nn.Linear(config.d_widths[2], 1),
        )

    def forward(self, images: Tensor) -> Tensor:
        scores: Tensor = self.layers(images)
        return scores.flatten(1)


class Model(nn.Module):
    """A generator, and a discriminator that teaches it."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.generator = Generator(config)
        self.discriminator = Discriminator(config)

    @torch.no_grad()
    def init_weights(self) -> None:
        """Weights from N(0, init_std^2) (arXiv:1511.06434, section 4); norms at one."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
                nn.init.normal_(module.weight, std=self.config.init_std)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
            elif isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
                module.reset_parameters()

    def forward(self, noise: Tensor) -> Tensor:
        """Images (B, channels, size, size), from -1 to 1, of noise (B, latent) from N(0, 1)."""
        if noise.shape[1:] != (self.config.latent,):
            raise ValueError(f"noise of {tuple(noise.shape)}, not of (batch, {self.config.latent})")
        images: Tensor = self.generator(noise)
        return images
