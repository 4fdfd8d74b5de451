"""Tables of a plan as plain data, for whoever shows it."""

from __future__ import annotations

from collections.abc import Iterator

from codegen.frozen import frozen
from codegen.plan.plan import Plan
from codegen.plan.units import human_bytes, human_flops


@frozen
class ShownTable:
    """A table; columns whose names are in `left` are of words, the others of numbers."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    left: tuple[str, ...] = ()
    headed: bool = True  # whether the names of its columns are shown


def cost_shown(plan: Plan) -> ShownTable:
    """What the model costs."""
    columns = ("what", "how much")
    return ShownTable("cost", columns, tuple(_cost_rows(plan)), columns, headed=False)


def _cost_rows(plan: Plan) -> Iterator[tuple[str, str]]:
    cost = plan.cost
    more = f" + those of {', '.join(cost.uncounted)}, counted when run" if cost.uncounted else ""
    yield "parameters", f"{cost.parameters:,}{more}"
    if cost.active_parameters != cost.parameters:
        yield f"parameters that a {cost.unit} meets", f"{cost.active_parameters:,}"
    if cost.trained_parameters:
        yield "parameters that are trained", f"{cost.trained_parameters:,}"
    yield f"FLOPs per {cost.unit}, forward", human_flops(cost.flops_forward)
    yield f"FLOPs per {cost.unit}, training", human_flops(cost.flops_train)
    yield "weights, float32", human_bytes(cost.weight_bytes)
    yield "weights, bfloat16", human_bytes(cost.weight_bytes_bf16)
    if cost.kv_cache_bytes:
        kind = "int8" if getattr(plan.model, "rounded_cache", False) else "bfloat16"
        yield f"KV cache of {plan.task.cached}, {kind}", human_bytes(cost.kv_cache_bytes)
    yield "training state, float32, no activations", human_bytes(cost.training_bytes)
