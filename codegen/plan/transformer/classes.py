"""What model.py is made of: its imports, and its definitions in the order of reading."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from codegen.frozen import frozen
from codegen.plan.tables import ImportPlan
from codegen.plan.transformer.adapter import AdapterPlan
from codegen.plan.transformer.block_plan import BlockPlan, Mixer
from codegen.plan.transformer.parts import AltUpPlan, RopePlan
from codegen.spec.tasks.decoders import DECODERS

if TYPE_CHECKING:
    from codegen.plan.transformer.network import TransformerNetwork

MODELS = {
    **dict.fromkeys(DECODERS, "transformer/transformer.py.jinja"),
    "masked-lm": "transformer/encoder.py.jinja",
    "seq2seq-lm": "transformer/encoder_decoder.py.jinja",
    "image-classification": "transformer/vision.py.jinja",
    "sequence-classification": "transformer/pooled.py.jinja",
    "tagging": "transformer/pooled.py.jinja",
    "image-embedding": "transformer/vision.py.jinja",
    "embedding": "transformer/pooled.py.jinja",
}


@frozen
class ClassPlan:
    """A class or function of model.py: its template, and the part of the plan that this prints.

    `network` is the stack that it belongs to.
    """

    name: str
    template: str
    network: TransformerNetwork
    plan: Mixer | AdapterPlan | BlockPlan | RopePlan | AltUpPlan | None = None


def imports_of(network: TransformerNetwork) -> tuple[ImportPlan, ...]:
    """What model.py takes from elsewhere, beside what all do."""
    found = []
    if network.chunked_loss or network.recomputed:
        found.append(ImportPlan("torch.utils.checkpoint", ("checkpoint",)))
    if network.recomputed:
        found.append(ImportPlan("typing", ("Any",)))
        found.append(ImportPlan("collections.abc", ("Iterator",)))
        found.append(ImportPlan("functools", ("partial",)))
        managers = ("AbstractContextManager", "contextmanager", "nullcontext")
        found.append(ImportPlan("contextlib", managers))
    if any(mlp.sparse for mlp in network.all_mlps):
        found.append(ImportPlan("statistics", ("NormalDist",)))
    if any(block.given for stack in network.stacks for block in stack.blocks):
        found.append(ImportPlan("collections.abc", ("Callable",)))
    if network.functions:
        kinds = ("attention", "cached_attention", "visible")
        names = [f.prefix + kind for f in network.functions for kind in kinds]
        more = ("alibi_slopes", "MaskInputs", "document_bounds")
        found.append(ImportPlan(".attention", (*names, *more)))
    if network.finetune:
        found.append(ImportPlan("collections.abc", ("Collection", "Iterable")))
        found.append(ImportPlan("fnmatch", ("fnmatchcase",)))
    if network.operations:
        found.append(ImportPlan(".ops", network.operations))
    return tuple(found)


def classes_of(network: TransformerNetwork) -> Iterator[ClassPlan]:
    """From small functions over the sublayers to the model."""
    yield ClassPlan("names", "transformer/names.py.jinja", network)
    yield ClassPlan("Config", "package/config.py.jinja", network)
    yield from _functions(network)
    yield from _finetuned(network)
    encoder = network.encoder
    if network.recomputed:
        yield ClassPlan("recomputed", "transformer/recomputed.py.jinja", network)
    if encoder:
        yield from _routing(network)
        yield from _mixers(encoder)
        yield from _mlps(encoder)
        yield from _blocks(encoder)
        yield ClassPlan("Encoder", "transformer/stacks/encoder.py.jinja", encoder)
    yield from _mixers(network)
    if not encoder:
        yield from _routing(network)
    of_encoder = {mlp.class_name for mlp in encoder.mlps} if encoder else set()
    yield from (row for row in _mlps(network) if row.name not in of_encoder)
    for branch in network.low_ranks:
        yield ClassPlan(branch.class_name, branch.template, network, branch)
    if altup := network.altup:
        yield ClassPlan("as_large", "transformer/altup/as_large.py.jinja", network)
        yield ClassPlan("AltUp", "transformer/altup/altup.py.jinja", network, altup)
    if gate := network.layer_gate:
        yield ClassPlan(gate.class_name, gate.template, network, gate)
    if network.drop_path or (encoder and encoder.drop_path):
        yield ClassPlan("DropPath", "transformer/drop_path.py.jinja", network)
    if network.cross:
        attention = network.cross.attention
        yield ClassPlan(attention.class_name, attention.template, network, attention)
    yield from _blocks(network)
    yield from _ends(network)


def _finetuned(network: TransformerNetwork) -> Iterator[ClassPlan]:
    """What is added to projections, and which parameters are trained."""
    if plan := network.finetune:
        folder = "techniques/finetune"
        if plan.low_rank:
            yield ClassPlan(plan.class_name, f"{folder}/linear.py.jinja", network)
        yield ClassPlan("is_trained", f"{folder}/is_trained.py.jinja", network)


def _functions(network: TransformerNetwork) -> Iterator[ClassPlan]:
    """Small things that several classes read."""
    yield ClassPlan("check", "package/check.py.jinja", network)
    for rope in network.ropes:
        yield ClassPlan(rope.name, "transformer/rope/angles.py.jinja", network, rope)
    if len(network.ropes) > 1:
        yield ClassPlan("ROPES", "transformer/rope/table.py.jinja", network)
    if network.ropes:
        yield ClassPlan("rotate", "transformer/rope/rotate.py.jinja", network)
    if network.temperature:
        yield ClassPlan("temperature", "transformer/temperature.py.jinja", network)
    for name in ("quick_gelu", "laplace", "xielu"):
        if name in network.activations:
            yield ClassPlan(name, f"transformer/activations/{name}.py.jinja", network)
    yield from _norms(network)
    if any(block.depth_scaled for stack in network.stacks for block in stack.blocks):
        yield ClassPlan("add_scaled", "transformer/add_scaled.py.jinja", network)
    if network.grid_bias:
        yield ClassPlan("GridBias", "transformer/grid_bias.py.jinja", network)
    if any(stack.embedding.positions == "sinusoidal" for stack in network.stacks):
        yield ClassPlan("sinusoids", "transformer/sinusoids.py.jinja", network)


def _norms(network: TransformerNetwork) -> Iterator[ClassPlan]:
    """Those that PyTorch has no module for."""
    templates = {"rms": "CenteredRMSNorm", "layer": "CenteredLayerNorm"}
    for kind in dict.fromkeys(norm.kind for norm in network.norms if norm.zero_centered):
        name = f"transformer/norms/centered_{kind}_norm.py.jinja"
        yield ClassPlan(templates[kind], name, network)
    found: set[str] = set()
    for attention in network.all_attentions:
        norm = attention.qk_norm
        if norm and attention.qk_norm_over == "each_head" and norm.kind not in found:
            found.add(norm.kind)
            yield ClassPlan("HeadNorm", "transformer/norms/head_norm.py.jinja", network, attention)


def _mixers(network: TransformerNetwork) -> Iterator[ClassPlan]:
    """What mixes the positions of its own sequence."""
    if any(attention.differential for attention in network.attentions):
        yield ClassPlan("paired", "transformer/attention/paired.py.jinja", network)
    for mixer in network.mixers:
        yield ClassPlan(mixer.class_name, mixer.template, network, mixer)


def _routing(network: TransformerNetwork) -> Iterator[ClassPlan]:
    """What all mixtures of experts share."""
    if network.routed:
        yield ClassPlan("grouped_linear", "transformer/routing.py.jinja", network)


def _mlps(network: TransformerNetwork) -> Iterator[ClassPlan]:
    for mlp in network.mlps:
        yield ClassPlan(mlp.class_name, mlp.template, network, mlp)
    for adapter in network.adapters:
        template = "transformer/adapter.py.jinja"
        yield ClassPlan(adapter.class_name, template, network, adapter)


def _blocks(network: TransformerNetwork) -> Iterator[ClassPlan]:
    for block in {block.class_name: block for block in network.blocks}.values():
        yield ClassPlan(block.class_name, "transformer/block.py.jinja", network, block)


def _ends(network: TransformerNetwork) -> Iterator[ClassPlan]:
    """What stands around the blocks."""
    if network.decodes:
        for state in network.states:
            yield ClassPlan(state.name, state.template, network)
        yield ClassPlan("Cache", "transformer/cache/cache.py.jinja", network)
    if network.chunked_loss:
        yield ClassPlan("chunked_loss", "transformer/chunked_loss.py.jinja", network)
    if network.image and network.image.pooling == "attention":
        yield ClassPlan("AttentionPool", "transformer/attention_pool.py.jinja", network)
    if network.encoder:
        yield ClassPlan("Decoder", "transformer/stacks/decoder.py.jinja", network)
    yield ClassPlan(network.class_name, MODELS[network.task], network)
