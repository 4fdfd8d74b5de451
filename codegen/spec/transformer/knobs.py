"""A spec as a list of knobs in words, layer by layer resolved."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from codegen.spec.positions import NONE, positions
from codegen.spec.transformer.resolve import layer_count, layer_kinds, resolve_block, scale_numbers
from codegen.spec.transformer.vocabulary import MIXERS, Block, TransformerModel, TransformerSpec

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
            found.update(positions(name, getattr(model, name)))
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
        for name, value in positions(part, getattr(block, part)):
            yield name, str(worked_out.get(name, value))
