"""Mixers that no model can have, and what is said of mixers that no layer has."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from codegen.spec.mistake import Mistake
from codegen.spec.transformer.resolve import attending
from codegen.spec.transformer.vocabulary import (
    MIXERS,
    TASK_DEFAULTS,
    Block,
    TransformerModel,
    TransformerSpec,
)
from codegen.spec.yaml.source import Key


def check_mixers(spec: TransformerSpec, kinds: dict[str | None, Block]) -> Iterator[Mistake]:
    """What is said of a mixer is said of one that is there, and it fits what stands beside it."""
    model, attended = spec.model, attending(kinds)
    yield from _idle(model, kinds, TASK_DEFAULTS.get(spec.task, {}))
    if not attended:
        yield from _bare(("model",), model)
    for kind, block in model.blocks.items():
        if kind not in attended:
            yield from _bare(("model", "blocks", kind), block)


def _bare(at: Key, part: TransformerModel | Block) -> Iterator[Mistake]:
    """Attention without a norm before it, where nothing attends."""
    if not part.residual.attention_norm:
        message = "there is no attention here whose norm could be left out"
        yield Mistake((*at, "residual", "attention_norm"), message, "drop it")


def _idle(
    model: TransformerModel, kinds: dict[str | None, Block], defaults: dict[str, Any]
) -> Iterator[Mistake]:
    """What counts in no layer: of a block kind with another mixer, or of none in the model."""
    there = {block.mixer for block in kinds.values()}
    for mixer in MIXERS:
        if mixer not in there and said(model, mixer) - set(defaults.get(mixer, ())):
            message = f"`{mixer}` means nothing without a layer of `mixer: {mixer}`"
            yield Mistake(("model", mixer), message, f"drop it, or say `mixer: {mixer}`")
        for kind, block in model.blocks.items():
            if said(block, mixer) and kinds[kind].mixer != mixer:
                message = f"`{mixer}` means nothing beside `mixer: {kinds[kind].mixer}`"
                hint = f"drop it, or say `mixer: {mixer}`"
                yield Mistake(("model", "blocks", kind, mixer), message, hint)


def said(part: TransformerModel | Block, mixer: str) -> set[str]:
    """The fields of a mixer that are said there."""
    return set(getattr(part, mixer).model_fields_set)
