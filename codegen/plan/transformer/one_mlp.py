"""MLPs that differ in no more than their width are one class, which takes the width."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from codegen.plan.transformer.block_plan import BlockPlan, Mixer
from codegen.plan.transformer.parts import MlpPlan

NAMES = ("MLP", "SharedMLP")


def with_one_mlp(blocks: tuple[BlockPlan, ...]) -> tuple[BlockPlan, ...]:
    """The blocks with a class for each structure of MLPs, experts' shared ones included."""
    groups: dict[str, list[MlpPlan]] = {}
    for mlp in _plain(blocks):
        groups.setdefault(_frame(mlp), []).append(mlp)
    taken = {mlp.class_name for mlp in _plain(blocks)}
    new: dict[str, MlpPlan] = {}
    for group in groups.values():
        names = {mlp.class_name for mlp in group}
        widths = {mlp.numbers["d_ff"] for mlp in group}
        if len(names) == 1 or any(width.by_layer for width in widths):
            continue
        free = [name for name in NAMES if name in names or name not in taken]
        name = "MLP" if "MLP" in names or not all("Shared" in n for n in names) else "SharedMLP"
        name = name if name in free else min(names, key=len)
        taken |= {name}
        for mlp in group:
            takes = ("d_ff",) if len(widths) > 1 else ()
            new[mlp.class_name] = replace(mlp, class_name=name, takes=takes)
    return tuple(_replaced(block, new) for block in blocks)


def _plain(blocks: Sequence[BlockPlan]) -> Iterator[MlpPlan]:
    for mlp in (mlp for block in blocks for mlp in block.mlps):
        yield from (found for found in (mlp.shared, mlp) if found and not found.experts)


def _frame(mlp: MlpPlan) -> str:
    """All of an MLP but its name and its width."""
    numbers = {name: read for name, read in mlp.numbers.items() if name != "d_ff"}
    norm = mlp.norm and replace(mlp.norm, width=mlp.norm.eps)
    return repr(replace(mlp, class_name="", numbers=numbers, norm=norm, per_layer=False))


def _replaced(block: BlockPlan, new: dict[str, MlpPlan]) -> BlockPlan:
    plans: dict[str, Mixer] = {}
    for sublayer in block.sublayers:
        plan = sublayer.plan
        if isinstance(plan, MlpPlan):
            shared = plan.shared and new.get(plan.shared.class_name, plan.shared)
            plans[sublayer.name] = new.get(plan.class_name, replace(plan, shared=shared))
    return block.with_plans(plans)
