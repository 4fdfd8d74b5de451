"""Spec -> Plan for the transformer family: layers, classes, config fields."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from codegen.plan.attention import AttentionFunction, ScorePlan, attention_function, kept_by_cache
from codegen.plan.ends import Ends
from codegen.plan.image import image_plan
from codegen.plan.mlps import mlp_plan, mlp_with_names, norm_plan
from codegen.plan.network import TransformerNetwork
from codegen.plan.parameters import init_plan, parameter_table
from codegen.plan.parts import (
    AttentionPlan,
    BlockPlan,
    LatentPlan,
    LatentSizes,
    LayerPlan,
    NormPlan,
    TemperaturePlan,
)
from codegen.plan.rope import rope_plans
from codegen.plan.sizes import LayerNumbers, config_fields, dropout_access, kv_sources
from codegen.plan.tables import InitPlan, Number
from codegen.spec.attention import Alibi, ProjectionBias
from codegen.spec.latent import Latent
from codegen.spec.mask import Atom
from codegen.spec.norms import InnerNorm
from codegen.spec.resolve import head_dim, layer_kinds, resolve_block, value_dim
from codegen.spec.transformer import Block, TransformerModel


def lower_network(model: TransformerModel, task: str) -> TransformerNetwork:
    """The network of a model with one stack of layers; every number resolved."""
    kinds = layer_kinds(model)
    blocks = {kind: resolve_block(model, kind) for kind in dict.fromkeys(kinds)}
    numbers = LayerNumbers(model, kinds, blocks)
    plans = _block_plans(model, blocks, numbers, decodes=task == "causal-lm")
    of_kind = {kind: plan.class_name for plan in plans for kind in plan.kinds}
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
    ends = Ends(model, numbers)
    image = image_plan(model, model.image) if model.image else None
    layer_count = "config.layers" if len(plans) == 1 else "len(config.layers)"
    network = TransformerNetwork(
        task=task,
        class_name="Model",
        context_length=image.tokens if image else model.context_length,
        fields=config_fields(
            model, numbers, image, ends.norm_fields(), ends.fields(), one_kind=len(plans) == 1
        ),
        blocks=plans,
        layers=layers,
        order=tuple(model.order or ()),
        norm=ends.final_norm,
        ropes=rope_plans(model, blocks),
        temperature=temperature_plan(blocks),
        image=image,
        drop_path=_drop_path(model, layer_count),
        embedding=ends.embedding(),
        head=ends.head(),
        aux_loss=any(b.mlp.experts and b.mlp.experts.aux_loss for b in blocks.values()),
        router_z_loss=any(b.mlp.experts and b.mlp.experts.z_loss for b in blocks.values()),
        loss_chunk=loss_chunk(model.vocab_size),
        dropout=dropout_access(model, "embedding"),
        init=InitPlan(model.init.residual, model.init.head),
        layer_count=layer_count,
        inputs=_inputs(plans),
        parameters=(),
    )
    network = replace(network, parameters=parameter_table(network, model))
    return replace(network, init=init_plan(network, model))


def loss_chunk(vocab_size: int) -> int:
    """Tokens whose logits fill 64 MB in float32: a power of two from 512, for speed, to 8192."""
    fits = max(1, 2**24 // vocab_size)
    return min(8192, max(512, 1 << (fits.bit_length() - 1)))


def temperature_plan(blocks: Mapping[str | None, Block]) -> TemperaturePlan | None:
    """The factor of queries, which all layers that have it share."""
    found = [b.attention.temperature for b in blocks.values() if b.attention.temperature]
    return TemperaturePlan(found[0].offset) if found else None


def _block_plans(
    model: TransformerModel,
    blocks: dict[str | None, Block],
    numbers: LayerNumbers,
    *,
    decodes: bool,
) -> tuple[BlockPlan, ...]:
    """One class for each distinct structure; numbers alone make no new class."""
    shapes: dict[str | None, BlockPlan] = {
        kind: _block_plan(model, kind, block, numbers, decodes=decodes)
        for kind, block in blocks.items()
    }
    shapes = _without_functions(shapes) if not decodes else shapes
    attentions = _class_names("Attention", {k: s.attention for k, s in shapes.items()})
    prefixes = _function_prefixes({k: s.attention.function for k, s in shapes.items()})
    mlps = {
        **_class_names("MLP", {k: s.mlp for k, s in shapes.items() if not s.mlp.experts}),
        **_class_names("MoE", {k: s.mlp for k, s in shapes.items() if s.mlp.experts}),
    }
    names = _class_names("Block", shapes)
    # Classes that stand in one table are made alike.
    each = any(
        s.per_layer
        or s.attention.per_layer
        or s.mlp.per_layer
        or "layer]" in s.norm.eps + s.residual_scale
        for s in shapes.values()
    )
    found: dict[str, BlockPlan] = {}
    for kind, shape in shapes.items():
        earlier = found.get(names[kind])
        found[names[kind]] = BlockPlan(
            class_name=names[kind],
            kinds=(*(earlier.kinds if earlier else ()), kind or ""),
            per_layer=each,
            attention=replace(
                shape.attention,
                class_name=attentions[kind],
                function=shape.attention.function
                and replace(shape.attention.function, prefix=prefixes[kind]),
            ),
            mlp=mlp_with_names(shape.mlp, mlps[kind]),
            norm=shape.norm,
            placement=shape.placement,
            dropout=shape.dropout,
            parallel=shape.parallel,
            shared_norm=shape.shared_norm,
            attention_norm=shape.attention_norm,
            residual_scale=shape.residual_scale,
            residual_normed=shape.residual_normed,
            layer_scale=shape.layer_scale,
            drop_path=shape.drop_path,
        )
    return tuple(found.values())


def _without_functions(shapes: dict[str | None, BlockPlan]) -> dict[str | None, BlockPlan]:
    """Where padding is all that any mask is about, PyTorch's own attention does."""
    for attention in (shape.attention for shape in shapes.values()):
        score = attention.score
        own = attention.mask != "padding" or score.biased or score.by_hand
        if attention.function and own:
            return shapes
    return {
        kind: replace(shape, attention=replace(shape.attention, function=None))
        for kind, shape in shapes.items()
    }


