# Made from specs/conditional_gan.yaml; make it again: tgen build specs/conditional_gan.yaml
"""How generated pictures compare with real ones, by features of any kind."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

SIDE = 8  # pixels at most, of pictures that are shrunk
PAIRED = 1000  # pictures at most, of which all pairs are looked at


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


def too_few(pictures: int, features: int) -> str:
    """What to know of a Frechet distance of so few pictures; "" if they are enough."""
    if pictures > features:
        return ""
    return (
        f"{pictures:,} pictures are too few for {features:,} features: their covariance is "
        "singular, and the distance larger than that of many pictures"
    )


def shrunk(images: Tensor) -> Tensor:
    """Features without a network: the pixels of images (N, C, H, W), shrunk. (N, D)"""
    height, width = (min(side, SIDE) for side in images.shape[2:])
    return F.adaptive_avg_pool2d(images.float(), (height, width)).flatten(1)


def variety(images: Tensor, real: Tensor) -> float:
    """Mean distance between two generated pictures over that of real ones; 0 if all are one.

    Both (N, ...) are pictures or their features.
    """
    return ratio(*(F.pdist(some(rows)).mean() for rows in (images, real)))


def distinctness(images: Tensor, real: Tensor) -> float:
    """Mean distance of a picture to the one nearest to it, over that of real ones.

    It is near 0 where a few pictures come again and again, as different as these may be.
    """
    count = min(len(images), len(real), PAIRED)
    return ratio(*(to_nearest(some(rows, count)).mean() for rows in (images, real)))


def to_nearest(rows: Tensor) -> Tensor:
    """The distance of each row (N, D) to the nearest other one. (N,)"""
    apart = torch.cdist(rows, rows, compute_mode="donot_use_mm_for_euclid_dist")
    return apart.fill_diagonal_(torch.inf).amin(1)


def some(rows: Tensor, most: int = PAIRED) -> Tensor:
    """At most so many of the rows, from all over them, in one line of numbers each. (N, D)"""
    chosen = torch.linspace(0, len(rows) - 1, min(most, len(rows))).round().long()
    return rows.flatten(1).float()[chosen.to(rows.device)]


def ratio(found: Tensor, real: Tensor) -> float:
    """1 where real pictures don't differ either, or there are not two of them."""
    return found.item() / real.item() if 0 < real.item() < torch.inf else 1.0


def confidence(probabilities: Tensor) -> float:
    """The probability of a picture's likeliest class, in the mean over pictures (N, classes)."""
    return probabilities.amax(1).mean().item()


def class_entropy(probabilities: Tensor) -> float:
    """Entropy in nats of the classes of all pictures (N, classes); at most log(classes)."""
    whole = probabilities.double().mean(0)
    return torch.special.entr(whole).sum().item()
