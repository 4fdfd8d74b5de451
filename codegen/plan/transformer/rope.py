"""Rotary positions: one function for each way to make angles that a model's layers have."""

from __future__ import annotations

import math
from collections.abc import Mapping

from codegen.frozen import frozen
from codegen.plan.reads import Read
from codegen.plan.tables import ConfigField
from codegen.plan.transformer.layer_masks import TINY_CONTEXT
from codegen.plan.transformer.layer_numbers.number_row import TINY_HEAD_DIM
from codegen.plan.transformer.parts import RopePlan
from codegen.spec.transformer.resolve import rotary_dim, rotary_width, scale_numbers
from codegen.spec.transformer.rope import (
    AnyScaling,
    DynamicScaling,
    LinearScaling,
    Llama3Scaling,
    LongRopeScaling,
    ProportionalScaling,
    Rope,
    YarnScaling,
)
from codegen.spec.transformer.scale import parse_scale
from codegen.spec.transformer.vocabulary import Block, TransformerModel

Kinds = Mapping[str | None, Block]


@frozen
class RopeStructure:
    """What makes layers share a function: all but theta, or theta too where there are several."""

    rope: Rope
    dim: int  # how many dimensions of a head turn,
    head_dim: int  # of how many
    kinds: tuple[str | None, ...]
    thetas: tuple[float, ...]


def rope_structures(model: TransformerModel, blocks: Kinds) -> tuple[RopeStructure, ...]:
    """The distinct ways of making angles, in the order of the block kinds."""
    rows = []
    for kind, block in blocks.items():
        rope = block.attention.rope
        if rope is not None:
            head_dim = rotary_width(model, block)
            rows.append((kind, rope, rotary_dim(model, block), head_dim))
    alike = {(dim, head_dim, r.pairs, r.sign, str(r.scaling)) for _, r, dim, head_dim in rows}
    found: dict[object, RopeStructure] = {}
    for kind, rope, dim, head_dim in rows:
        theta = None if len(alike) == 1 else rope.theta
        key = (dim, head_dim, rope.pairs, rope.sign, str(rope.scaling), theta)
        before = found.get(key)
        found[key] = RopeStructure(
            rope,
            dim,
            head_dim,
            (*(before.kinds if before else ()), kind),
            tuple(dict.fromkeys((*(before.thetas if before else ()), float(rope.theta)))),
        )
    return tuple(found.values())


def rope_plans(model: TransformerModel, blocks: Kinds) -> tuple[RopePlan, ...]:
    """What the functions that make angles look like."""
    structures = rope_structures(model, blocks)
    alone = len(structures) == 1
    latents = {b.attention.latent.rope_dim for b in blocks.values() if b.attention.latent}
    several_dims = len({scale_numbers(model, b)["head_dim"] for b in blocks.values()}) > 1
    plans = []
    for structure in structures:
        name = "rope" if alone else f"{structure.kinds[0]}_rope"
        scaling = structure.rope.scaling
        dim = "head_dim"
        if alone and latents:  # whose rope_dim is a number of theirs
            dim = "rope_dim" if latents == {structure.dim} else "rotary_dim"
        elif has_own_dim(structure, alone) or several_dims:
            dim = f"{name}_dim"
        factor, long_factor = attention_factors(scaling)
        plans.append(
            RopePlan(
                name=name,
                kinds=tuple(kind or "" for kind in structure.kinds),
                thetas=alone and len(structure.thetas) > 1,
                dim=Read(dim),
                partial=structure.dim < structure.head_dim,
                pairs=structure.rope.pairs,
                sign=structure.rope.sign,
                scaling=scaling.kind if scaling else None,
                factor=isinstance(scaling, ProportionalScaling) and scaling.factor != 1,
                truncate=isinstance(scaling, YarnScaling) and scaling.truncate,
                attention_factor=factor != 1 or long_factor != factor,
                own_attention_factor=not by_formula(scaling),
                long_attention_factor=long_factor != factor,
            )
        )
    return tuple(plans)


def has_own_dim(structure: RopeStructure, alone: bool) -> bool:
    """Whether the rotated width is a number of its own beside head_dim."""
    return structure.dim != structure.head_dim or not alone


def by_formula(scaling: AnyScaling | None) -> bool:
    """Whether rotated queries and keys grow as YaRN says (arXiv:2309.00071, section 3.4)."""
    return isinstance(scaling, YarnScaling) and scaling.attention_factor is None


def attention_factors(scaling: AnyScaling | None) -> tuple[float, float]:
    """What rotated queries and keys are multiplied by, in short and in long sequences."""
    match scaling:
        case YarnScaling(attention_factor=None, factor=factor):
            own = 0.1 * math.log(factor) + 1 if factor > 1 else 1.0
        case YarnScaling(attention_factor=float(own)):
            pass
        case LongRopeScaling(attention_factor=own, long_attention_factor=long):
            return float(own), float(own if long is None else long)
        case _:
            own = 1.0
    return float(own), float(own)


