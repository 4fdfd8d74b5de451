# Made from specs/conditional_gan.yaml; make it again: tgen build specs/conditional_gan.yaml
"""conditional_gan: a generator of 848 k parameters that makes images of 28 x 28 pixels, and a
discriminator of 147 k.

Trained by the hinge loss; a class is asked for; transposed 7 x 7 convolutions; batch norm; ReLU;
transposed 4 x 4 convolutions; tanh; 4 x 4 convolutions; leaky ReLU.

Papers:
  Goodfellow et al., Generative Adversarial Networks (arXiv:1406.2661)
  Radford et al., Deep Convolutional GANs (arXiv:1511.06434)
  Miyato et al., Spectral Normalization (arXiv:1802.05957)
  Mirza and Osindero, Conditional GANs (arXiv:1411.1784)
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True)
class Config:
    image_size: int = 28  # pixels, height and width
    channels: int = 1
    latent: int = 64  # numbers an image is made of
    classes: int = 10
    label_dim: int = 50  # of a class's vector
    g_widths: tuple[int, ...] = (128, 64)  # of the generator's layers
    d_widths: tuple[int, ...] = (64, 128)  # of the discriminator's
    init_std: float = 0.02

    @classmethod
    def tiny(cls) -> Config:
        """The same architecture at toy size."""
        return cls(
            g_widths=(8, 8),
            d_widths=(8, 8),
        )


class SingularValue(nn.Module):
    """The largest singular value of a matrix, nearer by a step of power iteration each forward.

    Only the matrix is learned through, not the vectors that find the value (arXiv:1802.05957).
    """

    v: Tensor

    def __init__(self, columns: int) -> None:
        super().__init__()
        self.register_buffer("v", torch.randn(columns))  # towards the right singular vector

    def reset_parameters(self) -> None:
        nn.init.normal_(self.v)

    def forward(self, matrix: Tensor) -> Tensor:
        u = F.normalize(matrix.detach() @ self.v, dim=0)
        product = u @ matrix
        if self.training:
            self.v.copy_(F.normalize(product.detach(), dim=0))
        return torch.linalg.vector_norm(product)


class SpectralConv2d(nn.Conv2d):
    """A convolution whose weight is divided by its largest singular value."""

    def __init__(
        self,
        channels: int,
        width: int,
        kernel: int | tuple[int, int],
        stride: int | tuple[int, int] = 1,
        padding: int | tuple[int, int] = 0,
        dilation: int = 1,
        groups: int = 1,
        bias: bool = True,
    ) -> None:
        super().__init__(channels, width, kernel, stride, padding, dilation, groups, bias)
        self.sigma = SingularValue(self.weight[0].numel())

    def forward(self, x: Tensor) -> Tensor:
        weight = self.weight / self.sigma(self.weight.flatten(1))
        return self._conv_forward(x, weight, self.bias)


class SpectralLinear(nn.Linear):
    """A linear layer whose weight is divided by its largest singular value."""

    def __init__(self, inputs: int, outputs: int, *, bias: bool = True) -> None:
        super().__init__(inputs, outputs, bias=bias)
        self.sigma = SingularValue(inputs)

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight / self.sigma(self.weight), self.bias)


def check(name: str, ids: Tensor, shape: tuple[int, ...], like: Tensor, allowed: range) -> None:
    """Refuses all but integers of a shape (-1: any size) beside `like`; on a CPU, of a range."""
    fits = ids.dim() == len(shape) and 0 not in ids.shape
    fits = fits and all(m in (n, -1) for n, m in zip(ids.shape, shape, strict=True))
    if not fits or ids.dtype not in (torch.int64, torch.int32) or ids.device != like.device:
        what = f"{name} of {tuple(ids.shape)} {ids.dtype} on {ids.device}"
        raise ValueError(f"{what}, not integers of {tuple(shape)} on {like.device}")
    at_hand = ids.is_cpu and not torch.compiler.is_compiling()  # a GPU would be waited for
    if at_hand and not allowed.start <= ids.min() <= ids.max() < allowed.stop:
        raise ValueError(f"{name} from {ids.min()} to {ids.max()}: not within {allowed}")


class Generator(nn.Module):
    """Images (B, channels, size, size), from -1 to 1, of noise (B, latent) and classes (B,)."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.labels = nn.Embedding(config.classes, config.label_dim)
        self.layers = nn.Sequential(
            nn.Unflatten(1, (config.latent + config.label_dim, 1, 1)),
            nn.ConvTranspose2d(config.latent + config.label_dim, config.g_widths[0], 7, bias=False),
            nn.BatchNorm2d(config.g_widths[0]),
            nn.ReLU(),
            nn.ConvTranspose2d(
                config.g_widths[0], config.g_widths[1], 4, stride=2, padding=1, bias=False
            ),
            nn.BatchNorm2d(config.g_widths[1]),
            nn.ReLU(),
            nn.ConvTranspose2d(config.g_widths[1], config.channels, 4, stride=2, padding=1),
            nn.Tanh(),
        )

    def forward(self, noise: Tensor, labels: Tensor) -> Tensor:
        x = torch.cat([noise, self.labels(labels)], 1)
        images: Tensor = self.layers(x)
        return images


class Discriminator(nn.Module):
    """Scores (B, N) of images (B, channels, size, size), the higher the more real for a class."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.labels = nn.Embedding(config.classes, config.image_size**2)
        self.layers = nn.Sequential(
            SpectralConv2d(config.channels + 1, config.d_widths[0], 4, stride=2, padding=1),
            nn.LeakyReLU(negative_slope=0.2),
            SpectralConv2d(config.d_widths[0], config.d_widths[1], 4, stride=2, padding=1),
            nn.LeakyReLU(negative_slope=0.2),
            nn.Flatten(),
            SpectralLinear(config.d_widths[1] * (config.image_size // 2 // 2) ** 2, 1),
        )

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        plane = self.labels(labels).view(-1, 1, *images.shape[2:])
        x = torch.cat([images, plane], 1)
        scores: Tensor = self.layers(x)
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
            elif isinstance(module, SingularValue | nn.BatchNorm2d):
                module.reset_parameters()
            elif isinstance(module, nn.Embedding):
                nn.init.normal_(module.weight)

    def forward(self, noise: Tensor, labels: Tensor) -> Tensor:
        """Images (B, channels, size, size), from -1 to 1, of noise (B, latent) and classes (B,)."""
        if noise.shape[1:] != (self.config.latent,):
            raise ValueError(f"noise of {tuple(noise.shape)}, not of (batch, {self.config.latent})")
        check("labels", labels, noise.shape[:1], noise, range(self.config.classes))
        images: Tensor = self.generator(noise, labels)
        return images
