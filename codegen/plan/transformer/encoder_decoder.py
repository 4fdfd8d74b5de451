"""Spec -> Plan for encoder-decoders: two networks lowered alone, then joined to one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TypeVar

from codegen.plan.reads import reads_of, with_reads
from codegen.plan.tables import ConfigField, Parameter
from codegen.plan.transformer.attention import attention_plan
from codegen.plan.transformer.attention_plan import AttentionPlan, CrossAttentionPlan
from codegen.plan.transformer.block_plan import BlockPlan, Mixer
from codegen.plan.transformer.blocks import with_sublayer
from codegen.plan.transformer.init_rules import init_plan
from codegen.plan.transformer.layer_numbers.config_fields import LayerNumbers, config_fields
from codegen.plan.transformer.lower import lower_network, lower_sizes
from codegen.plan.transformer.network import TransformerNetwork
from codegen.plan.transformer.one_mlp import with_one_mlp
from codegen.plan.transformer.parameters import parameter_table
from codegen.plan.transformer.parts import MlpPlan
from codegen.spec.tasks.seq2seq_lm import PairData
from codegen.spec.transformer.stacks import cross_attention_block, encoder_model
from codegen.spec.transformer.vocabulary import TransformerModel, TransformerSpec

Fields = tuple[ConfigField, ...]
Part = TypeVar("Part")

OF_ROUTERS = ("aux_loss", "router_z_loss", "correction_rate")  # fields that all of them share
OF_BOTH = ("token_embedding", "embedding_proj", "head")  # how parameters of no stack begin


def lower_encoder_decoder(spec: TransformerSpec) -> TransformerNetwork:
    """The decoder's network with its encoder in it; names tell apart what the two have."""
    model = spec.model
    decoder = lower_network(model, "causal-lm")
    encoder = lower_network(encoder_model(model), "masked-lm")
    cross, cross_fields = _cross_attention(model, decoder)
    blocks = tuple(
        with_sublayer(block, "cross_attention", cross, before="mlp") for block in decoder.blocks
    )
    decoder = replace(decoder, blocks=blocks)
    decoder = replace(decoder, parameters=parameter_table(decoder, model))
    own_fields, names = _fields_of_encoder(spec, encoder, decoder)
    own = not model.encoder.shared_embedding
    encoder = replace(_renamed(encoder, names), renamed_fields=names, own_embedding=own)
    same_mlps = set(map(repr, encoder.mlps)) == set(map(repr, decoder.mlps))
    apart = bool(encoder.functions and decoder.functions)
    encoder = _with_classes(encoder, "Encoder", same_mlps, "encoder_")
    decoder_ = _with_classes(decoder, "Decoder", same_mlps, "decoder_" if apart else "")
    made = with_one_mlp((*encoder.blocks, *decoder_.blocks))
    count = len(encoder.blocks)
    network = replace(
        decoder_,
        task="seq2seq-lm",
        blocks=made[count:],
        stack="decoder",
        fields=_joined(decoder.fields, (*cross_fields, *own_fields)),
        encoder=replace(encoder, stack="encoder", blocks=made[:count]),
        aux_loss=decoder.aux_loss or encoder.aux_loss,
        router_z_loss=decoder.router_z_loss or encoder.router_z_loss,
        parameters=tuple(_parameters(encoder, decoder)),
    )
    return replace(network, init=init_plan(network.parameters, model))


def fields_of_stacks(spec: TransformerSpec) -> Fields:
    """The fields of its Config, without the tables of parameters, which take the longest."""
    decoder = lower_sizes(spec.model, "causal-lm")
    encoder = lower_sizes(encoder_model(spec.model), "masked-lm")
    _, cross_fields = _cross_attention(spec.model, decoder)
    own_fields, _ = _fields_of_encoder(spec, encoder, decoder)
    return _joined(decoder.fields, (*cross_fields, *own_fields))


def _fields_of_encoder(
    spec: TransformerSpec, encoder: TransformerNetwork, decoder: TransformerNetwork
) -> tuple[Fields, dict[str, str]]:
    """Those that the decoder doesn't have just so, and the names that they have in one Config."""
    tokenizer = isinstance(spec.data, PairData) and spec.data.source_tokenizer
    of_each = ("layers", "vocab_size") if tokenizer else ("layers",)
    return _told_apart(encoder.fields, decoder.fields, "encoder_", of_each)


