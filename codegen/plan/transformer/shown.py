"""What `tgen plan` shows of a transformer: layers, what runs their mixers, parameters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from codegen.plan.numbered import numbered
from codegen.plan.parameters_shown import parameters_shown
from codegen.plan.plan import Plan
from codegen.plan.shown import ShownTable
from codegen.plan.transformer.attention_cost import cache_slots
from codegen.plan.transformer.layer_plan import AttendingLayer, LayerPlan
from codegen.plan.transformer.network import TransformerNetwork
from codegen.plan.transformer.short_conv import kernel_of
from codegen.plan.units import human


def network_of(plan: Plan) -> TransformerNetwork:
    """The network of a plan of this family."""
    assert isinstance(plan.model, TransformerNetwork), plan.family
    return plan.model


def transformer_shown(plan: Plan) -> tuple[ShownTable, ...]:
    """Its tables, in the order in which they are read."""
    network = network_of(plan)
    stacks = [table for stack in network.stacks for table in _stack_shown(plan, network, stack)]
    return *stacks, parameters_shown(network.parameters)


def _stack_shown(
    plan: Plan, network: TransformerNetwork, stack: TransformerNetwork
) -> Iterator[ShownTable]:
    """The layers of the network, or of one of its two stacks, and what runs their mixers."""
    of = f"{stack.stack} " if stack.stack else ""
    columns = ("layer", "count", "kind", "mask", "heads", "head dim", "d_ff", "parameters")
    words = ("layer", "kind", "mask", "d_ff")
    yield ShownTable(f"{of}layers", columns, tuple(_layer_rows(network, stack)), words)
    places: tuple[str, ...] = ("kind", "on a CPU", "on a GPU")
    rows = tuple(_mixer_rows(plan, stack))
    if stack.decodes:
        places = (*places, "decoding keeps")
    else:
        rows = tuple(row[:-1] for row in rows)
    yield ShownTable(f"{of}{'mixers' if stack.convolutions else 'attention'}", places, rows, places)


def _layer_rows(
    network: TransformerNetwork, stack: TransformerNetwork
) -> Iterator[tuple[str, ...]]:
    """Layers that are alike share a row."""
    prefix = f"{stack.stack}.blocks." if stack.stack else "blocks."
    counts = Counter[int]()
    for parameter in network.parameters:
        if parameter.name.startswith(prefix):
            counts[int(parameter.name.removeprefix(prefix).partition(".")[0])] += parameter.count
    alike: dict[tuple[str, ...], list[int]] = {}
    for index, layer in enumerate(stack.layers):
        kind, widths = layer.kind or "block", _widths(stack, layer)
        row = (kind, *_mixer(layer), widths, human(counts[index]).strip())
        alike.setdefault(row, []).append(index)
    for cells, indices in alike.items():
        yield numbered(indices), str(len(indices)), *cells


def _mixer(layer: LayerPlan) -> tuple[str, str, str]:
    """What a token sees in a layer, and with how many heads of which width."""
    if not isinstance(layer, AttendingLayer):
        return f"convolution of {kernel_of(layer)}", "", ""
    heads = f"{layer.heads}" + (f" / {layer.kv_heads}" if layer.kv_heads < layer.heads else "")
    return layer.mask, heads, f"{layer.head_dim}"


def _widths(network: TransformerNetwork, layer: LayerPlan) -> str:
    """The width of an MLP, or how many experts of which width a token meets."""
    block = network.block_of(layer)
    if block.mlp.experts is None:
        return f"{layer.d_ff:,}"
    number = layer.numbers
    shared = f" + {number['shared_d_ff']:,}" if block.mlp.shared else ""
    return f"{number['active_experts']} of {number['experts']} x {number['expert_d_ff']:,}{shared}"


def _mixer_rows(plan: Plan, net: TransformerNetwork) -> Iterator[tuple[str, ...]]:
    """What runs the mixer of each kind of layer, and what its cache holds."""
    length = net.context_length
    for block in net.blocks:
        kinds = ", ".join(kind or "block" for kind in block.kinds)
        if not block.attentions:
            slots = {kernel_of(layer) - 1 for layer in net.layers if layer.block == block.name}
            keeps = f"the last {', '.join(map(str, sorted(slots)))} inputs"
            yield kinds, "PyTorch's convolution", "PyTorch's convolution", keeps
            continue
        function = next((a.function for a in block.attentions if a.function), None)
        layers = [layer for layer in net.attending if layer.block == block.name]
        kept = {cache_slots(layer.mask, length) for layer in layers}
        keeps = " or ".join(f"{slots:,}" for slots in sorted(kept)) + f" of {length:,} positions"
        cpu = gpu = "PyTorch's attention"
        if function:
            cpu = f"tiles of {plan.cpu_tile}, over PyTorch's attention"
            gpu = cpu
            if plan.kernels and plan.kernels.variant_of(function):
                gpu = f"Triton for {', '.join(plan.kernels.targets)}"
        yield kinds, cpu, gpu, keeps
