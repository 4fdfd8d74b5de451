"""The family of plain networks: spec -> plan, and what `tgen plan` shows of it."""

from __future__ import annotations

from dataclasses import replace

from codegen.errors import Diagnostic, SpecError
from codegen.importers.architectures import mapping_of
from codegen.importers.libraries import LIBRARIES
from codegen.plan.family import Family
from codegen.plan.files import FilePlan, TestsPlan
from codegen.plan.kernels.own_tiles import with_own_tiles
from codegen.plan.module_names import ModuleNames
from codegen.plan.network.checkpoint import NoPlaceError, module_names, with_layout
from codegen.plan.network.doubtful import warn_of_layers
from codegen.plan.network.ends import ENDS, NetworkEnds
from codegen.plan.network.held_modules import HeldModule
from codegen.plan.network.lowering import lowered
from codegen.plan.network.nearest import nearest_side
from codegen.plan.network.network import LayeredNetwork, LayerRow
from codegen.plan.network.walk import PlacedError
from codegen.plan.parameters_shown import parameters_shown
from codegen.plan.plan import Cost, Description, Plan
from codegen.plan.shown import ShownTable
from codegen.plan.tasks import task_plan
from codegen.plan.units import human
from codegen.plan.whole import whole_plan
from codegen.spec import LoadedSpec
from codegen.spec.diagnose import path_of
from codegen.spec.network.vocabulary import NetworkSpec
from codegen.spec.yaml.source import spec_error

LAYER_COLUMNS = ("layer", "hands on", "parameters", "FLOPs", "sees")
UNET = "Ronneberger et al., U-Net (arXiv:1505.04597)"
HE = "He et al., Delving Deep into Rectifiers (arXiv:1502.01852)"


def lower_network_of_layers(loaded: LoadedSpec) -> Plan:
    """The plan of a network of plain layers; SpecError where layers don't fit each other."""
    spec = loaded.spec
    assert isinstance(spec, NetworkSpec), spec
    with_own_tiles(None, loaded)  # a spec that gives tiles to kernels is told that there are none
    ends = ENDS[spec.task](spec)
    try:
        network, modules = lowered(spec.model, ends, loaded.code)
    except PlacedError as error:
        place = loaded.tree.position(path_of(error.key, loaded.tree.data))
        side = nearest_side(error, spec.model, ends, loaded.code)
        fits = f"the nearest image that fits has {side:,} pixels each way" if side else None
        hint = "; ".join(filter(None, (error.hint, fits))) or None
        raise spec_error([Diagnostic(error.message, place, hint)]) from None
    checkpoint = None
    if spec.checkpoint.library:
        checkpoint, network = _with_names(loaded, network, modules)
    cost = _cost(network, ends.unit)
    return whole_plan(
        loaded,
        network,
        task_plan(spec, network, cost.flops_train),
        _description(spec.name, network, ends),
        cost,
        (
            FilePlan("model.py", "package/model.py.jinja", roots=("Config", "Model")),
            *((FilePlan("blocks.py", "network/blocks.py.jinja"),) if network.own else ()),
        ),
        TestsPlan(
            ("network/tests/own_imports.jinja",) if network.own else (),
            (),
            ("network/tests/own_blocks.py.jinja",) if network.own else (),
            of_batches=network.of_batches,
        ),
        checkpoint=checkpoint,
    )


def _with_names(
    loaded: LoadedSpec, network: LayeredNetwork, modules: tuple[HeldModule, ...]
) -> tuple[ModuleNames, LayeredNetwork]:
    """How another library names the modules; SpecError where it has no names for them."""
    said = loaded.spec.checkpoint
    library, wanted = LIBRARIES[said.library], said.of(said.library)
    weights = mapping_of(library.name, wanted).weights
    place = loaded.tree.position(("checkpoint", library.name))
    if "modules" not in weights:
        message = f"{library.owner} {wanted} is no network of plain layers"
        raise SpecError(Diagnostic(message, place, "drop `checkpoint`"))
    try:
        checkpoint, names = module_names(library, wanted, weights, modules)
    except NoPlaceError as error:
        message = f"{library.owner} {wanted} {error}"
        hint = "change the model or drop `checkpoint`"
        raise SpecError(Diagnostic(message, place, hint)) from None
    return checkpoint, replace(network, parameters=with_layout(network.parameters, names))


def _cost(network: LayeredNetwork, unit: str) -> Cost:
    count = sum(row.count for row in network.parameters)
    flops = sum(row.flops for row in network.rows if not row.depth)
    uncounted = network.own.names if network.own else ()
    return Cost.of(count, flops, unit=unit, uncounted=uncounted)


def _description(name: str, network: LayeredNetwork, ends: NetworkEnds) -> Description:
    count = sum(row.count for row in network.parameters)
    numbers = f"{human(count).strip()} parameter{'s' * (count != 1)}"
    if network.own:
        numbers += f" beside those of {' and '.join(network.own.names)}"
    what = "a network" if network.words or network.filling.gain == 2 else "a linear model"
    title = f"{name}: {what} that {ends.does}, with {numbers}."
    notable = network.words or ("one layer, whose output is a weighted sum",)
    papers = (UNET,) * (network.unet is not None) + (HE,) * (network.filling.gain == 2)
    return Description(title, notable, papers)


def network_shown(plan: Plan) -> tuple[ShownTable, ...]:
    """Its layers with what they hand on, and its parameters."""
    network = plan.model
    assert isinstance(network, LayeredNetwork), plan.family
    rows = tuple(map(layer_row, network.rows))
    layers = ShownTable("layers", LAYER_COLUMNS, rows, ("layer",))
    return layers, parameters_shown(network.parameters)


def layer_row(row: LayerRow) -> tuple[str, ...]:
    """A layer in a table of LAYER_COLUMNS."""
    shape = " x ".join(f"{size:,}" for size in row.shape)
    seen = "all" if row.field is None else str(row.field)
    parameters, flops = f"{row.parameters:,}", human(row.flops).strip()
    if row.uncounted:
        more = "counted when run"
        parameters = f"{parameters} + {more}" if row.parameters else more
        flops = f"{flops} + ..." if row.flops else ""
    return "  " * row.depth + row.name, shape, parameters, flops, seen


FAMILY = Family(lower=lower_network_of_layers, shown=network_shown, warnings=warn_of_layers)
