"""How two networks are trained: their losses' numbers as options, and their tests."""

from __future__ import annotations

from collections.abc import Iterator

from codegen.plan.files import FilePlan
from codegen.plan.gan.network import LossPlan
from codegen.plan.tasks.task import OptionPlan
from codegen.plan.techniques import TechniquePlan
from codegen.spec.gan.vocabulary import GanTrain

POOL = "gan/pool"
IMPORTS = "gan/train/imports.py.jinja"


def gan_techniques(train: GanTrain, loss: LossPlan) -> tuple[TechniquePlan, ...]:
    """What a step does beside a plain one."""
    options = (*_options(train), *_weights(train, loss))
    players = TechniquePlan("players", {"imports": IMPORTS}, draws=False, options=options)
    return (players, _pool(train.pool)) if loss.pool else (players,)


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


def _weights(train: GanTrain, loss: LossPlan) -> Iterator[OptionPlan]:
    """Of what the generator minimises beside scores."""
    said = train.loss
    if loss.l1:
        yield OptionPlan("l1", "float", float(said.l1), "weight of the pixels' distance to targets")
    if loss.cycle:
        help = "weight of the pixels' distance after there and back"
        yield OptionPlan("cycle", "float", float(said.cycle), help)
    if loss.identity:
        help = "weight of how far pixels move that are as they should be"
        yield OptionPlan("identity", "float", float(said.identity), help)


def _pool(size: int) -> TechniquePlan:
    """Images that were made before, judged beside new ones."""
    places = ("imports", "state", "ready", "loaded", "saved")
    return TechniquePlan(
        "pool",
        parts={place: f"{POOL}/{place}.py.jinja" for place in places},
        draws=False,
        drawn=("which images of before are judged",),
        options=(OptionPlan("pool", "int", size, "made images that are kept, to be judged again"),),
        files=(FilePlan("pool.py", f"{POOL}/pool.py.jinja", roots=()),),
        tests=(f"{POOL}/tests.py.jinja",),
    )
