"""The family of two networks that train each other: its lowering, and what `tgen plan` shows."""

from __future__ import annotations

from dataclasses import replace

from codegen.errors import Diagnostic
from codegen.plan.family import Family
from codegen.plan.files import FilePlan, TestsPlan
from codegen.plan.gan.describe import describe
from codegen.plan.gan.lower import ends_of, lowered_players
from codegen.plan.gan.network import GanNetwork
from codegen.plan.gan.step import TWO_PLAYERS
from codegen.plan.gan.techniques import gan_techniques
from codegen.plan.gan.ways import way_of
from codegen.plan.kernels.own_tiles import with_own_tiles
from codegen.plan.network.family import LAYER_COLUMNS, layer_row
from codegen.plan.network.walk import PlacedError
from codegen.plan.parameters_shown import parameters_shown
from codegen.plan.plan import Cost, Plan
from codegen.plan.shown import ShownTable
from codegen.plan.tasks import task_plan
from codegen.plan.whole import whole_plan
from codegen.spec import LoadedSpec
from codegen.spec.diagnose import path_of
from codegen.spec.gan.vocabulary import GanSpec
from codegen.spec.yaml.source import spec_error


def lower_gan(loaded: LoadedSpec) -> Plan:
    """The plan of both networks; SpecError where layers don't fit each other."""
    spec = loaded.spec
    assert isinstance(spec, GanSpec), spec
    with_own_tiles(None, loaded)  # a spec that gives tiles to kernels is told that there are none
    try:
        network = lowered_players(spec)
    except PlacedError as error:
        place = loaded.tree.position(path_of(error.key, loaded.tree.data))
        raise spec_error([Diagnostic(error.message, place, error.hint)]) from None
    cost = _cost(network)
    task = task_plan(spec, network, cost.flops_train)
    way = way_of(spec)
    task = replace(task, parts={**task.parts, **way.parts})
    return whole_plan(
        loaded,
        network,
        task,
        describe(spec.name, network, ends_of(spec)[0].does),
        cost,
        (
            FilePlan("model.py", "package/model.py.jinja", roots=("Config", "Model")),
            FilePlan("losses.py", way.losses, roots=()),
            FilePlan("optimizers.py", "gan/optimizers.py.jinja", roots=()),
        ),
        TestsPlan(("gan/tests/imports.py.jinja",), (), (), of_batches=network.of_batches),
        techniques=gan_techniques(spec.train, network.loss),
        step=TWO_PLAYERS,
    )


def _cost(network: GanNetwork) -> Cost:
    """FLOPs forward are of an image made, in training of both networks' updates."""
    forward, judged = (sum(r.flops for r in one.rows if not r.depth) for one in network.players)
    count = sum(row.count for row in network.parameters)
    # The generator goes forward and backward once; the discriminator does so for a real image and
    # for a made one, and once more through the made one without gradients of its own weights.
    # There and back, each of both generators also takes what the other made, and what is as it
    # should be.
    loss = network.loss
    ways, passes = (2, 2 + loss.identity) if loss.cycle else (1, 1)
    train = ways * (3 * passes * forward + 8 * judged)
    return Cost.of(count, forward, flops_train=train, unit="image")


def gan_shown(plan: Plan) -> tuple[ShownTable, ...]:
    """The layers of both with what they hand on, and their parameters."""
    network = plan.model
    assert isinstance(network, GanNetwork), plan.family
    layers = (
        ShownTable(
            one.class_name.lower(), LAYER_COLUMNS, tuple(map(layer_row, one.rows)), ("layer",)
        )
        for one in network.players
    )
    return (*layers, parameters_shown(network.parameters))


FAMILY = Family(lower=lower_gan, shown=gan_shown)
