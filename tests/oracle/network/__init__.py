"""What a network of plain layers computes, slowly, in plain numpy and float64."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tests.oracle.network.functions import Array
from tests.oracle.network.layers import Reading

__all__ = ["Reading", "cross_entropy", "pixel_entropy", "pixel_error", "squared_error"]


def cross_entropy(scores: Array, targets: NDArray[np.int64]) -> float:
    """The mean over a batch."""
    top = scores.max(1, keepdims=True)
    normaliser = top[:, 0] + np.log(np.exp(scores - top).sum(1))
    return float((normaliser - scores[np.arange(len(targets)), targets]).mean())


def pixel_entropy(scores: Array, targets: NDArray[np.int64]) -> float:
    """The mean over pixels that are not -100; of one class, of whether it is there."""
    if scores.shape[1] == 1:
        signs = np.where(targets == 1, 1, -1)
        each = np.logaddexp(0, -signs * scores[:, 0])
        return float(each[targets != -100].mean())
    rows = scores.transpose(0, 2, 3, 1)[targets != -100]
    return cross_entropy(rows, targets[targets != -100])


def squared_error(predictions: Array, targets: Array) -> float:
    """The mean over a batch."""
    return float(((predictions[:, 0] - targets) ** 2).mean())


def pixel_error(predictions: Array, targets: Array, distance: bool) -> float:
    """The mean over a batch of pictures: of how far pixels are off, or of its square."""
    apart = np.abs(predictions - targets)
    return float((apart if distance else apart**2).mean())
