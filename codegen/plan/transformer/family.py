"""The transformer family: its lowering, its warnings, its kernels."""

from __future__ import annotations

import json
from dataclasses import replace

from codegen.errors import Diagnostic
from codegen.plan.checkpoint import checkpoint_plan, with_layout
from codegen.plan.family import Family, TimedAttention
from codegen.plan.kernels.kernel import Kernel
from codegen.plan.kernels.kernel_plan import kernel_plan, kernels_of, layer_of
from codegen.plan.kernels.own_tiles import with_own_tiles
from codegen.plan.plan import Plan
from codegen.plan.tasks import task_plan
from codegen.plan.transformer.cost import training_flops, transformer_cost
from codegen.plan.transformer.describe import describe_transformer
from codegen.plan.transformer.doubtful import warn_of_doubts
from codegen.plan.transformer.empty_rows import warn_of_empty_rows
from codegen.plan.transformer.encoder_decoder import lower_encoder_decoder
from codegen.plan.transformer.finetune import (
    finetune_techniques,
    finetuned,
    with_learned,
)
from codegen.plan.transformer.lower import lower_network
from codegen.plan.transformer.network import TransformerNetwork
from codegen.plan.transformer.package import transformer_files, transformer_tests
from codegen.plan.transformer.routers import router_techniques
from codegen.plan.transformer.shown import network_of, transformer_shown
from codegen.plan.whole import whole_plan
from codegen.spec import LoadedSpec
from codegen.spec.tasks.chat import ChatData
from codegen.spec.transformer.packed import packed
from codegen.spec.transformer.vocabulary import TransformerSpec


def lower_transformer(loaded: LoadedSpec) -> Plan:
    """The plan of a transformer; SpecError where the numbers don't fit."""
    spec = loaded.spec
    assert isinstance(spec, TransformerSpec), spec
    network = _network(spec)
    checkpoint = None
    if spec.checkpoint.huggingface:
        where = loaded.tree.position(("checkpoint", "huggingface"))
        checkpoint = checkpoint_plan(spec.checkpoint, network.parameters, network.blocks, where)
        network = replace(network, parameters=with_layout(network.parameters, checkpoint))
        said = spec.model_dump(mode="json", exclude_unset=True)
        checkpoint = replace(checkpoint, said=json.dumps(said))
    network = finetuned(network, loaded)
    quantized = spec.train.quantize is not None
    kernels = with_own_tiles(kernel_plan(network, spec.target, quantized=quantized), loaded)
    if kernels and kernels.operations:
        network = replace(network, operations=kernels.operation_names)
    own = getattr(spec.data, "context_length", None)  # of tasks of text
    flops = training_flops(network, spec.model, own or network.context_length)
    return whole_plan(
        loaded,
        network,
        with_learned(task_plan(spec, network, flops), network),
        describe_transformer(spec.name, network),
        transformer_cost(network, spec.model),
        transformer_files(network, kernels),
        transformer_tests(network, kernels),
        kernels,
        checkpoint,
        (*router_techniques(network), *finetune_techniques(network, named=checkpoint is not None)),
    )


def _network(spec: TransformerSpec) -> TransformerNetwork:
    if spec.task == "seq2seq-lm":
        network = lower_encoder_decoder(spec)
    else:
        packs = isinstance(spec.data, ChatData) and spec.data.packing
        network = lower_network(packed(spec.model) if packs else spec.model, spec.task)
        said = spec.train.quantize
        rounded = said is not None and said.cache == "int8"
        network = replace(network, packed=packs, rounded_cache=rounded)
    return recomputed(network) if spec.train.gradient_checkpointing else network


def recomputed(network: TransformerNetwork) -> TransformerNetwork:
    """The network, of whose blocks gradients make the activations again."""
    encoder = network.encoder and replace(network.encoder, recomputed=True)
    return replace(network, encoder=encoder, recomputed=True)


def compiled(plan: Plan) -> tuple[Kernel, ...]:
    """Every kernel as it is compiled for the model's own sizes."""
    return kernels_of(network_of(plan), plan.kernels) if plan.kernels else ()


def timed(plan: Plan, name: str) -> TimedAttention:
    """The sizes of the first layer whose attention is that function."""
    network = network_of(plan)
    layer = layer_of(network, name)
    heads = layer.heads, layer.kv_heads, layer.head_dim
    return TimedAttention(*heads, network.context_length, layer.mask_numbers)


def _warnings(loaded: LoadedSpec) -> tuple[Diagnostic, ...]:
    """Of masks under which some query sees nothing, and of combinations that are seldom meant."""
    return (*warn_of_empty_rows(loaded), *warn_of_doubts(loaded))


FAMILY = Family(
    lower=lower_transformer,
    shown=transformer_shown,
    warnings=_warnings,
    kernels=compiled,
    timed=timed,
)
