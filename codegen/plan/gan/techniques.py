"""How two networks are trained: their losses' numbers as options, and their tests."""

from __future__ import annotations

from collections.abc import Iterator

from codegen.plan.tasks.task import OptionPlan
from codegen.plan.techniques import TechniquePlan
from codegen.spec.gan.vocabulary import GanTrain


def gan_techniques(train: GanTrain) -> tuple[TechniquePlan, ...]:
    """What a step does beside a plain one."""
    return (TechniquePlan("players", parts={}, draws=False, options=tuple(_options(train))),)


def _options(train: GanTrain) -> Iterator[OptionPlan]:
    loss = train.loss
    rate = float(train.discriminator_lr or train.optimizer.lr)
    yield OptionPlan("discriminator_lr", "float", rate, "peak learning rate of the discriminator")
    if train.critic_steps > 1:
        help = "updates of the discriminator before each of the generator"
        yield OptionPlan("critic_steps", "int", train.critic_steps, help)
    if loss.smoothing:
        help = "by how much the label of a real image is less than one"
        yield OptionPlan("smoothing", "float", float(loss.smoothing), help)
    if loss.kind == "wgan-gp":
        help = "weight of what holds the norm of gradients at one"
        yield OptionPlan("penalty", "float", float(loss.penalty), help)
    if loss.r1:
        help = "weight of half the squared norm of gradients at real images"
        yield OptionPlan("r1", "float", float(loss.r1), help)