def rope_fields(
    model: TransformerModel,
    blocks: Kinds,
    order: tuple[tuple[str | None, ...], ...],
    theta: ConfigField,
) -> list[ConfigField]:
    """The numbers of all structures; `order` are the layers' kinds at true and at toy size.

    `theta` is the field of a model with one structure.
    """
    structures, plans = rope_structures(model, blocks), rope_plans(model, blocks)
    latents = any(block.attention.latent for block in blocks.values())
    held = ("head_dim", "rope_dim") if latents else ("head_dim",)
    fields: list[ConfigField] = []
    if len(plans) > 1:
        of_kind = {kind: plan.kinds[0] for plan in plans for kind in plan.kinds}
        first = plans[0].kinds[0]
        true, tiny = (tuple(of_kind.get(k or "", first) for k in kinds) for kinds in order)
        fields.append(ConfigField("ropes", "tuple[str, ...]", true, tiny, "by layer"))
    for structure, plan in zip(structures, plans, strict=True):
        name = plan.name
        toy_dim = toy_rotary_dim(structure.dim, structure.head_dim)
        if plan.dim.field not in held:
            comment = "of rotated heads" if not plan.partial else "dimensions of a head that turn"
            fields.append(ConfigField(plan.dim.field, "int", structure.dim, toy_dim, comment))
        if len(plans) == 1:
            fields.append(theta)
        else:
            base = float(structure.rope.theta)
            fields.append(ConfigField(f"{name}_theta", "float", base, base))
        fields += _scaling_fields(name, structure, plan, toy_dim // 2)
    return fields


def toy_rotary_dim(dim: int, head_dim: int) -> int:
    """How much of a toy head turns."""
    return max(2, 2 * round(TINY_HEAD_DIM * dim / head_dim / 2))


def _scaling_fields(
    name: str, structure: RopeStructure, plan: RopePlan, toy_pairs: int
) -> list[ConfigField]:
    scaling = structure.rope.scaling
    numbers: list[tuple[str, float, str]] = []
    fields: list[ConfigField] = []
    match scaling:
        case LinearScaling() | DynamicScaling():
            numbers = [("factor", scaling.factor, "longer than in training")]
        case Llama3Scaling():
            numbers = [
                ("factor", scaling.factor, "longer than in training"),
                ("low_freq_factor", scaling.low_freq_factor, ""),
                ("high_freq_factor", scaling.high_freq_factor, ""),
            ]
        case YarnScaling():
            numbers = [
                ("factor", scaling.factor, "longer than in training"),
                ("beta_fast", scaling.beta_fast, "waves per original context left alone"),
                ("beta_slow", scaling.beta_slow, "waves per original context fully stretched"),
            ]
        case LongRopeScaling():
            for which in ("short", "long"):
                values = tuple(float(f) for f in getattr(scaling, f"{which}_factor"))
                toy = tuple(values[i % len(values)] for i in range(toy_pairs))
                comment = "divisors of the frequencies"
                fields.append(
                    ConfigField(
                        f"{name}_{which}_factors", "tuple[float, ...]", values, toy, comment
                    )
                )
        case ProportionalScaling():
            pairs = int(scaling.fraction * structure.dim / 2)
            toy_turning = max(1, round(scaling.fraction * toy_pairs))
            fields.append(
                ConfigField(f"{name}_pairs", "int", pairs, toy_turning, "that turn; the rest stay")
            )
            if plan.factor:
                numbers = [("factor", scaling.factor, "longer than in training")]
    for field, value, comment in numbers:
        fields.append(ConfigField(f"{name}_{field}", "float", float(value), float(value), comment))
    original = getattr(scaling, "original_context_length", None)
    if original is not None:
        grows = isinstance(scaling, DynamicScaling)  # cached keys would lag behind
        toy_original = TINY_CONTEXT if grows else TINY_CONTEXT // 2
        field = f"{name}_original_context_length"
        fields.append(ConfigField(field, "int", original, toy_original))
    short, long = attention_factors(scaling)
    if plan.attention_factor:
        comment = "of rotated queries and keys"
        tree = parse_scale("0.1 * log(rope_factor) + 1") if by_formula(scaling) else None
        own = f"{name}_attention_factor"
        fields.append(ConfigField(own, "float", short, short, comment, tree))
    if plan.long_attention_factor:
        comment = "the same in long sequences"
        fields.append(ConfigField(f"{name}_long_attention_factor", "float", long, long, comment))
    return fields
