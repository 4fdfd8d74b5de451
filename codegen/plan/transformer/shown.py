"""What `tgen plan` shows of a transformer: layers, what runs their mixers, parameters."""

from __future__ import annotations

from collections.abc import Iterator

from codegen.plan.plan import Plan
from codegen.plan.shown import ShownTable, parameters_shown
from codegen.plan.tables import Parameter
from codegen.plan.transformer.attention_cost import cache_slots
from codegen.plan.transformer.layer_plan import AttendingLayer, LayerPlan
from codegen.plan.transformer.network import TransformerNetwork
from codegen.plan.transformer.short_conv import kernel_of


def network_of(plan: Plan) -> TransformerNetwork:
    """The network of a plan of this family."""
    assert isinstance(plan.model, TransformerNetwork), plan.family
    return plan.model


def transformer_shown(plan: Plan) -> tuple[ShownTable, ...]:
    """Its tables, in the order in which they are read."""
    network = network_of(plan)
    columns = ("layer", "kind", "mask", "heads", "head dim", "d_ff", "parameters")
    layers = ShownTable("layers", columns, tuple(_layer_rows(network)), ("kind", "mask"))
    places = ("kind", "on a CPU", "on a GPU", "decoding keeps")
    title = "mixers" if network.convolutions else "attention"
    mixers = ShownTable(title, places, tuple(_mixer_rows(plan, network)), places)
    return layers, mixers, parameters_shown(_distinct(network))


def _layer_rows(network: TransformerNetwork) -> Iterator[tuple[str, ...]]:
    """Neighbouring layers that are alike share a row."""
    layers, parameters = network.layers, network.parameters
    start = 0
    for index, layer in enumerate(layers):
        if index + 1 < len(layers) and layers[index + 1] == layer:
            continue
        prefix = f"blocks.{index}."
        count = sum(p.count for p in parameters if p.name.startswith(prefix))
        span = str(start) if start == index else f"{start}-{index}"
        mixer = _mixer(layer)
        yield (span, layer.kind or "block", *mixer, _widths(network, layer), f"{count:,}")
        start = index + 1


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
        keeps = ", ".join(f"{slots:,}" for slots in sorted(kept)) + f" of {length:,} positions"
        cpu = gpu = "PyTorch's attention"
        if function:
            cpu = f"tiles of {plan.cpu_tile}, over PyTorch's attention"
            gpu = cpu
            if plan.kernels:
                gpu = f"Triton for {', '.join(plan.kernels.targets)}"
        yield kinds, cpu, gpu, keeps


def _distinct(network: TransformerNetwork) -> Iterator[Parameter]:
    """The parameters of the first layer of each class; other layers repeat them."""
    first: dict[str, int] = {}
    for index, layer in enumerate(network.layers):
        first.setdefault(layer.block, index)
    for parameter in network.parameters:
        stack, _, place = parameter.name.partition(".")
        if stack != "blocks" or int(place.partition(".")[0]) in first.values():
            yield parameter
