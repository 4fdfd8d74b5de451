"""Techniques: what wraps training, or changes a trained model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

PLACES = (
    "imports",  # of train.py
    "built",  # the model is made and initialised; its optimizers are not
    "functions",  # that the other places call
    "batches",  # of one step, before the first of them is read
    "batch",  # on the device, before the objective reads it
    "loss",  # of one batch, before its gradients
    "step",  # the optimizers have moved the weights
    "saved",  # the tensors of a checkpoint, before they are written
    "ended",  # the last step is done
)


@dataclass(frozen=True)
class TechniquePlan:
    """A technique by its name and, for each place of train.py that it marks, a template.

    `draws`: a step of it draws numbers from torch.
    """

    name: str
    parts: Mapping[str, str]
    draws: bool = True
