"""What `tgen plan` shows."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from codegen.plan import Plan
    from codegen.plan.transformer.parts import LayerPlan


def plan_json(plan: Plan) -> None:
    """The whole plan; its version is inside."""
    click.echo(json.dumps(asdict(plan), indent=2))


def plan_text(plan: Plan) -> None:
    """Two tables: layers, and what everything costs."""
    from rich.table import Table

    from codegen.plan.units import human_bytes, human_flops
    from codegen.report.console import table_console

    console = table_console(110)
    console.print(plan.description.title, style="bold")
    console.print("; ".join(plan.description.notable))
    layers = Table(title="layers", title_justify="left")
    for column in ("layer", "kind", "mask", "heads", "head dim", "d_ff", "parameters"):
        layers.add_column(column, justify="left" if column in ("kind", "mask") else "right")
    for row in _layer_rows(plan):
        layers.add_row(*row)
    console.print(layers)
    backends = Table(title="attention", title_justify="left")
    for column in ("kind", "on a CPU", "on a GPU", "decoding keeps"):
        backends.add_column(column)
    for row in _attention_rows(plan):
        backends.add_row(*row)
    console.print(backends)
    shapes = Table(title="parameters", title_justify="left")
    for column in ("name", "shape", "count", "starts", "optimizer group"):
        shapes.add_column(column, justify="right" if column == "count" else "left")
    for row in _parameter_rows(plan):
        shapes.add_row(*row)
    console.print(shapes)
    cost, each = plan.cost, "an image" if plan.model.image else "a token"
    costs = Table(title="cost", title_justify="left", show_header=False)
    for label, value in (
        ("parameters", f"{cost.parameters:,}"),
        *_active_rows(plan),
        (f"FLOPs {each}, forward", human_flops(cost.flops_forward)),
        (f"FLOPs {each}, training", human_flops(cost.flops_train)),
        ("weights, float32", human_bytes(cost.weight_bytes)),
        ("weights, bfloat16", human_bytes(cost.weight_bytes_bf16)),
        *_cache_rows(plan),
        ("training state, float32, no activations", human_bytes(cost.training_bytes)),
    ):
        costs.add_row(label, value)
    console.print(costs)


def _cache_rows(plan: Plan) -> Iterator[tuple[str, str]]:
    """What decoding keeps, of a model that decodes."""
    from codegen.plan.units import human_bytes

    if plan.cost.kv_cache_bytes:
        label = f"KV cache of {plan.model.context_length:,} tokens, bfloat16"
        yield label, human_bytes(plan.cost.kv_cache_bytes)


def _active_rows(plan: Plan) -> Iterator[tuple[str, str]]:
    """Where there are experts, what one token meets."""
    if plan.model.experts:
        yield "parameters a token meets", f"{plan.cost.active_parameters:,}"


def _layer_rows(plan: Plan) -> Iterator[tuple[str, ...]]:
    """Neighbouring layers that are alike share a row."""
    layers, parameters = plan.model.layers, plan.model.parameters
    start = 0
    for index, layer in enumerate(layers):
        if index + 1 < len(layers) and layers[index + 1] == layer:
            continue
        prefix = f"blocks.{index}."
        count = sum(p.count for p in parameters if p.name.startswith(prefix))
        span = str(start) if start == index else f"{start}-{index}"
        heads = f"{layer.heads}" + (f" / {layer.kv_heads}" if layer.kv_heads < layer.heads else "")
        number = (f"{layer.head_dim}", _widths(plan, layer), f"{count:,}")
        yield (span, layer.kind or "block", layer.mask, heads, *number)
        start = index + 1


def _widths(plan: Plan, layer: LayerPlan) -> str:
    """The width of an MLP, or how many experts of which width a token meets."""
    block = plan.model.block_of(layer)
    if block.mlp.experts is None:
        return f"{layer.d_ff:,}"
    number = layer.numbers
    shared = f" + {number['shared_d_ff']:,}" if block.mlp.shared else ""
    return f"{number['active_experts']} of {number['experts']} x {number['expert_d_ff']:,}{shared}"


def _attention_rows(plan: Plan) -> Iterator[tuple[str, ...]]:
    """What runs the attention of each kind of layer, and what its cache holds."""
    from codegen.plan.transformer.attention_cost import cache_slots

    net, length = plan.model, plan.model.context_length
    for block in net.blocks:
        function = next((a.function for a in block.attentions if a.function), None)
        layers = [layer for layer in net.layers if layer.block == block.class_name]
        kept = {cache_slots(layer.mask, length) for layer in layers}
        keeps = ", ".join(f"{slots:,}" for slots in sorted(kept)) + f" of {length:,} positions"
        cpu = gpu = "PyTorch's attention"
        if function:
            cpu = f"tiles of {plan.cpu_tile}, over PyTorch's attention"
            gpu = cpu
            if plan.kernels:
                gpu = f"Triton for {', '.join(plan.kernels.targets)}"
        yield ", ".join(kind or "block" for kind in block.kinds), cpu, gpu, keeps


def _parameter_rows(plan: Plan) -> Iterator[tuple[str, ...]]:
    """One row a parameter of the first layer of each class; other layers repeat them."""
    shown = {b.class_name: i for i, b in reversed(list(enumerate(_layer_classes(plan))))}
    for parameter in plan.model.parameters:
        if parameter.name.startswith("blocks."):
            index = int(parameter.name.split(".")[1])
            if index not in shown.values():
                continue
        init = parameter.init
        starts = f"N(0, {init.std:.3g}^2)" if init.kind == "normal" else init.kind
        shape = " x ".join(f"{n:,}" for n in parameter.shape)
        yield parameter.name, shape, f"{parameter.count:,}", starts, parameter.group


def _layer_classes(plan: Plan) -> list[Any]:
    by_name = {block.class_name: block for block in plan.model.blocks}
    return [by_name[layer.block] for layer in plan.model.layers]
