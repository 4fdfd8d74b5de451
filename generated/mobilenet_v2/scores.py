# Made from specs/mobilenet_v2.yaml; make it again: tgen build specs/mobilenet_v2.yaml
"""How well classes are told."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F

from .figures import Figure, Figures, mean

Told = tuple[Figures, dict[str, Figures]]  # of all rows, and of each class


def of_classes(told: np.ndarray, there: np.ndarray, names: Sequence[str]) -> dict[str, Figures]:
    """Of each class, by whether it was told and whether it is there (N, classes), bool."""
    both, all_told, all_there = (part.sum(0).tolist() for part in (told & there, told, there))
    return {
        name: {
            "count": Figure(is_there),
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
    """The mean of the classes', however often each is there."""
    return Figure(sum(figures["F1"].value for figures in classes.values()) / len(classes))


def accuracy(right: np.ndarray) -> Figure:
    """The share of rows (N,) that are right."""
    return mean(right.astype(np.float64), np.ones(len(right)))


def of_one_class(said: np.ndarray, there: np.ndarray, names: Sequence[str]) -> Told:
    """Of scores (N, classes) where each row is of one class (N,): of all, and of each class."""
    best, every, each = said.argmax(1), np.arange(len(names)), np.ones(len(said))
    losses = F.cross_entropy(torch.from_numpy(said), torch.from_numpy(there), reduction="none")
    classes = of_classes(best[:, None] == every, there[:, None] == every, names)
    near = (-said).argsort(1, kind="stable")[:, :5] == there[:, None]
    figures = {"accuracy": accuracy(best == there), "macro F1": macro_f1(classes)}
    if len(names) > 5:
        figures["top 5 accuracy"] = accuracy(near.any(1))
    return {**figures, "loss": mean(losses.numpy(), each)}, classes
