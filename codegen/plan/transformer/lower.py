"""Spec -> Plan for the transformer family: layers, classes, config fields."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from codegen.plan.loss_chunk import loss_chunk
from codegen.plan.reads import Growing, LayerCount, Read
from codegen.plan.tables import InitPlan, Number
from codegen.plan.transformer.block_plan import BlockPlan
from codegen.plan.transformer.blocks import block_plans
from codegen.plan.transformer.ends import Ends
from codegen.plan.transformer.image import image_plan
from codegen.plan.transformer.init_rules import init_plan
from codegen.plan.transformer.layer_numbers.config_fields import (
    LayerNumbers,
    config_fields,
    dropout_read,
    kv_sources,
)
from codegen.plan.transformer.layer_plan import AttendingLayer, LatentSizes, LayerPlan
from codegen.plan.transformer.network import TransformerNetwork
from codegen.plan.transformer.parameters import parameter_table
from codegen.plan.transformer.parts import TemperaturePlan
from codegen.plan.transformer.pooling import contrast_fields, pooled_fields, pooling_plan
from codegen.plan.transformer.rope import rope_plans
from codegen.spec.tasks.decoders import DECODERS
from codegen.spec.transformer.latent import Latent
from codegen.spec.transformer.resolve import layer_kinds, resolve_block
from codegen.spec.transformer.vocabulary import Block, TransformerModel


def lower_network(model: TransformerModel, task: str) -> TransformerNetwork:
    """The network of a model with one stack of layers; every number resolved."""
    network = lower_sizes(model, task)
    network = replace(network, parameters=parameter_table(network, model))
    pooled = network.pooling is not None
    return replace(network, init=init_plan(network.parameters, model, pooled=pooled))


def lower_sizes(model: TransformerModel, task: str) -> TransformerNetwork:
    """The network without its parameter table, which most of the work goes into."""
    kinds = layer_kinds(model)
    blocks = {kind: resolve_block(model, kind) for kind in dict.fromkeys(kinds)}
    numbers = LayerNumbers(model, kinds, blocks)
    plans = block_plans(model, blocks, numbers, decodes=task in DECODERS)
    of_kind = {kind: plan.name for plan in plans for kind in plan.kinds}
    layers = tuple(
        _layer(
            kind or "",
            of_kind[kind or ""],
            blocks[kind],
            values,
            tuple(n.name for n in numbers.mask_numbers[kind]),
            source,
        )
        for kind, values, source in zip(kinds, numbers.true, kv_sources(kinds, blocks), strict=True)
    )
    layer_count = LayerCount(Read("layers"), kinds=len(plans) > 1)
    ends = Ends(model, numbers, layer_count)
    image = image_plan(model, model.image, task) if model.image else None
    pooling = pooling_plan(model, task)
    of_ends = [*(pooled_fields(model, pooling) if pooling else ()), *ends.fields()]
    if image and not image.classes:
        of_ends += contrast_fields(model)
    return TransformerNetwork(
        task=task,
        class_name="Model",
        context_length=image.tokens if image else model.context_length,
        fields=config_fields(
            model, numbers, image, ends.norm_fields(), of_ends, one_kind=len(plans) == 1
        ),
        blocks=plans,
        layers=layers,
        order=tuple(model.order or ()),
        norm=ends.final_norm,
        ropes=rope_plans(model, numbers.attending),
        temperature=temperature_plan(numbers.attending),
        image=image,
        pooling=pooling,
        drop_path=_drop_path(model, layer_count),
        embedding=ends.embedding(),
        head=ends.head(),
        aux_loss=any(b.mlp.experts and b.mlp.experts.aux_loss for b in blocks.values()),
        router_z_loss=any(b.mlp.experts and b.mlp.experts.z_loss for b in blocks.values()),
        loss_chunk=loss_chunk(model.vocab_size),
        dropout=dropout_read(model, "embedding"),
        init=InitPlan(),
        layer_count=layer_count,
        inputs=("lengths",) if pooling else _inputs(plans),
        parameters=(),
        altup=ends.altup(),
    )


def temperature_plan(blocks: Mapping[str | None, Block]) -> TemperaturePlan | None:
    """The factor of queries, which all layers that have it share."""
    found = [b.attention.temperature for b in blocks.values() if b.attention.temperature]
    return TemperaturePlan(found[0].kind, found[0].offset) if found else None


def _drop_path(model: TransformerModel, layers: LayerCount) -> Read | Growing | None:
    """How often a layer's branches are skipped."""
    if model.drop_path is None or not model.drop_path.rate:
        return None
    rate = Read("drop_path")
    return Growing(rate, layers) if model.drop_path.growing else rate


def _layer(
    kind: str,
    class_name: str,
    block: Block,
    numbers: Mapping[str, Number],
    of_mask: tuple[str, ...],
    kv_source: int,
) -> LayerPlan:
    if block.mixer != "attention":
        return LayerPlan(kind, class_name, int(numbers["d_ff"]), dict(numbers))
    latent = block.attention.latent
    return AttendingLayer(
        kind=kind,
        block=class_name,
        d_ff=int(numbers["d_ff"]),
        numbers=dict(numbers),
        mask=block.attention.mask,
        heads=int(numbers["heads"]),
        kv_heads=int(numbers["kv_heads"]),
        head_dim=latent.head_dim if latent else int(numbers["head_dim"]),
        value_dim=latent.value_dim if latent else _value_dim(block, numbers),
        latent=_latent_sizes(latent),
        differential=block.attention.differential,
        kv_source=kv_source,
        rope_theta=numbers["rope_theta"] if block.attention.rope else None,
        relative_buckets=int(numbers["relative_buckets"]) if block.attention.relative_bias else 0,
        mask_numbers=tuple((name, int(numbers[name])) for name in of_mask),
    )


def _value_dim(block: Block, numbers: Mapping[str, Number]) -> int:
    return int(numbers["value_dim" if block.attention.value_dim else "head_dim"])


def _latent_sizes(latent: Latent | None) -> LatentSizes | None:
    if latent is None:
        return None
    return LatentSizes(latent.q_rank or 0, latent.kv_rank, latent.nope_dim, latent.rope_dim)


def _inputs(plans: tuple[BlockPlan, ...]) -> tuple[str, ...]:
    """What callers say of each row, as the masks need it; documents are said by their ids.

    Always in the order of MaskInputs, whichever layer reads what first.
    """
    attentions = [attention for plan in plans for attention in plan.attentions]
    read = {name for attention in attentions for name in attention.mask_inputs}
    if any(attention.padded for attention in attentions):
        read.add("lengths")
    documents = ("document_ids",) if read & {"document_starts", "document_ends"} else ()
    return (*documents, *(name for name in ("prefix_lengths", "lengths") if name in read))
