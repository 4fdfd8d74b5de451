"""The training script as the Plan has it: its defaults."""

from __future__ import annotations

from codegen.frozen import frozen
from codegen.plan.optimizer_groups import OptimizerGroups


@frozen
class OptimizerPlan:
    """The update rule's numbers; None is what a rule doesn't have."""

    kind: str
    lr: float
    weight_decay: float
    groups: OptimizerGroups
    beta1: float | None = None
    beta2: float | None = None
    eps: float | None = None
    embedding_lr: float | None = None
    head_lr: float | None = None
    matrix_lr: float | None = None
    momentum: float | None = None
    nesterov: bool = False
    newton_schulz_steps: int | None = None
    matrix_weight_decay: float | None = None

    @property
    def rate(self) -> str:
        """The option that says how fast most weights learn."""
        return "lr" if self.matrix_lr is None else "matrix_lr"

    @property
    def moments(self) -> int:
        """Numbers that most weights' updates remember of the past."""
        return {"adam": 2, "adamw": 2, "muon": 1, "sgd": int(bool(self.momentum))}[self.kind]


@frozen
class SchedulePlan:
    """The learning rate's course; None is what a kind of course doesn't have."""

    kind: str
    warmup: int | None = None
    min_lr_ratio: float | None = None
    decay_fraction: float | None = None
    milestones: tuple[float, ...] = ()
    gamma: float | None = None
    pct_start: float | None = None
    div_factor: float | None = None
    final_div_factor: float | None = None

    @property
    def warms_up(self) -> bool:
        """Whether so many steps of warm-up are an option."""
        return self.warmup is not None


@frozen
class TrainPlan:
    """Defaults of the training script."""

    optimizer: OptimizerPlan
    schedule: SchedulePlan
    batch: int
    accumulation: int
    steps: int  # 0: as many as the epochs have
    clip: float
    validation: float
    eval_every: int
    patience: int  # evaluations; 0: without end
    checkpoint_every: int
    log_every: int
    seed: int
    dtype: str
    peaks: dict[str, float]  # dense bfloat16 FLOP/s by device name
    epochs: float | None = None
    label_smoothing: float = 0.0
    mixes: bool = False  # whether targets in training are shares of classes
