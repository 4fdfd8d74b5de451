# Made from specs/cyclegan_small.yaml; make it again: tgen build specs/cyclegan_small.yaml
"""How generated pictures compare with real ones, by features of any kind."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

SIDE = 8  # pixels at most, of pictures that are shrunk


def frechet(a: Tensor, b: Tensor) -> float:
    """Distance of two sets of features (N, D) as Gaussians (arXiv:1706.08500), in float64.

    |m_a - m_b|^2 + tr(A + B - 2 (A B)^(1/2)) of means and covariances. With A = R'R and B = S'S
    the last trace is the sum of the singular values of R S', exact where A and B are singular.
    """
    if not min(len(a), len(b)):
        raise ValueError(f"{len(a)} and {len(b)} images have no distance")
    if not bool(a.isfinite().all() and b.isfinite().all()):
        raise ValueError("some features of the pictures are no finite numbers")
    (mean_a, root_a), (mean_b, root_b) = gaussian(a), gaussian(b)
    apart = (mean_a - mean_b).square().sum()
    shared = torch.linalg.svdvals(root_a @ root_b.T).sum()
    distance = apart + root_a.square().sum() + root_b.square().sum() - 2 * shared
    return max(0.0, distance.item())


def gaussian(features: Tensor) -> tuple[Tensor, Tensor]:
    """The mean (D,), and R of the covariance R'R (N or D, D)."""
    features = features.cpu().double()
    mean = features.mean(0)
    spread = (features - mean) / max(1, len(features) - 1) ** 0.5
    return mean, torch.linalg.qr(spread, mode="r").R


def shrunk(images: Tensor) -> Tensor:
    """Features without a network: the pixels of images (N, C, H, W), shrunk. (N, D)"""
    height, width = (min(side, SIDE) for side in images.shape[2:])
    return F.adaptive_avg_pool2d(images.float(), (height, width)).flatten(1)
