# Made from specs/linear_regression.yaml; make it again: tgen build specs/linear_regression.yaml
"""How well numbers are told."""

from __future__ import annotations

import numpy as np

from .figures import Figure, Figures, mean


def of_numbers(told: np.ndarray, there: np.ndarray) -> Figures:
    """Of numbers (N,) beside what they should be: how far off they are, and Pearson's r."""
    off = told.astype(np.float64) - there
    each = np.ones(len(off))
    square = mean(off**2, each)
    root = square.value**0.5
    return {
        "RMSE": Figure(root, square.error and square.error / (2 * root) if root else None),
        "MAE": mean(np.abs(off), each),
        "correlation": Figure(correlation(told, there)),
    }


def correlation(one: np.ndarray, other: np.ndarray) -> float:
    """Of (N,) and (N,); 0 where one of them never changes."""
    one, other = (side.astype(np.float64) - side.mean() for side in (one, other))
    size = ((one**2).sum() * (other**2).sum()) ** 0.5
    return float((one * other).sum() / size) if size else 0.0
