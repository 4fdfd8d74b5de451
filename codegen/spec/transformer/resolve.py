"""From what a spec says to what each layer is: block kinds merged over the model's fields."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from codegen.spec.transformer.norms import InnerNorm, Norm
from codegen.spec.transformer.vocabulary import Block, LayerRun, RepeatedLayers, TransformerModel


def layer_kinds(model: TransformerModel) -> tuple[str | None, ...]:
    """The block kind of each layer, from the first; None where the model has one kind only."""
    match model.layers:
        case int(count):
            kind = next(iter(model.blocks), None)
            return (kind,) * count
        case list(runs):
            return tuple(_expanded(runs))
        case layers:
            kinds = tuple(_expanded(layers.pattern))
            if layers.count is None:
                return kinds * layers.repeat
            return (kinds * -(-layers.count // len(kinds)))[: layers.count]


def _expanded(runs: Sequence[LayerRun | RepeatedLayers]) -> Iterator[str]:
    for run in runs:
        if isinstance(run, RepeatedLayers):
            yield from tuple(_expanded(run.pattern)) * run.repeat
            continue
        for kind, times in ({run: 1} if isinstance(run, str) else run).items():
            yield from (kind,) * times


def resolve_block(model: TransformerModel, kind: str | None) -> Block:
    """All fields of a block kind: its own over the model's over the defaults."""
    general: dict[str, Any] = {
        **({"mixer": model.mixer} if "mixer" in model.model_fields_set else {}),
        "conv": model.conv.said(),
        "attention": model.attention.said(),
        "mlp": model.mlp.said(),
        "norm": model.norm.said(),
        "residual": model.residual.said(),
    }
    if model.embedding.positions != "none":
        general["attention"].setdefault("rope", None)
    own = model.blocks[kind].said() if kind else {}
    if "scaling" in (own.get("attention", {}).get("rope") or {}) and general["attention"].get(
        "rope"
    ):
        general["attention"]["rope"].pop("scaling", None)  # of another kind, with other fields
    return Block.model_validate(merged(general, own))


def attending(kinds: Mapping[str | None, Block]) -> dict[str | None, Block]:
    """The block kinds whose mixer is attention."""
    return {kind: block for kind, block in kinds.items() if block.mixer == "attention"}


def masks_of(model: TransformerModel) -> list[str]:
    """The masks of the block kinds that attend."""
    kinds = {kind: resolve_block(model, kind) for kind in model.blocks or (None,)}
    return [block.attention.mask for block in attending(kinds).values()]


def resolve_norm(model: TransformerModel, own: bool | InnerNorm) -> Norm | None:
    """A norm outside the blocks: none, that of the model, or what it says over that."""
    if isinstance(own, bool):
        return model.norm if own else None
    high = own.said()
    if own.eps is None:
        high.pop("eps", None)
    return Norm.model_validate({**model.norm.said(), **high})


def output_width(model: TransformerModel) -> int:
    """The width of what the output embedding reads."""
    tied = model.embedding.dim if model.embedding.tied else None
    return model.head.dim or tied or model.d_model


def token_count(model: TransformerModel) -> int:
    """How many tokens are read, those included that are never predicted."""
    return model.vocab_size + model.embedding.extra_tokens


def scale_numbers(model: TransformerModel, block: Block) -> dict[str, float]:
    """What the scale of a block's attention may name, at true size."""
    stretch = getattr(block.attention.rope and block.attention.rope.scaling, "factor", None)
    return {**_sizes(model, block), **({} if stretch is None else {"rope_factor": stretch})}


def _sizes(model: TransformerModel, block: Block) -> dict[str, int]:
    attention, mlp = block.attention, block.mlp
    return {
        "d_model": model.d_model,
        "vocab_size": model.vocab_size,
        "layers": layer_count(model),
        "heads": attention.heads,
        "head_dim": head_dim(model, block),
        "d_ff": mlp.d_ff or default_width(model.d_model, gated=mlp.kind == "gated"),
    }


def default_width(d_model: int, *, gated: bool) -> int:
    """Of an MLP whose spec doesn't say how wide it is."""
    return -(-8 * d_model // (3 * 64)) * 64 if gated else 4 * d_model


def head_dim(model: TransformerModel, block: Block) -> int:
    """Dimensions of a block's query and key heads."""
    attention = block.attention
    if attention.latent:
        return attention.latent.head_dim
    return attention.head_dim or model.d_model // attention.heads


def value_dim(model: TransformerModel, block: Block) -> int:
    """Dimensions of a block's value heads."""
    attention = block.attention
    if attention.latent:
        return attention.latent.value_dim
    return attention.value_dim or head_dim(model, block)


def rotary_width(model: TransformerModel, block: Block) -> int:
    """Dimensions of a head that rotary positions may turn."""
    latent = block.attention.latent
    return latent.rope_dim if latent else head_dim(model, block)


def rotary_dim(model: TransformerModel, block: Block) -> int:
    """How many dimensions of each head turn, where any do."""
    rope = block.attention.rope
    return (rope and rope.dim) or rotary_width(model, block)


def layer_count(model: TransformerModel) -> int:
    """How many layers there are, without a list of them."""
    match model.layers:
        case int(count):
            return count
        case list(runs):
            return run_length(runs)
        case layers:
            return layers.count or run_length(layers.pattern) * layers.repeat


def run_length(runs: Sequence[LayerRun | RepeatedLayers]) -> int:
    """How many layers a list of block kinds stands for."""
    return sum(map(_times, runs))


def _times(run: LayerRun | RepeatedLayers) -> int:
    if isinstance(run, RepeatedLayers):
        return run_length(run.pattern) * run.repeat
    return 1 if isinstance(run, str) else sum(run.values())


def merged(low: Any, high: Any) -> Any:
    """Plain mappings merged, the higher one's values winning."""
    if isinstance(low, dict) and isinstance(high, dict):
        return {k: merged(low.get(k), high[k]) if k in high else low[k] for k in {**low, **high}}
    return high
