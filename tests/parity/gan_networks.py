"""Networks of GANs as their authors built them, in plain PyTorch."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Level(nn.Module):
    """A level of pix2pix's U-Net (arXiv:1611.07004), from the code that was published with it."""

    def __init__(
        self, outer: int, inner: int, below: nn.Module | None, *, dropout: bool, channels: int = 0,
    ) -> None:  # fmt: skip
        super().__init__()
        self.outermost = channels > 0
        down = nn.Conv2d(channels or outer, inner, 4, 2, 1, bias=False)
        width = 2 * inner if below else inner
        up = nn.ConvTranspose2d(width, outer, 4, 2, 1, bias=self.outermost)
        layers: list[nn.Module] = [down] if self.outermost else [nn.LeakyReLU(0.2), down]
        if below:
            layers += [below] if self.outermost else [nn.BatchNorm2d(inner), below]
        layers += [nn.ReLU(), up, nn.Tanh() if self.outermost else nn.BatchNorm2d(outer)]
        self.layers = nn.Sequential(*layers, *([nn.Dropout(0.5)] if dropout else []))

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.layers(x)
        return y if self.outermost else torch.cat([x, y], 1)


def pix2pix(width: int, levels: int = 8) -> nn.Module:
    """A generator for images of 256 x 256."""
    unet = Level(8 * width, 8 * width, None, dropout=False)
    for _ in range(levels - 5):
        unet = Level(8 * width, 8 * width, unet, dropout=True)
    for times in (4, 2, 1):
        unet = Level(times * width, 2 * times * width, unet, dropout=False)
    return Level(3, width, unet, dropout=False, channels=3)


class Residual(nn.Module):
    """A block of CycleGAN's generator (arXiv:1703.10593)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.ReflectionPad2d(1), nn.Conv2d(width, width, 3), nn.InstanceNorm2d(width), nn.ReLU(),
            nn.ReflectionPad2d(1), nn.Conv2d(width, width, 3), nn.InstanceNorm2d(width),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = x + self.layers(x)
        return y


def cyclegan(width: int, blocks: int) -> nn.Module:
    """A generator that keeps the size of its images."""
    layers: list[nn.Module] = [nn.ReflectionPad2d(3), nn.Conv2d(3, width, 7)]
    for now in (width, 2 * width):
        layers += [nn.InstanceNorm2d(now), nn.ReLU(), nn.Conv2d(now, 2 * now, 3, 2, 1)]
    layers += [nn.InstanceNorm2d(4 * width), nn.ReLU()]
    layers += [Residual(4 * width) for _ in range(blocks)]
    for now in (4 * width, 2 * width):
        layers.append(nn.ConvTranspose2d(now, now // 2, 3, 2, 1, output_padding=1))
        layers += [nn.InstanceNorm2d(now // 2), nn.ReLU()]
    return nn.Sequential(*layers, nn.ReflectionPad2d(3), nn.Conv2d(width, 3, 7), nn.Tanh())


def patches(channels: int, width: int, norm: type[nn.Module]) -> nn.Module:
    """A discriminator that tells of each patch of 70 x 70 pixels whether it is real."""
    biased = norm is nn.InstanceNorm2d
    layers: list[nn.Module] = [nn.Conv2d(channels, width, 4, 2, 1), nn.LeakyReLU(0.2)]
    for times, stride in ((2, 2), (4, 2), (8, 1)):
        before, now = times // 2 * width, times * width
        layers.append(nn.Conv2d(before, now, 4, stride, 1, bias=biased))
        layers += [norm(now), nn.LeakyReLU(0.2)]
    return nn.Sequential(*layers, nn.Conv2d(8 * width, 1, 4, 1, 1), nn.Flatten())


def dcgan_generator(latent: int, width: int) -> nn.Module:
    """From a vector to an image of 64 x 64 (arXiv:1511.06434)."""
    layers: list[nn.Module] = [nn.Unflatten(1, (latent, 1, 1))]
    before = latent
    for times, stride, padding in ((8, 1, 0), (4, 2, 1), (2, 2, 1), (1, 2, 1)):
        layers.append(nn.ConvTranspose2d(before, times * width, 4, stride, padding, bias=False))
        layers += [nn.BatchNorm2d(times * width), nn.ReLU()]
        before = times * width
    last = nn.ConvTranspose2d(width, 3, 4, 2, 1, bias=False)
    return nn.Sequential(*layers, last, nn.Tanh(), nn.Flatten())


def dcgan_discriminator(width: int) -> nn.Module:
    """From an image of 64 x 64 to one number."""
    layers: list[nn.Module] = [nn.Conv2d(3, width, 4, 2, 1, bias=False), nn.LeakyReLU(0.2)]
    for times in (2, 4, 8):
        layers.append(nn.Conv2d(times // 2 * width, times * width, 4, 2, 1, bias=False))
        layers += [nn.BatchNorm2d(times * width), nn.LeakyReLU(0.2)]
    return nn.Sequential(*layers, nn.Conv2d(8 * width, 1, 4, 1, 0, bias=False), nn.Flatten())


def critic(width: int) -> nn.Module:
    """Of images of 32 x 32, normalised by its whole maps, as WGAN-GP asks (arXiv:1704.00028)."""
    layers: list[nn.Module] = []
    for before, now in ((3, width), (width, 2 * width), (2 * width, 4 * width)):
        layers.append(nn.Conv2d(before, now, 5, 2, 2))
        layers += [nn.GroupNorm(1, now)] if before > 3 else []
        layers.append(nn.LeakyReLU(0.2))
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(16 * 4 * width, 1))
