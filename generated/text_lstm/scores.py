# Made from specs/text_lstm.yaml; make it again: tgen build specs/text_lstm.yaml
"""How well classes are told."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .figures import Figure, Figures, mean


def of_classes(told: np.ndarray, there: np.ndarray, names: Sequence[str]) -> dict[str, Figures]:
    """Of each class, by whether it was told and whether it is there (N, classes), bool."""
    both, all_told, all_there = (part.sum(0).tolist() for part in (told & there, told, there))
    return {
        name: {
            "texts": Figure(is_there),
            "precision": share(right, is_told),
            "recall": share(right, is_there),
            "F1": share(2 * right, is_told + is_there),
        }
        for name, right, is_told, is_there in zip(names, both, all_told, all_there, strict=True)
    }


def share(part: int, whole: int) -> Figure:
    """0 where there is nothing that it could be a share of."""
    return Figure(part / whole if whole else 0.0)


def macro_f1(classes: dict[str, Figures]) -> Figure:
    """The mean of the classes', however many texts each has."""
    return Figure(sum(figures["F1"].value for figures in classes.values()) / len(classes))


def accuracy(right: np.ndarray) -> Figure:
    """The share of texts (N,) that are all right."""
    return mean(right.astype(np.float64), np.ones(len(right)))
