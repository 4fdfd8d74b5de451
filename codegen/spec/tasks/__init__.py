"""What each task adds to a spec: a row each; its vocabulary is imported when a spec needs it."""

from __future__ import annotations

from importlib import import_module

from codegen.spec.tasks.task import Task

TASKS = {  # where each has its Task
    "causal-lm": "codegen.spec.tasks.causal_lm",
    "chat": "codegen.spec.tasks.chat",
    "preference": "codegen.spec.tasks.preference",
    "masked-lm": "codegen.spec.tasks.masked_lm",
    "seq2seq-lm": "codegen.spec.tasks.seq2seq_lm",
    "image-classification": "codegen.spec.tasks.image_classification",
    "sequence-classification": "codegen.spec.tasks.sequence_classification",
    "tagging": "codegen.spec.tasks.tagging",
    "embedding": "codegen.spec.tasks.embedding",
    "image-embedding": "codegen.spec.tasks.image_embedding",
    "regression": "codegen.spec.tasks.regression",
    "classification": "codegen.spec.tasks.classification",
    "super-resolution": "codegen.spec.tasks.super_resolution",
    "image-to-image": "codegen.spec.tasks.image_to_image",
    "image-segmentation": "codegen.spec.tasks.image_segmentation",
    "image-generation": "codegen.spec.tasks.image_generation",
    "image-translation": "codegen.spec.tasks.image_translation",
}


def task_of(name: str) -> Task:
    """A task's fields and checks."""
    found: Task = import_module(TASKS[name]).TASK
    return found
