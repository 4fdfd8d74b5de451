"""Norms that no model can have."""

from __future__ import annotations

from collections.abc import Iterator

from codegen.spec.mistake import Mistake
from codegen.spec.transformer.norms import InnerNorm, Norm
from codegen.spec.transformer.vocabulary import Block, TransformerModel
from codegen.spec.yaml.source import Key


def bias_without_place(key: Key, norm: Norm | InnerNorm) -> Iterator[Mistake]:
    """A bias is LayerNorm's, beside a gain."""
    if norm.bias and (norm.kind == "rms" or not norm.weight):
        what = "an RMSNorm" if norm.kind == "rms" else "a norm without weight"
        yield Mistake(key, f"{what} has no bias", "kind: layer has one")


def inner_norms(block: Block) -> dict[tuple[str, str], InnerNorm | None]:
    """The norms inside a block's sublayers, by their place in the block."""
    attention = block.attention
    of_attention = {
        ("attention", "qk_norm"): attention.qk_norm,
        ("attention", "v_norm"): attention.v_norm,
        ("attention", "output_norm"): attention.output_norm,
    }
    attends = block.mixer == "attention"
    of_mlp: dict[tuple[str, str], InnerNorm | None] = {
        ("mlp", "norm"): block.mlp.norm,
        ("mlp", "output_norm"): block.mlp.output_norm,
    }
    return {**(of_attention if attends else {}), **of_mlp}


def check_gains(model: TransformerModel, kinds: dict[str | None, Block]) -> Iterator[Mistake]:
    """The gains of one name start alike in all layers, which init_weights goes by."""
    first: dict[tuple[str, ...], bool] = {("norm",): model.norm.zero_centered}
    for kind, block in kinds.items():
        start: Key = ("model", "blocks", kind) if kind else ("model",)
        norms: list[tuple[tuple[str, ...], Norm | InnerNorm | None]] = [(("norm",), block.norm)]
        for place, norm in [*norms, *inner_norms(block).items()]:
            if norm is None:
                continue
            if first.setdefault(place, norm.zero_centered) != norm.zero_centered:
                message = "norms of one name must share zero_centered in all layers"
                yield Mistake((*start, *place), message)