def _cross_attention(
    model: TransformerModel, decoder: TransformerNetwork
) -> tuple[CrossAttentionPlan, Fields]:
    """The class that looks at the source, and the fields that the decoder lacks for it."""
    block = cross_attention_block(model)
    numbers = LayerNumbers(model, (None,), {None: block})
    plan = attention_plan(model, None, block, numbers, decodes=False, cross=True)
    read = {one.field for one in reads_of(plan)}
    of_it = tuple(f for f in config_fields(model, numbers, one_kind=True) if f.name in read)
    own, names = _told_apart(of_it, decoder.fields, "cross_", ("layers",))
    plan = replace(_renamed(plan, names), class_name="CrossAttention")
    return CrossAttentionPlan(plan, dict(numbers.true[0])), own


def _told_apart(
    own: Fields, others: Fields, prefix: str, apart: tuple[str, ...]
) -> tuple[Fields, dict[str, str]]:
    """The fields that the others don't have just so, under names of their own, and these names.

    Each stack has those that are kept `apart`, even where they are alike.
    """
    same = {(f.name, f.value, f.tiny) for f in others if f.name not in apart}
    differing = [f for f in own if (f.name, f.value, f.tiny) not in same]
    names = {f.name: f.name if f.name in OF_ROUTERS else prefix + f.name for f in differing}
    return tuple(replace(f, name=names[f.name]) for f in differing), names


def _joined(decoder: Fields, more: Fields) -> Fields:
    """Each field of another stack behind the decoder's of that name, or where those end."""
    joined: list[ConfigField] = []
    for field in decoder:
        joined += [field, *(m for m in more if m.name.partition("_")[2] == field.name)]
    left = tuple(m for m in more if m not in joined)
    at = next(
        (i for i, f in enumerate(joined) if f.name.endswith("dropout") or f.name == "init_std"),
        len(joined),
    )
    return (*joined[:at], *left, *joined[at:])


def _renamed(part: Part, names: dict[str, str]) -> Part:
    """A part of a plan that reads fields of these names under their new ones."""
    return with_reads(part, lambda read: replace(read, field=names.get(read.field, read.field)))


def _with_classes(
    network: TransformerNetwork, stack: str, same_mlps: bool, functions: str
) -> TransformerNetwork:
    """The stack with its name before those of its classes and of its attention functions."""

    def renamed(block: BlockPlan) -> BlockPlan:
        plans: dict[str, Mixer] = {}
        for sublayer in block.sublayers:
            plan = sublayer.plan
            if isinstance(plan, AttentionPlan):
                function = plan.function
                function = function and replace(function, prefix=functions + function.prefix)
                plan = replace(plan, class_name=stack + plan.class_name, function=function)
            elif isinstance(plan, MlpPlan) and not same_mlps:
                name = stack + plan.class_name
                plan = plan.named(name) if plan.experts else replace(plan, class_name=name)
            plans[sublayer.name] = plan
        return replace(
            block.with_plans(plans),
            name=stack + block.name,
            class_name=stack + block.class_name,
        )

    layers = tuple(replace(layer, block=stack + layer.block) for layer in network.layers)
    return replace(network, blocks=tuple(map(renamed, network.blocks)), layers=layers)


def _parameters(encoder: TransformerNetwork, decoder: TransformerNetwork) -> Iterator[Parameter]:
    """The whole table: what both stacks share first, then each stack, then the head."""
    residual = next(p.init for p in decoder.parameters if p.role == "o_proj")
    of_both = [p for p in decoder.parameters if p.name.startswith(OF_BOTH)]
    yield from (p for p in of_both if not p.name.startswith("head"))
    for stack, network in (("encoder", encoder), ("decoder", decoder)):
        for row in network.parameters:
            if row.role in ("o_proj", "down_proj"):
                row = replace(row, init=residual)
            own = network.own_embedding and not row.name.startswith("head")
            if own or not row.name.startswith(OF_BOTH):
                yield replace(row, name=f"{stack}.{row.name}")
    yield from (p for p in of_both if p.name.startswith("head"))
