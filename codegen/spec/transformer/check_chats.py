"""Models of chats that can't be."""

from __future__ import annotations

import re
from collections.abc import Iterator

from codegen.spec.masks.formula import formula_of
from codegen.spec.masks.reach import by_distance
from codegen.spec.masks.tree import parse_mask
from codegen.spec.mistake import Mistake
from codegen.spec.tasks.chat import ChatData
from codegen.spec.tasks.preference import PreferenceData
from codegen.spec.transformer.attention import Attention
from codegen.spec.transformer.resolve import attending, resolve_block
from codegen.spec.transformer.vocabulary import TransformerSpec
from codegen.spec.yaml.source import Key

UNPACKED = "data: {packing: false}"


def check_chats(spec: TransformerSpec) -> Iterator[Mistake]:
    """A text is a chat, of which nothing is said but its tokens; packed, it is as it were alone."""
    if not isinstance(spec.data, ChatData | PreferenceData):
        return
    if spec.task == "preference" and spec.model.head.z_loss:
        message = "the log-probabilities of answers have no such part"
        yield Mistake(("model", "head", "z_loss"), message, "drop it")
    packed = isinstance(spec.data, ChatData) and spec.data.packing
    yield from dict.fromkeys(_of_masks(spec, packed=packed))
    if packed:
        yield from _of_rows(spec)


def _of_masks(spec: TransformerSpec, *, packed: bool) -> Iterator[Mistake]:
    for place, attention in _attentions(spec):
        for atom in re.findall(r"\b(?:document|prefix|padding)\b(?!\()", attention.mask):
            message = f"`{atom}` is said of each row, and here each text is a chat of its own"
            hint = "drop it: with packing, chats don't see each other" * (atom == "document")
            yield Mistake((*place, "attention", "mask"), message, hint or None)
            return
        if packed and not by_distance(formula_of(parse_mask(attention.mask))):
            message = "this mask knows where in a row a token is, and packed chats lie anywhere"
            yield Mistake((*place, "attention", "mask"), message, UNPACKED)
        scaling = attention.rope and attention.rope.scaling
        if packed and scaling and scaling.kind in ("dynamic", "longrope"):
            message = "these angles depend on how long a row is, and packed chats share one"
            yield Mistake((*place, "attention", "rope"), message, UNPACKED)


def _attentions(spec: TransformerSpec) -> Iterator[tuple[Key, Attention]]:
    """Those of each kind of block that attends, and where they are said."""
    model = spec.model
    kinds = {kind: resolve_block(model, kind) for kind in model.blocks or (None,)}
    for kind, block in attending(kinds).items():
        own = kind and "mask" in model.blocks[kind].attention.model_fields_set
        yield ("model", "blocks", str(kind)) if own else ("model",), block.attention


def _of_rows(spec: TransformerSpec) -> Iterator[Mistake]:
    if spec.model.embedding.token_shift:
        message = "a token reads the one before it, which may be of another packed chat"
        yield Mistake(("model", "embedding", "token_shift"), message, UNPACKED)
    if not any(True for _ in _attentions(spec)):
        message = "no mask keeps packed chats apart where no layer attends"
        yield Mistake(("model", "mixer"), message, UNPACKED)
