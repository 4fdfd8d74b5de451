"""The recurrent family: its lowering, and what `tgen plan` shows of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from codegen.plan.family import Family
from codegen.plan.files import FilePlan, TestsPlan
from codegen.plan.kernels.own_tiles import with_own_tiles
from codegen.plan.parameters_shown import parameters_shown
from codegen.plan.plan import Plan
from codegen.plan.recurrent.cost import recurrent_cost
from codegen.plan.recurrent.describe import describe
from codegen.plan.recurrent.lower import lowered
from codegen.plan.recurrent.network import BothEnds, RecurrentNetwork, Width
from codegen.plan.recurrent.techniques import objective, recurrent_techniques
from codegen.plan.shown import ShownTable
from codegen.plan.tables import ConfigValue
from codegen.plan.tasks import task_plan
from codegen.plan.whole import whole_plan
from codegen.spec import LoadedSpec
from codegen.spec.recurrent.vocabulary import RecurrentSpec


def lower_recurrent(loaded: LoadedSpec) -> Plan:
    """The plan of a recurrent network."""
    spec = loaded.spec
    assert isinstance(spec, RecurrentSpec), spec
    with_own_tiles(None, loaded)  # a spec that gives tiles to kernels is told that there are none
    network = lowered(spec)
    cost = recurrent_cost(network)
    task = task_plan(spec, network, cost.flops_train)
    if template := objective(spec.train):
        task = replace(task, parts={**task.parts, "objective": template})
    return whole_plan(
        loaded,
        network,
        task,
        describe(spec.name, network, spec.model),
        cost,
        (FilePlan("model.py", "package/model.py.jinja", roots=("Config", "Model")),),
        TestsPlan(
            tuple(_test_imports(network)),
            (),
            tuple(_tests(network)),
        ),
        techniques=recurrent_techniques(spec.train),
    )


def _test_imports(network: RecurrentNetwork) -> Iterator[str]:
    if network.dropout.locked:
        yield "recurrent/tests/imports.jinja"
    if network.carries:
        yield "recurrent/tests/options.jinja"


def _tests(network: RecurrentNetwork) -> Iterator[str]:
    if network.dropout.locked:
        yield "recurrent/tests/locked.py.jinja"
    if network.encoder:
        yield "recurrent/tests/source.py.jinja"
    if network.packs and not network.encoder:
        yield "recurrent/tests/padding.py.jinja"


def recurrent_shown(plan: Plan) -> tuple[ShownTable, ...]:
    """Its stacks and its parameters."""
    network = plan.model
    assert isinstance(network, RecurrentNetwork), plan.family
    columns = ("stack", "cell", "layers", "reads", "state")
    stacks = ShownTable("stacks", columns, tuple(_stack_rows(network)), ("stack", "cell"))
    return stacks, parameters_shown(network.parameters)


def _stack_rows(network: RecurrentNetwork) -> Iterator[tuple[str, ...]]:
    numbers = {field.name: field.value for field in network.fields}
    stacks = [("decoder" if network.encoder else "model", network.stack)]
    if network.encoder:
        stacks.insert(0, ("encoder", network.encoder.stack))
    for name, stack in stacks:
        reads = " + ".join(_number(read, numbers) for read in stack.inputs)
        width = f"{numbers[stack.width.field]:,}"
        state = f"{width} each way" if stack.bidirectional else width
        yield name, stack.cell, str(numbers[stack.layers.field]), reads, state


def _number(read: Width, numbers: Mapping[str, ConfigValue]) -> str:
    if isinstance(read, BothEnds):
        return f"2 x {_number(read.read, numbers)}"
    return f"{numbers[read.field]:,}"


FAMILY = Family(lower=lower_recurrent, shown=recurrent_shown)
