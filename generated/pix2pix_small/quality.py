# Made from specs/pix2pix_small.yaml; make it again: tgen build specs/pix2pix_small.yaml
"""How near pictures are to those that they should be: PSNR and SSIM, of each picture."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

FIGURES = ("l1", "validation_psnr", "identity_psnr", "validation_ssim", "identity_ssim")
WINDOW, DEVIATION = 11, 1.5  # pixels, of the Gaussian window of SSIM


def quality(images: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """PSNR and SSIM (B,), over all channels.

    Pixels count as a file would hold them: from 0 to 1, in 256 shades.
    """
    seen, wanted = as_filed(images), as_filed(targets)
    return psnr(seen, wanted), ssim(seen, wanted)


def measured(images: Tensor, beside: Tensor, targets: Tensor) -> Tensor:
    """FIGURES of one picture that is made, (1, C, H, W), and of what it stands beside. (5,)"""
    error = (images - targets).abs().mean()
    psnr, ssim = quality(images, targets)
    psnr_beside, ssim_beside = quality(beside, targets)
    numbers = [error[None], psnr, psnr_beside, ssim, ssim_beside]
    return torch.cat(numbers).double().cpu()


def as_filed(images: Tensor) -> Tensor:
    return images.clamp(0, 1).mul(255).round() / 255


def psnr(images: Tensor, targets: Tensor) -> Tensor:
    """Decibels (B,), at most 100: pictures are averaged, and not their errors."""
    return -10 * (images - targets).square().mean((1, 2, 3)).clamp(min=1e-10).log10()


def ssim(images: Tensor, targets: Tensor) -> Tensor:
    """Structural similarity (B,), where the window lies inside (Wang et al., 2004)."""
    mean, wanted = windowed(images), windowed(targets)
    variance = windowed(images**2) - mean**2
    wanted_variance = windowed(targets**2) - wanted**2
    covariance = windowed(images * targets) - mean * wanted
    c1, c2 = 0.01**2, 0.03**2
    alike = (2 * mean * wanted + c1) * (2 * covariance + c2)
    most = (mean**2 + wanted**2 + c1) * (variance + wanted_variance + c2)
    return (alike / most).mean((1, 2, 3))


def windowed(images: Tensor) -> Tensor:
    """The weighted mean around each pixel whose window lies inside."""
    places = torch.arange(WINDOW, dtype=images.dtype, device=images.device) - WINDOW // 2
    window = torch.exp(-0.5 * (places / DEVIATION) ** 2)
    channels = images.size(1)
    window = (window / window.sum()).expand(channels, 1, -1)  # (C, 1, WINDOW)
    down = F.conv2d(images, window[..., None], groups=channels)
    return F.conv2d(down, window[..., None, :], groups=channels)
