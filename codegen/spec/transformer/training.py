"""What only transformers have of training."""

from __future__ import annotations

from pydantic import Field

from codegen.spec.techniques.finetune import Finetuned
from codegen.spec.train import Train


class TransformerTrain(Train):
    """Defaults of the training script, and how gradients are made."""

    gradient_checkpointing: bool = Field(
        False,
        description="a block's activations are not kept for its gradients but computed again: less "
        "memory, and steps that take about a quarter longer (arXiv:1604.06174)",
    )
    finetune: Finetuned | None = Field(
        None,
        description="a run that starts from weights trains a part of them, or what is added to "
        "them; the method for short",
    )
