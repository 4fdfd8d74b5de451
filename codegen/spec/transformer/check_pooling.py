"""Models of whole texts that can't be."""

from __future__ import annotations

import re
from collections.abc import Iterator

from codegen.spec.mistake import Mistake
from codegen.spec.transformer.resolve import attending, masks_of, resolve_block
from codegen.spec.transformer.vocabulary import TransformerSpec
from codegen.spec.yaml.source import Key

TASKS = ("sequence-classification", "tagging", "embedding")


def check_pooling(spec: TransformerSpec) -> Iterator[Mistake]:
    """A row is one text, whose beginning and end are known, and all of it is read."""
    model = spec.model
    if spec.task not in TASKS:
        return
    found = []
    kinds = {kind: resolve_block(model, kind) for kind in model.blocks or (None,)}
    for kind, block in attending(kinds).items():
        mask = block.attention.mask
        own = kind and "mask" in model.blocks[kind].attention.model_fields_set
        place: Key = ("model", "blocks", str(kind)) if own else ("model",)
        for atom in re.findall(r"\b(?:document|prefix)\b(?!\()", mask):
            message = f"`{atom}` is of rows that hold several parts, and here each is one text"
            found.append(Mistake((*place, "attention", "mask"), message))
    yield from dict.fromkeys(found)
    masks = masks_of(model)
    if model.pooling.kind == "class" and not any("padding" in mask for mask in masks):
        message = "the first token's vector, under masks that can't tell padding from a text"
        yield Mistake(("model", "pooling", "kind"), message, "mask: padding, or another pooling")
