"""The Plan: everything a template needs, every number resolved, plain frozen data."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from codegen.plan.checkpoint import CheckpointPlan
from codegen.plan.kernels.kernel_plan import KernelPlan
from codegen.plan.optimizer_groups import OptimizerGroups
from codegen.plan.transformer.network import TransformerNetwork

PLAN_VERSION = 3  # of the JSON that `tgen plan --json` prints


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

    tokenizer: str
    separator: str  # the token that ends a document
    mask_token: str  # that hides others; "" for a tokenizer's own, or the last
    optimizer: OptimizerPlan
    schedule: SchedulePlan
    batch: int
    accumulation: int
    context_length: int
    steps: int
    clip: float
    validation: float
    eval_every: int
    checkpoint_every: int
    log_every: int
    seed: int
    dtype: str
    flops_per_token: int  # forward and backward, at the training context_length
    peaks: dict[str, float]  # dense bfloat16 FLOP/s by device name


@dataclass(frozen=True)
class Cost:
    """What the model costs. FLOPs count a multiply-add as two; attention counts visible pairs."""

    parameters: int
    active_parameters: int  # that one token meets: of experts, the active ones
    flops_forward: int  # a token, at full context
    flops_train: int  # a token, forward and backward
    weight_bytes: int  # float32
    weight_bytes_bf16: int
    kv_cache_bytes: int  # a sequence of full length, bfloat16
    training_bytes: int  # float32 weights, gradients and optimizer state
    unit: Literal["token", "image"] = "token"  # that FLOPs are counted for


@dataclass(frozen=True)
class Description:
    """What a person reads first."""

    title: str
    notable: tuple[str, ...]
    papers: tuple[str, ...]


@dataclass(frozen=True)
class Plan:
    """One spec, lowered."""

    name: str
    family: str
    task: str
    spec_path: str
    spec_digest: str
    target: str
    description: Description
    networks: tuple[TransformerNetwork, ...]
    train: TrainPlan
    checkpoint: CheckpointPlan | None
    cost: Cost
    kernels: KernelPlan | None
    own_tiles: tuple[tuple[str, str], ...]  # (GPU, kernel) whose tiles the spec itself gives
    cpu_tile: int  # queries, and keys, that attention on a CPU looks at together
    version: int = field(default=PLAN_VERSION)

    @property
    def model(self) -> TransformerNetwork:
        """The network of a family that has one."""
        return self.networks[0]
