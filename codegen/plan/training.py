"""The training script's defaults, from what a spec of any family says of them."""

from __future__ import annotations

from collections.abc import Iterable

from codegen.plan.optimizer_groups import OptimizerGroups
from codegen.plan.tables import Parameter
from codegen.plan.targets import device_names, target_data
from codegen.plan.train import OptimizerPlan, SchedulePlan, TrainPlan
from codegen.spec.head import SpecHead, Target
from codegen.spec.optimizers import SGD, Adam, AdamW, Muon
from codegen.spec.schedules import OneCycle, Schedule, Steps
from codegen.spec.techniques.augment import Cutmix, Mixup


def train_plan(spec: SpecHead, groups: OptimizerGroups) -> TrainPlan:
    """The training script's defaults."""
    train = spec.train
    return TrainPlan(
        optimizer=optimizer_plan(train.optimizer, groups),
        schedule=schedule_plan(train.schedule, None if train.epochs else train.steps),
        batch=train.batch,
        accumulation=train.accumulation,
        steps=0 if train.epochs else train.steps,
        clip=float(train.clip),
        validation=float(train.validation),
        eval_every=train.eval_every,
        patience=train.patience,
        checkpoint_every=train.checkpoint_every,
        log_every=train.log_every,
        seed=train.seed,
        dtype=spec.target.dtype,
        peaks=device_peaks(spec.target),
        epochs=None if train.epochs is None else float(train.epochs),
        label_smoothing=float(train.label_smoothing),
        mixes=any(isinstance(one, Mixup | Cutmix) for one in train.augment),
    )


def optimizer_plan(said: AdamW | Muon | Adam | SGD, groups: OptimizerGroups) -> OptimizerPlan:
    """The update rule's numbers."""
    lr, decay = float(said.lr), float(said.weight_decay)
    if isinstance(said, SGD):
        momentum, nesterov = float(said.momentum), said.nesterov
        return OptimizerPlan(said.kind, lr, decay, groups, momentum=momentum, nesterov=nesterov)
    beta1, beta2 = map(float, said.betas)
    if not isinstance(said, Muon):
        return OptimizerPlan(said.kind, lr, decay, groups, beta1, beta2, float(said.eps))
    return OptimizerPlan(
        *(said.kind, lr, decay, groups, beta1, beta2, float(said.eps)),
        embedding_lr=float(said.embedding_lr or said.lr),
        head_lr=float(said.head_lr or said.lr),
        matrix_lr=float(said.matrix_lr),
        momentum=float(said.momentum),
        newton_schulz_steps=said.newton_schulz_steps,
        matrix_weight_decay=float(said.matrix_weight_decay),
    )


def schedule_plan(said: Schedule | Steps | OneCycle, steps: int | None) -> SchedulePlan:
    """The learning rate's course; a warm-up that nobody asked for takes little of the run."""
    if isinstance(said, OneCycle):
        return SchedulePlan(
            said.kind,
            pct_start=float(said.pct_start),
            div_factor=float(said.div_factor),
            final_div_factor=float(said.final_div_factor),
        )
    if isinstance(said, Steps):
        milestones = tuple(map(float, said.milestones))
        return SchedulePlan(said.kind, said.warmup, milestones=milestones, gamma=float(said.gamma))
    ratio, fraction = float(said.min_lr_ratio), float(said.decay_fraction)
    warmup = said.warmup
    if steps is not None and "warmup" not in said.model_fields_set:
        warmup = min(warmup, steps // 10)
    return SchedulePlan(said.kind, warmup, ratio, fraction)


def training_bytes(parameters: Iterable[Parameter], train: TrainPlan, *, averaged: bool) -> int:
    """Of float32 weights, gradients, what the optimizers remember and an average of weights."""
    rows = tuple(parameters)
    count, trained = sum(row.count for row in rows), sum(row.count for row in rows if row.trained)
    by_muon = sum(row.count for row in rows if row.trained and row.group == "matrix")
    moments = train.optimizer.moments * trained
    if train.optimizer.kind == "muon":
        moments += trained - by_muon  # AdamW's second
    return 4 * (count + trained + moments + averaged * count)


def device_peaks(target: Target) -> dict[str, float]:
    """Dense bfloat16 FLOP/s by the name that a device reports, of all devices that may be meant."""
    peaks: dict[str, float] = {}
    for name in device_names():
        facts = target_data(name)
        kinds = {"any"} | {facts["device"]}
        if target.device in kinds and target.arch in (None, name):
            peaks |= {name: float(peak) for name, peak in facts["peak_bf16_flops"].items()}
    return peaks
