"""Which Triton kernels a package has, for which GPUs, and with which tiles they are launched."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import field, replace
from typing import Any

from codegen.frozen import frozen
from codegen.plan.kernels.attention_kernels import attention_kernels
from codegen.plan.kernels.attention_variant import AttentionVariant, pieces
from codegen.plan.kernels.kernel import Kernel
from codegen.plan.kernels.quantized_kernels import QuantizedKernel, quantized_kernels
from codegen.plan.kernels.row_kernels import (
    GLU_NAMES,
    GluKernel,
    LossKernel,
    NormKernel,
    RopeKernel,
    glu_kernels,
    loss_kernels,
    norm_kernels,
    rope_kernels,
)
from codegen.plan.kernels.tiles import SPLIT, Chosen, Tiles, default_tiles
from codegen.plan.targets import HALVES, known_targets, read_target
from codegen.plan.transformer.attention_function import AttentionFunction
from codegen.plan.transformer.attention_plan import AttentionPlan
from codegen.plan.transformer.block_plan import BlockPlan
from codegen.plan.transformer.layer_plan import AttendingLayer
from codegen.plan.transformer.network import TransformerNetwork
from codegen.plan.transformer.parts import MlpPlan
from codegen.spec.head import Target

LOSS_BUDGET = 2**28  # bytes of float32 logits at one time
COLLAPSED = (16, 32, 64, 128)  # sizes of blocks that are a tile of their own


@frozen
class KernelPlan:
    """The kernels of a package. `tiles` has those of each attention variant by its name."""

    targets: tuple[str, ...]
    attentions: tuple[AttentionVariant, ...] = ()
    norms: tuple[NormKernel, ...] = ()
    ropes: tuple[RopeKernel, ...] = ()
    glus: tuple[GluKernel, ...] = ()
    loss: LossKernel | None = None
    quantized: tuple[QuantizedKernel, ...] = ()
    tiles: Mapping[str, Tiles] = field(default_factory=dict)

    @property
    def cuda_archs(self) -> tuple[int, ...]:
        """The NVIDIA GPUs among the targets, as CUDA counts them: 90 for sm_90."""
        facts = map(read_target, self.targets)
        return tuple(int(one.arch) for one in facts if one.backend == "cuda")

    @property
    def callers(self) -> tuple[str, ...]:
        """The files that choose between kernels and plain PyTorch."""
        operations = ("ops.py",) if self.operations else ()
        return ("attention.py", *operations) if self.attentions else operations

    @property
    def uses(self) -> dict[str, Any]:
        """What the functions that all attention kernels share are needed for."""
        variants = self.attentions
        ranges = [len(r) for v in variants for r in (v.mask.keys, v.mask.queries)]
        return {
            "softcap": any(v.softcap for v in variants),
            "dropout": any(v.dropout for v in variants),
            "decode": any(v.decodes for v in variants),
            "blocks": any(v.collapsed for v in variants),
            "general": not all(v.collapsed for v in variants),
            "ranges": max(ranges, default=0),
            "apart": any("attention_dk" in self.launches(v.name) for v in variants),
        }

    def launches(self, variant: str) -> Tiles:
        """A variant's tiles as its launch table has them: dK and dV apart where they are split."""
        tiles = dict(self.tiles[variant])
        both = tiles.get("attention_dkdv", {})
        apart = {target: tile for target, tile in both.items() if dict(tile.sizes).get(SPLIT)}
        if apart:
            tiles["attention_dkdv"] = {t: tile for t, tile in both.items() if t not in apart}
            halves = {
                target: replace(tile, sizes=tuple(s for s in tile.sizes if s[0] != SPLIT))
                for target, tile in apart.items()
            }
            tiles["attention_dk"] = tiles["attention_dv"] = halves
        return tiles

    def variant_of(self, function: AttentionFunction) -> AttentionVariant | None:
        """The kernels of an attention function."""
        return next((v for v in self.attentions if function.prefix in v.functions), None)

    @property
    def widens(self) -> bool:
        """Whether kernels of a window serve layers without one."""
        return any(len(v.functions) > 1 for v in self.attentions)

    @property
    def operation_names(self) -> tuple[str, ...]:
        """What model.py may take from ops.py."""
        parts = ["Rotary"] if self.ropes else []
        parts += [part.name for part in self.norms] + [part.name for part in self.ropes]
        parts += [part.name for part in self.glus]
        return (*parts, *(["linear_cross_entropy"] if self.loss else []))

    def norm_of(self, block: BlockPlan) -> NormKernel | None:
        """The kernel that adds a block's attention to the stream and normalises the sum."""
        own = _norm_kernel(block)
        return own if own in self.norms else None

    def rope_of(self, attention: AttentionPlan) -> RopeKernel | None:
        """The kernel that normalises and turns an attention's queries and keys."""
        own = _rope_kernel(attention)
        return own if own in self.ropes else None

    def glu_of(self, mlp: MlpPlan) -> GluKernel | None:
        """The kernel of a gated MLP's activation."""
        own = _glu_kernel(mlp)
        return own if own in self.glus else None

    @property
    def operations(self) -> bool:
        """Whether some are not attention's."""
        return self.computes or bool(self.quantized)

    @property
    def computes(self) -> bool:
        """Whether some of them are the model's before its weights are quantised."""
        return bool(self.norms or self.ropes or self.glus or self.loss)


