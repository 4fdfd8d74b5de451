"""The classes of blocks: one for each distinct structure, and their names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from codegen.plan.transformer.attention import attention_plan
from codegen.plan.transformer.attention_function import AttentionFunction
from codegen.plan.transformer.mlps import mlp_plan, mlp_with_names, norm_plan
from codegen.plan.transformer.parts import BlockPlan
from codegen.plan.transformer.sizes import LayerNumbers, dropout_access
from codegen.spec.transformer.vocabulary import Block, TransformerModel


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
        function = shape.attention.function
        function = function and replace(function, prefix=prefixes[kind])
        found[names[kind]] = replace(
            shape,
            class_name=names[kind],
            kinds=(*(earlier.kinds if earlier else ()), kind or ""),
            per_layer=each,
            attention=replace(shape.attention, class_name=attentions[kind], function=function),
            mlp=mlp_with_names(shape.mlp, mlps[kind]),
        )
    return tuple(found.values())


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


def _drops_more_later(model: TransformerModel) -> bool:
    """Whether layers skip their branches the more often the later they come."""
    return bool(model.drop_path and model.drop_path.rate and model.drop_path.growing)
