"""The classes of blocks: one for each distinct structure, and their names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from codegen.plan.reads import Read
from codegen.plan.transformer.adapter import AdapterPlan
from codegen.plan.transformer.attention import attention_plan
from codegen.plan.transformer.attention_plan import AttentionPlan
from codegen.plan.transformer.block_plan import BlockPlan, Mixer, SublayerPlan
from codegen.plan.transformer.layer_gate import LayerGatePlan
from codegen.plan.transformer.layer_numbers.config_fields import LayerNumbers, dropout_read
from codegen.plan.transformer.low_rank import LowRankPlan
from codegen.plan.transformer.mlps import mlp_plan, norm_plan
from codegen.plan.transformer.one_mlp import with_one_mlp
from codegen.plan.transformer.short_conv import short_conv_plan
from codegen.spec.transformer.vocabulary import Block, TransformerModel

# How a block kind's mixer is lowered, by the word of a spec, which names the sublayer too.
MIXERS: dict[str, Callable[..., Mixer]] = {"attention": attention_plan, "conv": short_conv_plan}


def block_plans(
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
    mixers = _mixer_names(shapes)
    prefixes = _function_prefixes(shapes)
    shapes = _with_adapters(shapes)
    names = _class_names("Block", shapes)
    found: dict[str, BlockPlan] = {}
    for kind, shape in shapes.items():
        earlier = found.get(names[kind])
        found[names[kind]] = replace(
            _named(shape, mixers[kind], prefixes[kind]),
            name=names[kind],
            class_name=names[kind],
            kinds=(*(earlier.kinds if earlier else ()), kind or ""),
        )
    return _made_alike(_as_one_class(with_one_mlp(tuple(found.values()))))


def _as_one_class(blocks: tuple[BlockPlan, ...]) -> tuple[BlockPlan, ...]:
    """Blocks that differ in nothing but the classes of sublayers have a class that takes these.

    The first such class is `Block`; others have the name of their first structure.
    """
    frames = [_frame(block) for block in blocks]
    alike = {
        frame: [b for b, f in zip(blocks, frames, strict=True) if f == frame] for frame in frames
    }
    names: dict[tuple[object, ...], str] = {}
    for frame, members in alike.items():
        shared = len(members) > 1 and "Block" not in names.values()
        names[frame] = "Block" if shared else members[0].class_name
    return tuple(
        replace(block, class_name=names[frame], given=_differing(alike[frame]))
        for block, frame in zip(blocks, frames, strict=True)
    )


def _frame(block: BlockPlan) -> tuple[object, ...]:
    """All of a block's class but the classes of its sublayers, of which it knows the arguments."""
    parts = [(s.name, s.around, s.norm_before, s.norm_after, s.arguments) for s in block.sublayers]
    return (repr(replace(block, name="", class_name="", kinds=(), sublayers=())), *parts)


def _differing(blocks: list[BlockPlan]) -> tuple[str, ...]:
    """The sublayers whose classes are not the same in all of these blocks."""
    classes = {s.name: {b.part(s.name).class_name for b in blocks} for s in blocks[0].sublayers}
    return tuple(name for name, found in classes.items() if len(found) > 1)


def _made_alike(blocks: tuple[BlockPlan, ...]) -> tuple[BlockPlan, ...]:
    """Classes that stand in one table take the layer, or none of them does."""
    needs = {block.name: _needs_layer(block) for block in blocks}
    each = any(needs.values()) or any(s.per_layer for b in blocks for s in b.given_sublayers)
    by_class = {
        block.class_name: any(needs[b.name] for b in blocks if b.class_name == block.class_name)
        for block in blocks
    }
    return tuple(
        replace(block, per_layer=by_class[block.class_name] if block.given else each)
        for block in blocks
    )


