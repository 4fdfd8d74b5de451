"""Fields that say more of what a model doesn't have."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

from codegen.spec.mistake import Mistake
from codegen.spec.switches import Switched, switched
from codegen.spec.transformer.resolve import resolve_block
from codegen.spec.transformer.stacks import cross_attention_block, encoder_model
from codegen.spec.transformer.vocabulary import MIXERS, Block, TransformerModel, TransformerSpec
from codegen.spec.yaml.source import Key


def check_switches(spec: TransformerSpec) -> Iterator[Mistake]:
    """What is said of something counts somewhere, in a kind of block or in a stack."""
    counts: dict[Key, bool] = {}
    said: dict[Key, Switched] = {}
    for part, places in _parts(spec):
        for found in switched(part):
            key = next(key for place in places if _says(spec, key := (*place, *found.path)))
            counts[key] = counts.get(key, False) or found.on
            said[key] = found
    for key, used in counts.items():
        if not used:
            name, switch = ".".join(said[key].path), said[key].needs.said
            message = f"`{name}` means nothing without `{switch}`"
            yield Mistake(key, message, f"drop it, or say `{switch}`")


def _parts(spec: TransformerSpec) -> Iterator[tuple[BaseModel, list[Key]]]:
    """Each part of a model, with all that it inherits, and of its training; where it is said."""
    model = spec.model
    yield from _of_stack(model, [("model",)])
    if spec.train.finetune:
        yield spec.train.finetune, [("train", "finetune")]
    if spec.task == "seq2seq-lm":
        yield from _of_stack(encoder_model(model), [("model", "encoder"), ("model",)])
        places: list[Key] = [("model", "cross_attention"), ("model", "attention")]
        yield cross_attention_block(model).attention, places


def _of_stack(model: TransformerModel, at: list[Key]) -> Iterator[tuple[BaseModel, list[Key]]]:
    yield model.embedding, [(*place, "embedding") for place in at]
    yield model.head, [("model", "head")]
    for kind in model.blocks or (None,):
        block = resolve_block(model, kind)
        places: list[Key] = [(*place, "blocks", kind) for place in at if kind]
        for name in Block.model_fields:
            other = name in MIXERS and name != block.mixer
            if isinstance(part := getattr(block, name), BaseModel) and not other:
                yield part, [(*place, name) for place in (*places, *at)]


def _says(spec: TransformerSpec, key: Key) -> bool:
    """Whether a field is said at this place."""
    at: Any = spec
    for step in key:
        if isinstance(at, dict):
            if step not in at:
                return False
            at = at[step]
        elif isinstance(at, BaseModel) and step in at.model_fields_set:
            at = getattr(at, str(step))
        else:
            return False
    return True
