"""The training script as the Plan has it: its defaults."""

from __future__ import annotations

from dataclasses import dataclass

from codegen.plan.optimizer_groups import OptimizerGroups


@dataclass(frozen=True)
class OptimizerPlan:
    """The update rule's numbers; those of Muon are None under AdamW."""

    kind: str
    lr: float
    beta1: float
    beta2: float
    eps: float
    weight_decay: float
    groups: OptimizerGroups
    embedding_lr: float | None = None
    head_lr: float | None = None
    matrix_lr: float | None = None
    momentum: float | None = None
    newton_schulz_steps: int | None = None
    matrix_weight_decay: float | None = None

    @property
    def rate(self) -> str:
        """The option that says how fast most weights learn."""
        return "lr" if self.matrix_lr is None else "matrix_lr"


@dataclass(frozen=True)
class SchedulePlan:
    """The learning rate's course."""

    kind: str
    warmup: int
    min_lr_ratio: float
    decay_fraction: float


@dataclass(frozen=True)
class TrainPlan:
    """Defaults of the training script."""

    optimizer: OptimizerPlan
    schedule: SchedulePlan
    batch: int
    accumulation: int
    steps: int
    clip: float
    validation: float
    eval_every: int
    checkpoint_every: int
    log_every: int
    seed: int
    dtype: str
    peaks: dict[str, float]  # dense bfloat16 FLOP/s by device name