def kernel_plan(
    network: TransformerNetwork, target: Target, *, quantized: bool = False
) -> KernelPlan | None:
    """The kernels that a target is given: `auto` has those for what PyTorch lacks.

    `quantized`: the weights may become codes of 8 bits or of 4.
    """
    targets = targets_of(target)
    if target.kernels == "none" or not targets:
        return None
    attentions = tuple(_variants(network))
    plan = KernelPlan(targets, attentions)
    plan = replace(
        plan, tiles={v.name: default_tiles(v, targets, _head_dim(network, v)) for v in attentions}
    )
    if network.own_loss:
        plan = replace(plan, loss=_loss(network))
    if quantized:
        plan = replace(plan, quantized=(QuantizedKernel(8), QuantizedKernel(4)))
    if target.kernels == "all":
        plan = replace(plan, norms=_norms(network), ropes=_ropes(network), glus=_glus(network))
    return plan if plan.attentions or plan.operations else None


def targets_of(target: Target) -> tuple[str, ...]:
    """The GPUs that a spec's target may mean."""
    if target.arch:
        return (target.arch,) if target.arch in known_targets() else ()
    kinds = {"any": ("cuda", "hip"), "cpu": ()}.get(target.device, (target.device,))
    return tuple(name for name in known_targets() if read_target(name).backend in kinds)


def with_tiles(plan: KernelPlan, chosen: Chosen) -> KernelPlan:
    """The plan with tiles that the gate or a person chose, where it has such a kernel and GPU."""
    tiles = {
        name: {
            kind: {t: chosen.get(t, {}).get(name + kind, tile) for t, tile in rows.items()}
            for kind, rows in kinds.items()
        }
        for name, kinds in plan.tiles.items()
    }
    return replace(plan, tiles=tiles)


def tunable(plan: KernelPlan) -> tuple[str, ...]:
    """The kernels whose tiles can be chosen, by their names."""
    return tuple(name + kind for name, kinds in plan.tiles.items() for kind in kinds)


def kernels_of(network: TransformerNetwork, plan: KernelPlan) -> tuple[Kernel, ...]:
    """Every kernel as it is compiled for the model's own sizes."""
    return tuple(_kernels(network, plan))


def _kernels(network: TransformerNetwork, plan: KernelPlan) -> Iterator[Kernel]:
    sizes = {f.name: f.value for f in network.fields if isinstance(f.value, int | float)}
    d_model, vocab_size = int(sizes["d_model"]), int(sizes["vocab_size"])
    for v in plan.attentions:
        layer = layer_of(network, v.functions[0])
        numbers, group = dict(layer.mask_numbers), layer.heads // layer.kv_heads
        dropout = float(sizes.get("attention_dropout", sizes.get("dropout", 0.0)))
        buckets = 1 << max(0, layer.relative_buckets - 1).bit_length()
        made = attention_kernels(
            v, numbers, layer.head_dim, group, dropout=dropout, buckets=buckets
        )
        yield from (kernel for kernel in made if kernel.kind not in HALVES)
    for norm in plan.norms:
        yield from norm_kernels(norm, d_model)
    whole = [layer for layer in network.attending if not layer.latent]
    for rope in plan.ropes:
        yield from rope_kernels(rope, whole[0].heads, whole[0].kv_heads, whole[0].head_dim)
    for glu in plan.glus:
        yield from glu_kernels(glu, [*whole, *network.layers][0].d_ff)
    for product in plan.quantized:
        yield from quantized_kernels(product, d_model)
    if plan.loss:
        yield from loss_kernels(plan.loss, vocab_size)


def _variants(network: TransformerNetwork) -> Iterator[AttentionVariant]:
    """Kernels for each function; those without a window may take the kernels of one that has."""
    functions = [f for f in network.functions if not f.uneven]
    host = {
        wide.prefix: narrow
        for wide in functions
        for narrow in functions
        if _is_widened(network, wide, narrow)
    }
    for function in functions:
        if function.prefix not in host:
            wide = tuple(f for f in functions if host.get(f.prefix) == function)
            alone = len(functions) == 1 + len(wide)
            name = "" if wide and alone else function.prefix
            yield _variant(network, name, (function, *wide))


