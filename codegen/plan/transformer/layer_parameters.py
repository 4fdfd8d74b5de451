"""The parameters of a layer: of each sublayer, between its norms."""

from __future__ import annotations

from collections.abc import Iterator

from codegen.plan.tables import Parameter, Start
from codegen.plan.transformer.adapter import AdapterPlan
from codegen.plan.transformer.block_parameters import BlockRows, altup_rows
from codegen.plan.transformer.block_plan import SublayerPlan
from codegen.plan.transformer.network import TransformerNetwork
from codegen.plan.transformer.parameter_rows import ONES, normal
from codegen.plan.transformer.sublayers import kind_of
from codegen.spec.transformer.vocabulary import TransformerModel


def layer_rows(
    network: TransformerNetwork, model: TransformerModel, index: int, residual: Start
) -> Iterator[Parameter]:
    """All of a layer; `residual` is how projections into the residual stream start."""
    layer = network.layers[index]
    plan = network.block_of(layer)
    gain = Start("constant", value=model.layer_scale or 1.0, source="layer_scale")
    at, image = f"blocks.{index}", network.image
    own = model.embedding.per_layer
    block = BlockRows(
        *(at, plan, layer, model.d_model, normal(model), residual, gain, image),
        own_width=own.dim if own else 0,
    )
    if plan.shared_norm:
        yield from block.norm("norm", plan.norm, model.d_model)
    for sublayer in plan.sublayers:
        yield from _sublayer_rows(block, sublayer)
    if plan.adapter:
        yield from _adapter_rows(block, plan.adapter)
    if network.altup and model.altup:
        yield from altup_rows(block, network.altup, model.altup.streams)
    if plan.layer_scalar:
        trained = plan.layer_scalar == "learned"
        yield block.vector("layer_scalar", (1,), "layer_scalar", ONES, trained=trained)


def _adapter_rows(block: BlockRows, plan: AdapterPlan) -> Iterator[Parameter]:
    width = int(block.layer.numbers["adapter_width"])
    if plan.own_norm:
        yield from block.norm(plan.norm, block.plan.norm, block.width)
    yield from block.reads("adapter.in_proj", width, plan.bias)
    yield from block.adds("adapter.out_proj", width, plan.bias)


def _sublayer_rows(block: BlockRows, sublayer: SublayerPlan) -> Iterator[Parameter]:
    plan, name = block.plan, sublayer.around
    if sublayer.norm_before:
        yield from block.norm(f"{name}_norm", plan.norm, block.width)
    yield from kind_of(sublayer.plan).rows(block, sublayer.plan)
    if plan.layer_scale:
        yield block.vector(f"{name}_layer_scale", (block.width,), "layer_scale", block.gain)
    if sublayer.norm_after:
        yield from block.norm(f"{name}_post_norm", plan.norm, block.width)
