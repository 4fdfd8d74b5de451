"""Combinations that a spec may say, and that are seldom meant."""

from __future__ import annotations

import re
from collections.abc import Iterator

from codegen.errors import Diagnostic
from codegen.frozen import frozen
from codegen.spec import LoadedSpec
from codegen.spec.masks.reach import is_causal
from codegen.spec.masks.tree import parse_mask
from codegen.spec.tasks.decoders import DECODERS
from codegen.spec.transformer.resolve import head_dim, layer_kinds, resolve_block
from codegen.spec.transformer.stacks import encoder_model
from codegen.spec.transformer.vocabulary import Block, TransformerModel, TransformerSpec
from codegen.spec.yaml.source import Key

OFF = {
    "positions": "`positions: none`",
    "rope": "`rope: none`",
    "alibi": "`alibi: false`",
    "relative_bias": "`relative_bias: none`",
}
TWICE = (  # relative biases beside learned positions are MPNet's
    ("positions", "rope"),
    ("positions", "alibi"),
    ("rope", "alibi"),
    ("rope", "relative_bias"),
    ("alibi", "relative_bias"),
)
WITHOUT_DISTANCE = {"full", "padding", "document"}  # masks that treat all places alike


@frozen
class _Doubt:
    """What is odd, where it is said, and what may be meant instead."""

    key: Key
    message: str
    hint: str


@frozen
class _Stack:
    """A model, or one of its two stacks: where a spec says it, and whose name it goes by.

    `decodes`: it makes tokens one by one.
    """

    model: TransformerModel
    at: Key
    decodes: bool
    reader: str = ""  # of one to which all that it reads is given at once, for each of its places

    @property
    def blocks(self) -> tuple[tuple[Key, Block], ...]:
        """Each kind of block that some layer is of, and the place of what it alone says."""
        kinds = dict.fromkeys(layer_kinds(self.model))
        return tuple(
            ((*self.at, "blocks", kind) if kind else self.at, resolve_block(self.model, kind))
            for kind in kinds
        )

    def said(self, at: Key, part: str, field: str) -> Key:
        """Where a field of a block is said: of its kind, or of all of them."""
        kind = at[-1] if at != self.at else None
        own = (
            kind is not None
            and field in getattr(self.model.blocks[str(kind)], part).model_fields_set
        )
        return (*(at if own else self.at), part, field)


def warn_of_doubts(loaded: LoadedSpec) -> tuple[Diagnostic, ...]:
    """A warning for each combination that is accepted and seldom meant."""
    spec = loaded.spec
    assert isinstance(spec, TransformerSpec), spec
    found = dict.fromkeys(_doubts(spec))
    return tuple(
        Diagnostic(one.message, loaded.tree.position(one.key), one.hint, "warning") for one in found
    )


def _doubts(spec: TransformerSpec) -> Iterator[_Doubt]:
    for stack in _stacks(spec):
        yield from _pixels(stack)
        yield from _order(stack)
        for at, block in stack.blocks:
            if block.mixer == "attention":
                yield from _positions(stack, at, block)
                yield from _sight(stack, at, block)
                yield from _heads(stack, at, block)
            yield from _choice(stack, at, block)


def _stacks(spec: TransformerSpec) -> Iterator[_Stack]:
    decodes = spec.task in (*DECODERS, "seq2seq-lm")
    if spec.task == "seq2seq-lm":
        yield _Stack(encoder_model(spec.model), ("model", "encoder"), False, "an encoder")
    reader = "a masked language model" if spec.task == "masked-lm" else ""
    yield _Stack(spec.model, ("model",), decodes, reader)


def _pixels(stack: _Stack) -> Iterator[_Doubt]:
    """Patches lie side by side from the first pixel on; what is left over is never read."""
    image = stack.model.image
    if image and (left := image.size % image.patch_size):
        message = f"no patch covers the last {left} of {image.size} rows and columns of pixels"
        near = image.size - left or image.patch_size
        hint = f"`size: {near}`, or a patch_size that divides {image.size}"
        yield _Doubt((*stack.at, "image", "patch_size"), message, hint)


def _ways(stack: _Stack, block: Block) -> dict[str, str]:
    """The ways in which a block tells where tokens are: the field of each, and what it is."""
    attention, absolute = block.attention, stack.model.embedding.positions
    ways = (
        ("positions", f"{absolute} positions", absolute != "none"),
        ("rope", "rotary positions", attention.rope is not None),
        ("alibi", "ALiBi", bool(attention.alibi)),
        ("relative_bias", "relative biases", attention.relative_bias is not None),
    )
    return {field: what for field, what, told in ways if told}


def _positions(stack: _Stack, at: Key, block: Block) -> Iterator[_Doubt]:
    """One way to tell where a token is."""
    ways = _ways(stack, block)
    for one, other in TWICE:
        if one in ways and other in ways:
            message = f"{ways[other]} beside {ways[one]}: both say where a token is"
            key = stack.said(at, "attention", other)
            yield _Doubt(key, message, f"{OFF[one]}, or {OFF[other]}")


def _order(stack: _Stack) -> Iterator[_Doubt]:
    """A decoder learns the order of tokens from its mask; an encoder has to be told it."""
    model = stack.model
    blocks = [block for _, block in stack.blocks if block.mixer == "attention"]
    told = any(_ways(stack, block) for block in blocks) or model.embedding.token_shift
    told = told or len(blocks) < len(stack.blocks)  # a convolution knows its taps apart
    if model.image:
        told = told or model.image.relative_bias != "none"
    alike = all(set(re.findall(r"[a-z]+", b.attention.mask)) <= WITHOUT_DISTANCE for b in blocks)
    if not told and alike and not stack.decodes:
        what = "patches" if model.image else "tokens"
        message = f"nothing tells where {what} are: their order makes no difference"
        hint = "`positions: learned`" if model.image else "`rope: {}`, or `positions: learned`"
        yield _Doubt((*stack.at, "embedding", "positions"), message, hint)


def _sight(stack: _Stack, at: Key, block: Block) -> Iterator[_Doubt]:
    """What fills masked tokens in, or reads a source, may look ahead."""
    if not stack.reader or not is_causal(parse_mask(block.attention.mask)):
        return
    message = f"{stack.reader} that sees no later token reads half of what it is given"
    yield _Doubt(
        stack.said(at, "attention", "mask"), message, "`mask: full`, or the task causal-lm"
    )


def _heads(stack: _Stack, at: Key, block: Block) -> Iterator[_Doubt]:
    """Rotary positions turn pairs within a head, whatever the heads' share of the width is."""
    attention, width = block.attention, stack.model.d_model
    if not attention.rope or attention.latent or not width % attention.heads:
        return
    message = (
        f"{attention.heads} heads don't divide d_model ({width}): rotary positions turn the "
        f"{head_dim(stack.model, block)} dimensions of head_dim"
    )
    hint = f"a multiple of {attention.heads} as d_model, unless the widths are meant to differ"
    yield _Doubt(stack.said(at, "attention", "heads"), message, hint)


def _choice(stack: _Stack, at: Key, block: Block) -> Iterator[_Doubt]:
    """Experts are chosen; where all are active, nothing is sparse and no load differs."""
    experts = block.mlp.experts
    if not experts or experts.active < experts.count:
        return
    message = "each token goes to every expert: nothing is chosen"
    if experts.aux_loss or experts.router.correction:
        message += ", and no loads can be evened out"
    key = stack.said(at, "mlp", "experts")
    yield _Doubt((*key, "active"), message, "fewer active experts, or `experts: none`")