def _needs_layer(block: BlockPlan) -> bool:
    """Whether the block itself has to know which layer it is in."""
    return (
        block.per_layer
        or block.depth_scaled
        or bool(block.adapter and block.adapter.per_layer)
        or any(s.per_layer for s in block.sublayers if s.name not in block.given)
        or block.norm.eps.by_layer
        or (block.residual_scale is not None and block.residual_scale.by_layer)
    )


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
        name="",
        class_name="",
        given=(),
        kinds=(),
        per_layer=_drops_more_later(model),
        sublayers=(
            *_sublayers(
                block,
                {
                    block.mixer: MIXERS[block.mixer](model, kind, block, numbers, decodes=decodes),
                    **_low_rank(block, numbers),
                    "mlp": mlp_plan(model, block, numbers),
                },
                _around(numbers),
            ),
            *_layer_gate(model),
        ),
        norm=norm_plan(block.norm, Read("d_model"), numbers.read("norm_eps")),
        placement=block.norm.placement,
        dropout=dropout_read(model, "residual"),
        parallel=residual.layout == "parallel",
        shared_norm=residual.shared_norm,
        attention_norm=residual.attention_norm or block.mixer != "attention",
        residual_scale=None if residual.scale is None else numbers.scale("residual_scale"),
        residual_normed=residual.normed,
        layer_scalar="learned" if residual.layer_scalar is True else residual.layer_scalar or "",
        altup=model.altup is not None,
        depth_scaled=residual.depth_scaled,
        layer_scale=model.layer_scale is not None,
        drop_path=bool(model.drop_path and model.drop_path.rate),
        adapter=_adapter_plan(block, numbers),
    )


def _adapter_plan(block: Block, numbers: LayerNumbers) -> AdapterPlan | None:
    """The bottleneck after a block's MLP, its class still without a name of its own."""
    said = block.mlp.adapter
    if said is None:
        return None
    before = block.norm.placement in ("pre", "sandwich")
    of_mlp = "norm" if block.residual.shared_norm else f"mlp_{'' if before else 'post_'}norm"
    return AdapterPlan(
        class_name="Adapter",
        width=numbers.read("adapter_width"),
        activation=said.activation or block.mlp.activation,
        bias=said.bias,
        norm={"own": "adapter_norm", "shared": of_mlp, "none": ""}[said.norm],
        own_norm=said.norm == "own",
        normed=said.normed and said.norm != "none",
    )


def _sublayers(
    block: Block, plans: Mapping[str, Mixer], around: Mapping[str, str]
) -> tuple[SublayerPlan, ...]:
    """The sublayers of a block, each with its norms."""
    placement, residual = block.norm.placement, block.residual
    before = placement in ("pre", "sandwich") and not residual.shared_norm
    after = {"pre": "", "post_residual": "sum"}.get(placement, "branch")
    own_norms = block.mlp.experts is not None and block.mlp.experts.own_norms
    bare = {"attention": not residual.attention_norm, "mlp": own_norms, "low_rank": True}
    return tuple(
        SublayerPlan(
            name,
            around.get(name, name),
            plan,
            before and not bare.get(name),
            "branch" if name == "low_rank" else after,
        )
        for name, plan in plans.items()
    )


def _low_rank(block: Block, numbers: LayerNumbers) -> dict[str, Mixer]:
    """What goes past attention, if anything does."""
    rank = block.residual.low_rank
    return {} if rank is None else {"low_rank": LowRankPlan("", numbers.read("low_rank"))}


def _layer_gate(model: TransformerModel) -> tuple[SublayerPlan, ...]:
    """What adds a layer's own embedding, if it has one: of the stream itself, its output normed."""
    own = model.embedding.per_layer
    if own is None:
        return ()
    gate = LayerGatePlan("", own.activation)
    return (SublayerPlan("layer_gate", "layer_gate", gate, False, "branch"),)


def _around(numbers: LayerNumbers) -> dict[str, str]:
    """How the names of norms and gains begin around mixers: alike where not all blocks attend."""
    alike = len(numbers.attending) == len(numbers.blocks)
    return {} if alike else dict.fromkeys(MIXERS, "mixer")


