"""Tasks: what the data are, what is minimised and measured, how a trained model is used."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from codegen.plan.tasks.causal_lm import causal_lm
from codegen.plan.tasks.classification import classification
from codegen.plan.tasks.embedding import embedding
from codegen.plan.tasks.image_classification import image_classification
from codegen.plan.tasks.image_embedding import image_embedding
from codegen.plan.tasks.image_segmentation import image_segmentation
from codegen.plan.tasks.image_to_image import image_to_image
from codegen.plan.tasks.masked_lm import masked_lm
from codegen.plan.tasks.regression import regression
from codegen.plan.tasks.seq2seq_lm import seq2seq_lm
from codegen.plan.tasks.sequence_classification import sequence_classification
from codegen.plan.tasks.super_resolution import super_resolution
from codegen.plan.tasks.task import OptionPlan, TaskPlan
from codegen.spec.head import SpecHead

TASKS: dict[str, Callable[[SpecHead, Any, int], TaskPlan]] = {
    "causal-lm": causal_lm,
    "masked-lm": masked_lm,
    "seq2seq-lm": seq2seq_lm,
    "image-classification": image_classification,
    "sequence-classification": sequence_classification,
    "embedding": embedding,
    "image-embedding": image_embedding,
    "regression": regression,
    "classification": classification,
    "super-resolution": super_resolution,
    "image-to-image": image_to_image,
    "image-segmentation": image_segmentation,
}


def task_plan(spec: SpecHead, network: Any, flops: int) -> TaskPlan:
    """The task of a spec for a network; `flops` are those of a unit, forward and backward."""
    return TASKS[spec.task](spec, network, flops)


__all__ = ["OptionPlan", "TaskPlan", "task_plan"]