def _class_names(base: str, shapes: Mapping[str | None, object]) -> dict[str | None, str]:
    """`Attention` if there is one structure, else `LocalAttention`, `GlobalAttention`, ..."""
    if all(shape == next(iter(shapes.values())) for shape in shapes.values()):
        return dict.fromkeys(shapes, base)
    names: dict[str | None, str] = {}
    for kind, shape in shapes.items():
        same = next((k for k in names if shapes[k] == shape), None)
        words = "".join(word.capitalize() for word in (kind or "").split("_"))
        names[kind] = names[same] if same is not None else words + base
    return names


def _function_prefixes(
    functions: Mapping[str | None, AttentionFunction | None],
) -> dict[str | None, str]:
    """Nothing for the only attention function, else the name of the first kind that has it."""
    distinct = list(dict.fromkeys(f for f in functions.values() if f))
    if len(distinct) < 2:
        return dict.fromkeys(functions, "")
    first = {f: next(k for k, g in functions.items() if g == f) for f in distinct}
    return {k: f"{first[f]}_" if f else "" for k, f in functions.items()}


def _block_plan(
    model: TransformerModel,
    kind: str | None,
    block: Block,
    numbers: LayerNumbers,
    *,
    decodes: bool,
) -> BlockPlan:
    """A block kind's structure, its classes still without names."""
    residual = block.residual
    return BlockPlan(
        class_name="",
        kinds=(),
        per_layer=_drops_more_later(model),
        attention=attention_plan(model, kind, block, numbers, decodes=decodes),
        mlp=mlp_plan(model, block, numbers),
        norm=norm_plan(block.norm, "config.d_model", numbers.access("norm_eps")),
        placement=block.norm.placement,
        dropout=dropout_access(model, "residual"),
        parallel=residual.layout == "parallel",
        shared_norm=residual.shared_norm,
        attention_norm=residual.attention_norm,
        residual_scale=numbers.access("residual_scale") if residual.scale is not None else "",
        residual_normed=residual.normed,
        layer_scale=model.layer_scale is not None,
        drop_path=bool(model.drop_path and model.drop_path.rate),
    )


def _drop_path(model: TransformerModel, layer_count: str) -> str:
    """How often a layer's branches are skipped, as an expression; "" for never."""
    if model.drop_path is None or not model.drop_path.rate:
        return ""
    share = f" * layer / max(1, {layer_count} - 1)" if model.drop_path.growing else ""
    return f"config.drop_path{share}"


def _drops_more_later(model: TransformerModel) -> bool:
    """Whether layers skip their branches the more often the later they come."""
    return bool(model.drop_path and model.drop_path.rate and model.drop_path.growing)


