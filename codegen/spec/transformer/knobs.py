"""A spec as a list of knobs in words, layer by layer resolved."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

from codegen.spec.transformer.resolve import layer_count, layer_kinds, resolve_block, scale_numbers
from codegen.spec.transformer.vocabulary import MIXERS, Block, TransformerModel, TransformerSpec

NONE = "none"
OVER = {
    "head": "per head",
    "each_head": "per head, each with gains of its own",
    "projection": "over all heads",
}
IN_LAYERS = tuple(Block.model_fields)  # what may differ by layer
ELSEWHERE = ("blocks", "layers")  # said of each layer


def knobs(spec: TransformerSpec) -> dict[str, str]:
    """Each knob of a model and its position; where layers differ, how many have which."""
    model = spec.model
    found: dict[str, str] = {}
    for name in type(model).model_fields:
        if name == "layers":
            found["layers"] = str(layer_count(model))
        elif name not in (*IN_LAYERS, *ELSEWHERE):
            found.update(_positions(name, getattr(model, name)))
    kinds = layer_kinds(model)
    of_kind = {kind: dict(_block_knobs(model, kind)) for kind in dict.fromkeys(kinds)}
    names = dict.fromkeys(name for block in of_kind.values() for name in block)
    for name in names:
        counts = Counter(of_kind[kind].get(name, NONE) for kind in kinds)
        found[name] = (
            next(iter(counts))
            if len(counts) == 1
            else "; ".join(f"{v} in {n} layer{'s' * (n > 1)}" for v, n in counts.items())
        )
    return found


def _block_knobs(model: TransformerModel, kind: str | None) -> Iterator[tuple[str, str]]:
    """The knobs of a kind of layer, with defaults that come of other knobs worked out."""
    block = resolve_block(model, kind)
    numbers = scale_numbers(model, block)
    worked_out = {
        "attention.kv_heads": block.attention.kv_heads or block.attention.heads,
        "attention.head_dim": numbers["head_dim"],
        "mlp.d_ff": numbers["d_ff"],
    }
    for part in IN_LAYERS:
        if part in MIXERS and part != block.mixer:
            continue
        for name, value in _positions(part, getattr(block, part)):
            yield name, str(worked_out.get(name, value))


def _positions(name: str, value: Any) -> Iterator[tuple[str, str]]:
    """A field's position; of a mapping, that of each of its fields."""
    if isinstance(value, BaseModel):
        for field in type(value).model_fields:
            yield f"{name}.{field}", words(getattr(value, field))
    else:
        yield name, words(value)


def words(value: Any) -> str:
    """A value in words: `rms per head`, `theta 10000, scaling llama3 (factor 8)`, `yes`."""
    if value is None or value == "none":
        return NONE
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}".replace("e-0", "e-").replace("e+0", "e")
    if isinstance(value, list):
        return ", ".join(map(words, value))
    return _mapping(value) if isinstance(value, BaseModel) else str(value)


def _mapping(value: BaseModel) -> str:
    """Its kind, and of its other fields those that are not as by default."""
    kind, said = str(getattr(value, "kind", "")), []
    for field, info in type(value).model_fields.items():
        inner = getattr(value, field)
        if field == "over":
            kind += f" {OVER[inner]}"
        elif field != "kind" and (inner != info.default or info.is_required()):
            nested = isinstance(inner, BaseModel) and not hasattr(inner, "kind")
            said.append(f"{field} ({words(inner)})" if nested else f"{field} {words(inner)}")
    if not kind and not said:
        field = next(iter(type(value).model_fields))
        said = [f"{field} {words(getattr(value, field))}"]
    more = ", ".join(said)
    return f"{kind} ({more})" if kind and said else kind or more
