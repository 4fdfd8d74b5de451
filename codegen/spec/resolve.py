"""From what a spec says to what each layer is: block kinds merged over the model's fields."""

from __future__ import annotations

from typing import Any

from codegen.spec.transformer import Block, TransformerModel


def layer_kinds(model: TransformerModel) -> tuple[str | None, ...]:
    """The block kind of each layer, from the first; None where the model has one kind only."""
    match model.layers:
        case int(count):
            kind = next(iter(model.blocks), None)
            return (kind,) * count
        case list(kinds):
            return tuple(kinds)
        case layers:
            return tuple(layers.pattern) * layers.repeat


def resolve_block(model: TransformerModel, kind: str | None) -> Block:
    """All fields of a block kind: its own over the model's over the defaults."""
    general = {
        "attention": model.attention.model_dump(exclude_unset=True),
        "mlp": model.mlp.model_dump(exclude_unset=True),
        "norm": model.norm.model_dump(exclude_unset=True),
    }
    if model.embedding.positions == "learned":
        general["attention"].setdefault("rope", None)
    own = model.blocks[kind].model_dump(exclude_unset=True) if kind else {}
    return Block.model_validate(merged(general, own))


def merged(low: Any, high: Any) -> Any:
    """Plain mappings merged, the higher one's values winning."""
    if isinstance(low, dict) and isinstance(high, dict):
        return {k: merged(low.get(k), high[k]) if k in high else low[k] for k in {**low, **high}}
    return high