def attention_plan(
    model: TransformerModel,
    kind: str | None,
    block: Block,
    numbers: LayerNumbers,
    *,
    decodes: bool,
) -> AttentionPlan:
    """A block kind's attention, its class still without a name."""
    attention, mask = block.attention, numbers.masks[kind]
    alibi = attention.alibi if isinstance(attention.alibi, Alibi) else None
    score = ScorePlan(
        scaled=numbers.used("attention_scale") or attention.latent is not None,
        softcap=attention.softcap is not None,
        alibi=attention.alibi is not False,
        alibi_slopes=alibi.slopes if alibi else "bloom",
        alibi_most=float(alibi.most) if alibi else 8.0,
        alibi_scaled=alibi is not None and alibi.scaled,
        relative_bias=attention.relative_bias is not None,
        shared_bias=attention.relative_bias is not None and attention.relative_bias.shared,
        sinks=attention.sinks,
        dropout=bool(dropout_access(model, "attention")),
    )
    names = ["heads", "kv_heads", "head_dim", *(n.name for n in numbers.mask_numbers[kind])]
    names += ["attention_scale"] * score.scaled + ["attention_softcap"] * score.softcap
    latent = attention.latent
    names += ["kv_rank", "nope_dim", "rope_dim"] * (latent is not None)
    names += ["value_dim"] * bool(latent or attention.value_dim)
    names += ["value_scale"] * (attention.value_scale is not None)
    names += ["q_rank"] * bool(latent and latent.q_rank)
    names += ["relative_buckets", "relative_max_distance"] * score.relative_bias
    names += ["attention_clip"] * (attention.clip is not None)
    access = {name: numbers.access(name) for name in names}
    if attention.scale_by_layer:
        access["attention_scale"] += " / (layer + 1)"
    width = head_dim(model, block)
    bias = attention.bias
    if not isinstance(bias, ProjectionBias):
        bias = ProjectionBias(q=bias, k=bias, v=bias, o=bias)

    def norm(given: InnerNorm | None, width: str, eps: str) -> NormPlan | None:
        return norm_plan(given, width, numbers.access(eps)) if given else None

    qk_norm = norm(attention.qk_norm, "self.head_dim", "qk_norm_eps")
    values = "self.value_dim" if attention.value_dim else "self.head_dim"
    v_norm = norm(attention.v_norm, values, "v_norm_eps")
    output_norm = norm(attention.output_norm, f"self.heads * {values}", "output_norm_eps")
    read = [access[name] for name in names if numbers.used(name)]
    latent_plan = _latent_plan(latent, numbers.access("latent_norm_eps"))
    inner = (qk_norm, v_norm, output_norm, latent_plan and latent_plan.kv_norm)
    differential = None
    if attention.differential:
        eps = numbers.access("norm_eps")
        differential = NormPlan("rms", False, False, "2 * self.head_dim", eps)
    read += [found.eps for found in inner if found]
    grouped = numbers.used("kv_heads") and latent is None
    own_values = latent is not None or attention.value_dim is not None
    values_read = value_dim(model, block) * (2 if attention.differential else 1)
    return AttentionPlan(
        class_name="",
        numbers=access,
        per_layer=attention.differential
        or any(block.attention.kv_of for block in numbers.blocks.values())
        or any("layer]" in text or "(layer" in text for text in read),
        bias=bias.model_dump() | {"gate": bias.q if bias.gate is None else bias.gate},
        grouped=grouped,
        qk_norm=qk_norm,
        qk_norm_over=attention.qk_norm.over if attention.qk_norm else "head",
        qk_norm_after_rope=bool(attention.qk_norm and attention.qk_norm.after_rope),
        v_norm=v_norm,
        output_norm=output_norm,
        clip=attention.clip is not None,
        temperature=attention.temperature is not None,
        gate=attention.gate,
        gate_activation=attention.gate_activation if attention.gate != "none" else "",
        turned_values=attention.rope is not None and attention.rope.values,
        rope=attention.rope is not None,
        score=score,
        dropout=dropout_access(model, "attention"),
        mask=mask.name if isinstance(mask, Atom) else "",
        function=attention_function(
            mask, score, grouped, width, values_read, latent=latent is not None
        ),
        cached=decodes,
        kept=kept_by_cache(mask),
        own_values=own_values,
        value_scale=attention.value_scale is not None,
        differential=differential,
        shared_kv=attention.kv_of is not None,
        own_scale=numbers.used("attention_scale"),
        latent=latent_plan,
    )


def _latent_plan(latent: Latent | None, eps: str) -> LatentPlan | None:
    if latent is None:
        return None
    q_norm = NormPlan("rms", True, False, "self.q_rank", eps)
    kv_norm = NormPlan("rms", True, False, "self.kv_rank", eps)
    return LatentPlan(latent.bias, q_norm if latent.q_rank else None, kv_norm)


def _layer(
    kind: str,
    class_name: str,
    block: Block,
    numbers: Mapping[str, Number],
    of_mask: tuple[str, ...],
    kv_source: int,
) -> LayerPlan:
    latent = block.attention.latent
    return LayerPlan(
        kind=kind,
        block=class_name,
        mask=block.attention.mask,
        heads=int(numbers["heads"]),
        kv_heads=int(numbers["kv_heads"]),
        head_dim=latent.head_dim if latent else int(numbers["head_dim"]),
        value_dim=latent.value_dim if latent else _value_dim(block, numbers),
        latent=_latent_sizes(latent),
        differential=block.attention.differential,
        kv_source=kv_source,
        d_ff=int(numbers["d_ff"]),
        rope_theta=numbers["rope_theta"] if block.attention.rope else None,
        relative_buckets=int(numbers["relative_buckets"]) if block.attention.relative_bias else 0,
        mask_numbers=tuple((name, int(numbers[name])) for name in of_mask),
        numbers=dict(numbers),
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
    read = {n for p in plans if p.attention.function for n in p.attention.function.mask.inputs}
    if any(p.attention.padded for p in plans):
        read.add("lengths")
    documents = ("document_ids",) if read & {"document_starts", "document_ends"} else ()
    return (*documents, *(name for name in ("prefix_lengths", "lengths") if name in read))
