"""The training script's defaults, from what a spec of any family says of them."""

from __future__ import annotations

from codegen.plan.optimizer_groups import OptimizerGroups
from codegen.plan.targets import device_names, target_data
from codegen.plan.train import OptimizerPlan, SchedulePlan, TrainPlan
from codegen.spec.head import Muon, SpecHead, Target


def train_plan(spec: SpecHead, groups: OptimizerGroups) -> TrainPlan:
    """The training script's defaults."""
    train, optimizer = spec.train, spec.train.optimizer
    muon = optimizer if isinstance(optimizer, Muon) else None
    return TrainPlan(
        optimizer=OptimizerPlan(
            kind=optimizer.kind,
            lr=float(optimizer.lr),
            beta1=float(optimizer.betas[0]),
            beta2=float(optimizer.betas[1]),
            eps=float(optimizer.eps),
            weight_decay=float(optimizer.weight_decay),
            groups=groups,
            embedding_lr=float(muon.embedding_lr or muon.lr) if muon else None,
            head_lr=float(muon.head_lr or muon.lr) if muon else None,
            matrix_lr=float(muon.matrix_lr) if muon else None,
            momentum=float(muon.momentum) if muon else None,
            newton_schulz_steps=muon.newton_schulz_steps if muon else None,
            matrix_weight_decay=float(muon.matrix_weight_decay) if muon else None,
        ),
        schedule=SchedulePlan(
            kind=train.schedule.kind,
            warmup=train.schedule.warmup,
            min_lr_ratio=float(train.schedule.min_lr_ratio),
            decay_fraction=float(train.schedule.decay_fraction),
        ),
        batch=train.batch,
        accumulation=train.accumulation,
        steps=train.steps,
        clip=float(train.clip),
        validation=float(train.validation),
        eval_every=train.eval_every,
        checkpoint_every=train.checkpoint_every,
        log_every=train.log_every,
        seed=train.seed,
        dtype=spec.target.dtype,
        peaks=device_peaks(spec.target),
    )


def device_peaks(target: Target) -> dict[str, float]:
    """Dense bfloat16 FLOP/s by the name that a device reports, of all devices that may be meant."""
    peaks: dict[str, float] = {}
    for name in device_names():
        facts = target_data(name)
        kinds = {"any"} | {facts["device"]}
        if target.device in kinds and target.arch in (None, name):
            peaks |= {name: float(peak) for name, peak in facts["peak_bf16_flops"].items()}
    return peaks