def with_sublayer(block: BlockPlan, name: str, plan: Mixer, before: str) -> BlockPlan:
    """The block with one more sublayer before another, normed as that one is."""
    found: list[SublayerPlan] = []
    for sublayer in block.sublayers:
        if sublayer.name == before:
            norm = block.placement in ("pre", "sandwich")
            found.append(replace(sublayer, name=name, around=name, plan=plan, norm_before=norm))
        found.append(sublayer)
    return replace(block, sublayers=tuple(found))


def _with_adapters(shapes: Mapping[str | None, BlockPlan]) -> dict[str | None, BlockPlan]:
    """The blocks with the classes of their adapters: one for each activation and use of biases."""
    plans = {kind: shape.adapter for kind, shape in shapes.items() if shape.adapter}
    forms = {kind: (plan.activation, plan.bias) for kind, plan in plans.items()}
    names = _class_names("Adapter", forms)
    return {
        kind: replace(shape, adapter=replace(shape.adapter, class_name=names[kind]))
        if shape.adapter
        else shape
        for kind, shape in shapes.items()
    }


Named = dict[str | None, dict[str, str]]  # class names by block kind and sublayer


def _mixer_names(shapes: Mapping[str | None, BlockPlan]) -> Named:
    """The class of each sublayer of each kind: one for each distinct structure."""
    by_base: dict[tuple[str, str], dict[str | None, Mixer]] = {}
    for kind, shape in shapes.items():
        for sublayer in shape.sublayers:
            key = (sublayer.plan.base_name, sublayer.name)
            by_base.setdefault(key, {})[kind] = sublayer.plan
    names: Named = {kind: {} for kind in shapes}
    for (base, sublayer_name), plans in by_base.items():
        for kind, name in _class_names(base, plans).items():
            names[kind][sublayer_name] = name
    return names


def _named(shape: BlockPlan, names: Mapping[str, str], prefix: str) -> BlockPlan:
    """The block with the names of its sublayers' classes and of its attention function."""
    plans: dict[str, Mixer] = {}
    for sublayer in shape.sublayers:
        plan = sublayer.plan.named(names[sublayer.name])
        if isinstance(plan, AttentionPlan) and plan.function:
            plan = replace(plan, function=replace(plan.function, prefix=prefix))
        plans[sublayer.name] = plan
    return shape.with_plans(plans)


def _without_functions(shapes: dict[str | None, BlockPlan]) -> dict[str | None, BlockPlan]:
    """Where padding is all that any mask is about, PyTorch's own attention does."""
    for attention in (found for shape in shapes.values() for found in shape.attentions):
        score = attention.score
        own = attention.mask != "padding" or score.biased or score.by_hand
        if attention.function and own:
            return shapes
    return {
        kind: shape.with_plans(
            {
                sublayer.name: replace(sublayer.plan, function=None)
                for sublayer in shape.sublayers
                if isinstance(sublayer.plan, AttentionPlan)
            }
        )
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


def _function_prefixes(shapes: Mapping[str | None, BlockPlan]) -> dict[str | None, str]:
    """Nothing for the only attention function, else the name of the first kind that has it."""
    functions = {
        kind: next((a.function for a in shape.attentions if a.function), None)
        for kind, shape in shapes.items()
    }
    distinct = list(dict.fromkeys(f for f in functions.values() if f))
    if len(distinct) < 2:
        return dict.fromkeys(functions, "")
    first = {f: next(k for k, g in functions.items() if g == f) for f in distinct}
    return {k: f"{first[f]}_" if f else "" for k, f in functions.items()}


def _drops_more_later(model: TransformerModel) -> bool:
    """Whether layers skip their branches the more often the later they come."""
    return bool(model.drop_path and model.drop_path.rate and model.drop_path.growing)
