"""The family of plain networks: spec -> plan, and what `tgen plan` shows of it."""

from __future__ import annotations

import math
from collections.abc import Iterator

from codegen.errors import Diagnostic, SpecError
from codegen.plan.family import Family
from codegen.plan.files import FilePlan, TestsPlan
from codegen.plan.kernels.own_tiles import with_own_tiles
from codegen.plan.network.activation import HALVING
from codegen.plan.network.doubtful import warn_of_layers
from codegen.plan.network.ends import ENDS, NetworkEnds
from codegen.plan.network.kinds import planned_layer
from codegen.plan.network.knob_table import number_fields, reads_of
from codegen.plan.network.layer import LayerError, PlannedLayer, Surroundings
from codegen.plan.network.network import LayeredNetwork
from codegen.plan.plan import Cost, Description, Plan
from codegen.plan.shown import ShownTable, parameters_shown
from codegen.plan.tables import Group, Parameter, Start
from codegen.plan.tasks import task_plan
from codegen.plan.units import human
from codegen.plan.whole import whole_plan
from codegen.spec import LoadedSpec
from codegen.spec.network.vocabulary import NetworkSpec
from codegen.spec.yaml.source import Key, spec_error

HE = "He et al., Delving Deep into Rectifiers (arXiv:1502.01852)"


def lower_network_of_layers(loaded: LoadedSpec) -> Plan:
    """The plan of a network of plain layers; SpecError where layers don't fit each other."""
    spec = loaded.spec
    assert isinstance(spec, NetworkSpec), spec
    with_own_tiles(None, loaded)  # a spec that gives tiles to kernels is told that there are none
    ends = ENDS[spec.task](spec)
    layers = _planned(loaded, spec, ends)
    gain = 2 if any(layer.kind in HALVING for layer in layers) else 1
    network = LayeredNetwork(
        class_name="Model",
        fields=(*ends.fields, *number_fields(spec.model.layers)),
        layers=layers,
        parameters=tuple(_parameters(layers, gain)),
        end=ends.template,
        gain=gain,
    )
    cost = _cost(network, ends.unit, spec.train.optimizer.kind)
    return whole_plan(
        loaded,
        network,
        task_plan(spec, network, cost.flops_train),
        _description(spec.name, network, ends),
        cost,
        (FilePlan("model.py", "package/model.py.jinja", roots=("Config", "Model")),),
        TestsPlan((), (), ()),
    )


def _planned(loaded: LoadedSpec, spec: NetworkSpec, ends: NetworkEnds) -> tuple[PlannedLayer, ...]:
    found: list[PlannedLayer] = []
    shape, said = ends.incoming, spec.model.layers
    for index, (layer, numbers) in enumerate(zip(said, reads_of(said), strict=True)):
        try:
            made = planned_layer(layer, Surroundings(shape, ends.outputs, numbers))
        except LayerError as error:
            raise _mistake(loaded, ("model", "layers", index), error.message, error.hint) from None
        found.append(made)
        shape = made.shape
    wanted = (ends.outputs.value,)
    given = tuple(size.value for size in shape)
    if given != wanted:
        sizes = " x ".join(f"{value:,}" for value in given)
        message = f"the last layer gives {sizes} numbers, and the task asks for {wanted[0]:,}"
        raise _mistake(loaded, ("model", "layers"), message, "end with `linear`")
    return tuple(found)


def _mistake(loaded: LoadedSpec, key: Key, message: str, hint: str) -> SpecError:
    return spec_error([Diagnostic(message, loaded.tree.position(key), hint)])


def _parameters(layers: tuple[PlannedLayer, ...], gain: int) -> Iterator[Parameter]:
    """Weights from N(0, gain / numbers that come in), biases from zero; the last is the head."""
    last = max((i for i, layer in enumerate(layers) if layer.weights), default=0)
    first = min((i for i, layer in enumerate(layers) if layer.weights), default=0)
    for index, layer in enumerate(layers):
        prefix = f"layers.{index}." if len(layers) > 1 else "layer."
        group: Group = "head" if index == last != first else "matrix"
        for weight in layer.weights:
            if len(weight.shape) > 1:
                start = Start("normal", std=(gain / weight.shape[1]) ** 0.5)
                yield Parameter(prefix + weight.name, weight.shape, layer.kind, start, group)
            else:
                yield Parameter(
                    prefix + weight.name, weight.shape, "bias", Start("zeros"), "vector"
                )


def _cost(network: LayeredNetwork, unit: str, optimizer: str) -> Cost:
    count = sum(row.count for row in network.parameters)
    matrices = sum(row.count for row in network.parameters if row.group == "matrix")
    flops = sum(layer.flops for layer in network.layers)
    moments = 2 * count if optimizer == "adamw" else 2 * (count - matrices) + matrices
    return Cost(
        parameters=count,
        active_parameters=count,
        flops_forward=flops,
        flops_train=3 * flops,
        weight_bytes=4 * count,
        weight_bytes_bf16=2 * count,
        training_bytes=4 * (2 * count + moments),
        unit=unit,
    )


def _description(name: str, network: LayeredNetwork, ends: NetworkEnds) -> Description:
    count = sum(row.count for row in network.parameters)
    numbers = f"{human(count).strip()} parameter{'s' * (count != 1)}"
    plain = not any(layer.kind in HALVING or layer.words for layer in network.layers)
    what = "a linear model" if plain else "a network"
    title = f"{name}: {what} that {ends.does}, with {numbers}."
    words = [layer.words for layer in network.layers if layer.words]
    notable = tuple(dict.fromkeys(words)) or ("one layer, whose output is a weighted sum",)
    return Description(title, notable, (HE,) if network.gain == 2 else ())


def network_shown(plan: Plan) -> tuple[ShownTable, ...]:
    """Its layers with what they hand on, and its parameters."""
    network = plan.model
    assert isinstance(network, LayeredNetwork), plan.family
    columns = ("layer", "kind", "hands on", "parameters", "FLOPs")
    rows = tuple(_layer_row(index, layer) for index, layer in enumerate(network.layers))
    return ShownTable("layers", columns, rows, ("kind",)), parameters_shown(network.parameters)


def _layer_row(index: int, layer: PlannedLayer) -> tuple[str, ...]:
    shape = " x ".join(f"{size.value:,}" for size in layer.shape)
    count = sum(math.prod(weight.shape) for weight in layer.weights)
    return str(index), layer.kind, shape, f"{count:,}", f"{layer.flops:,}"


FAMILY = Family(lower=lower_network_of_layers, shown=network_shown, warnings=warn_of_layers)
