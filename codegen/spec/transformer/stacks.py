"""An encoder-decoder's two stacks, each as the model that it would be alone."""

from __future__ import annotations

from typing import Any

from codegen.spec.transformer.attention import CrossAttention
from codegen.spec.transformer.resolve import merged
from codegen.spec.transformer.vocabulary import Block, TransformerModel

OF_THE_DECODER = ("encoder", "cross_attention", "head")


def encoder_model(model: TransformerModel) -> TransformerModel:
    """The encoder: its own fields over the model's, and a mask of its own.

    Its `blocks` stand for all of the model's, and so does a mere number of `layers`.
    """
    said = model.said()
    own = model.encoder.said()
    own.pop("shared_embedding", None)
    for name in OF_THE_DECODER:
        said.pop(name, None)
    if "blocks" in own or isinstance(own.get("layers"), int):
        said.pop("blocks", None)
    for part in (said, *said.get("blocks", {}).values()):
        part.get("attention", {}).pop("mask", None)
    whole: dict[str, Any] = merged(said, own)
    whole.setdefault("attention", {}).setdefault("mask", "padding")
    return TransformerModel.model_validate(whole)


def cross_attention_block(model: TransformerModel) -> Block:
    """The decoder's attention to the source, as a block's: like its own but for what it says."""
    said = model.attention.said()
    said = {name: value for name, value in said.items() if name in CrossAttention.model_fields}
    own = model.cross_attention.said()
    attention = {**merged(said, own), "rope": None, "mask": "full"}
    norm = model.norm.said()
    return Block.model_validate({"attention": attention, "norm": norm})
