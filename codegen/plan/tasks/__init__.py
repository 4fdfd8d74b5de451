"""Tasks: what the data are, what is minimised and measured, how a trained model is used.

A row each; a task's file is imported when a spec needs it.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from codegen.plan.tasks.task import OptionPlan, TaskPlan
from codegen.spec.head import SpecHead

TASKS = {  # where each has the function of its name
    "causal-lm": "codegen.plan.tasks.causal_lm",
    "chat": "codegen.plan.tasks.chat",
    "preference": "codegen.plan.tasks.preference",
    "masked-lm": "codegen.plan.tasks.masked_lm",
    "seq2seq-lm": "codegen.plan.tasks.seq2seq_lm",
    "image-classification": "codegen.plan.tasks.image_classification",
    "sequence-classification": "codegen.plan.tasks.sequence_classification",
    "tagging": "codegen.plan.tasks.tagging",
    "embedding": "codegen.plan.tasks.embedding",
    "image-embedding": "codegen.plan.tasks.image_embedding",
    "regression": "codegen.plan.tasks.regression",
    "classification": "codegen.plan.tasks.classification",
    "super-resolution": "codegen.plan.tasks.super_resolution",
    "image-to-image": "codegen.plan.tasks.image_to_image",
    "image-segmentation": "codegen.plan.tasks.image_segmentation",
    "image-generation": "codegen.plan.tasks.image_generation",
    "image-translation": "codegen.plan.tasks.image_translation",
}


def task_plan(spec: SpecHead, network: Any, flops: int) -> TaskPlan:
    """The task of a spec for a network; `flops` are those of a unit, forward and backward."""
    module = import_module(TASKS[spec.task])
    made: TaskPlan = getattr(module, spec.task.replace("-", "_"))(spec, network, flops)
    return made


__all__ = ["OptionPlan", "TaskPlan", "task_plan"]
