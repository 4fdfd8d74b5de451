# Made from specs/espcn.yaml; make it again: tgen build specs/espcn.yaml
"""How near pictures are to those that they should be: PSNR and SSIM, of each picture."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

FIGURES = ("validation_loss", "validation_psnr", "bicubic_psnr", "validation_ssim", "bicubic_ssim")
WINDOW, DEVIATION = 11, 1.5  # pixels, of the Gaussian window of SSIM


def quality(images: Tensor, targets: Tensor, border: int) -> tuple[Tensor, Tensor]:
    """PSNR and SSIM (B,) of luminance, inside of a border, as papers on larger pictures have it.

    Pixels count as a file would hold them: from 0 to 1, in 256 shades.
    """
    seen, wanted = as_filed(images), as_filed(targets)
    inside = slice(border, -border)
    seen, wanted = (luminance(part)[..., inside, inside] for part in (seen, wanted))
    return psnr(seen, wanted), ssim(seen, wanted)


def measured(images: Tensor, beside: Tensor, targets: Tensor, border: int) -> Tensor:
    """FIGURES of one picture that is made, (1, C, H, W), and of what it stands beside. (5,)"""
    error = (images - targets).square().mean()
    psnr, ssim = quality(images, targets, border)
    psnr_beside, ssim_beside = quality(beside, targets, border)
    numbers = [error[None], psnr, psnr_beside, ssim, ssim_beside]
    return torch.cat(numbers).double().cpu()


def as_filed(images: Tensor) -> Tensor:
    return images.clamp(0, 1).mul(255).round() / 255


def luminance(images: Tensor) -> Tensor:
    """Y of BT.601, from 16 to 235 of 255; that of one channel is what it is. (..., 1, H, W)"""
    if images.size(-3) == 1:
        return images
    weights = torch.tensor([65.481, 128.553, 24.966], device=images.device).view(3, 1, 1)
    return ((images * weights).sum(-3, keepdim=True) + 16) / 255


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