def _is_widened(
    network: TransformerNetwork, wide: AttentionFunction, narrow: AttentionFunction
) -> bool:
    """Whether a function is another one whose window shows everything."""
    a, b = layer_of(network, wide.prefix), layer_of(network, narrow.prefix)
    alike = (a.head_dim, a.heads, a.kv_heads) == (b.head_dim, b.heads, b.kv_heads)
    alike = alike and wide.mask.causal == narrow.mask.causal and not wide.mask.block
    numbers = tuple(n for n in narrow.mask.numbers if n not in narrow.mask.windows)
    return (
        alike
        and wide.score == narrow.score
        and not wide.mask.windows
        and bool(narrow.mask.windows)
        and wide.mask.numbers == numbers
        and wide.mask.inputs == narrow.mask.inputs
        and wide.mask.unbounded == narrow.mask.unbounded
    )


def _variant(
    network: TransformerNetwork, name: str, served: tuple[AttentionFunction, ...]
) -> AttentionVariant:
    function = served[0]
    mask, score = function.mask, function.score
    layer = layer_of(network, function.prefix)
    attending = (a for a in network.all_attentions if a.function in served)
    return AttentionVariant(
        name=name,
        english=mask.english,
        mask=mask.triton,
        numbers=mask.numbers,
        inputs=mask.inputs,
        causal=mask.causal,
        chunks=pieces(layer.head_dim, max(f.pieces for f in network.functions if not f.uneven)),
        grouped=function.grouped,
        softcap=score.softcap,
        alibi=score.alibi,
        relative_bias=score.relative_bias,
        sinks=score.sinks,
        dropout=score.dropout,
        collapsed=mask.block and _collapses(layer, function),
        decodes=not mask.by_head and any(a.cached for a in attending),
        served=tuple(f.prefix for f in served),
    )


def _collapses(layer: AttendingLayer, function: AttentionFunction) -> bool:
    """Whether each tile of queries sees one tile of keys, whose softmax needs no running sums."""
    score = function.score
    plain = not (score.sinks or score.relative_bias or score.dropout)
    return plain and dict(layer.mask_numbers)["block_size"] in COLLAPSED


def layer_of(network: TransformerNetwork, prefix: str) -> AttendingLayer:
    """The first layer whose attention is that function."""
    names = {
        b.name
        for stack in network.stacks
        for b in stack.blocks
        if any(a.function and a.function.prefix == prefix for a in b.attentions)
    }
    layers = (layer for stack in network.stacks for layer in stack.attending)
    return next(layer for layer in layers if layer.block in names)


def _head_dim(network: TransformerNetwork, v: AttentionVariant) -> int:
    return layer_of(network, v.functions[0]).head_dim


def _loss(network: TransformerNetwork) -> LossKernel:
    chunk = network.loss_chunk
    head = network.head
    return LossKernel(head.bias, head.softcap, head.z_loss, False, LOSS_BUDGET, chunk)


def _norms(network: TransformerNetwork) -> tuple[NormKernel, ...]:
    return tuple(dict.fromkeys(found for b in network.blocks if (found := _norm_kernel(b))))


def _norm_kernel(block: BlockPlan) -> NormKernel | None:
    """Of a block that adds a branch and then normalises the sum, as RMSNorm before the MLP does."""
    norm = block.norm
    plain = norm.kind == "rms" and not norm.zero_centered and block.placement == "pre"
    layout = block.parallel or block.residual_normed or block.cross or block.low_rank
    own = block.residual_scale or block.layer_scale or block.drop_path or block.depth_scaled
    altered = block.dropout or own or layout or not block.mixing[-1].norm_before
    return NormKernel(norm.weight) if plain and not altered else None


def _ropes(network: TransformerNetwork) -> tuple[RopeKernel, ...]:
    """Of whole heads whose halves turn together."""
    rotates = network.rotates
    if rotates is None or rotates.partial or rotates.pairs != "half":
        return ()
    return tuple(dict.fromkeys(found for a in network.attentions if (found := _rope_kernel(a))))


def _rope_kernel(attention: AttentionPlan) -> RopeKernel | None:
    norm = attention.qk_norm
    own = not (attention.latent or attention.shared_kv)  # queries and keys of one width
    if not attention.rope or not own or attention.qk_norm_after_rope:
        return None
    fits = norm and norm.kind == "rms" and attention.qk_norm_over == "head"
    return RopeKernel(norm if norm and fits and not norm.zero_centered else None)


def _glus(network: TransformerNetwork) -> tuple[GluKernel, ...]:
    return tuple(dict.fromkeys(found for mlp in network.mlps if (found := _glu_kernel(mlp))))


def _glu_kernel(mlp: MlpPlan) -> GluKernel | None:
    plain = not (mlp.experts or mlp.beta or mlp.clamped or mlp.up_offset or mlp.sparse)
    known = mlp.kind == "gated" and mlp.activation in GLU_NAMES and plain
    return GluKernel(mlp.activation) if known else None
