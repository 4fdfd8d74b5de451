"""Kinds of blocks that no model can have: heads, norms and masks, alone and together."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from codegen.spec.masks.formula import formula_of, terms_of
from codegen.spec.masks.reach import form, plain, shows_the_future, window_of
from codegen.spec.masks.tree import Mask, parse_mask
from codegen.spec.mistake import Mistake
from codegen.spec.tasks.decoders import DECODERS
from codegen.spec.transformer.check_cache import check_cache
from codegen.spec.transformer.check_kv_of import check_kv_of
from codegen.spec.transformer.check_latent import check_differential, check_latent, check_values
from codegen.spec.transformer.check_mixers import check_mixers
from codegen.spec.transformer.check_mlps import check_mlps
from codegen.spec.transformer.check_norms import bias_without_place, check_gains, inner_norms
from codegen.spec.transformer.check_rope import check_ropes
from codegen.spec.transformer.check_scores import (
    check_relative_bias,
    check_scale,
    check_shared_bias,
    check_shared_scores,
)
from codegen.spec.transformer.resolve import (
    attending,
    head_dim,
    resolve_block,
    rotary_width,
    value_dim,
)
from codegen.spec.transformer.vocabulary import Block, TransformerModel, TransformerSpec
from codegen.spec.yaml.source import Key

MAX_HEAD_DIM = 2_048
MAX_FORMS = 6
MAX_MASK_WORDS = 192

Place = Callable[[str, str], Key]  # of a field in a part of a block: where it is said


def check_blocks(spec: TransformerSpec) -> Iterator[Mistake]:
    """Heads divide, rotary dims are even, masks are masks a decoder can have."""
    model = spec.model
    kinds: dict[str | None, Block] = {None: resolve_block(model, None)}
    if model.blocks:
        kinds = {kind: resolve_block(model, kind) for kind in model.blocks}
    for kind, block in kinds.items():
        yield from _check_block(spec, kind, block)
    attended = attending(kinds)
    yield from _check_masks(attended)
    yield from check_kv_of(model, attended)
    yield from check_cache(spec, attended)
    yield from check_ropes(model, attended)
    yield from check_gains(model, kinds)
    yield from check_shared_scores(attended)
    yield from check_mlps(model, kinds)
    yield from check_shared_bias(attended)
    yield from check_mixers(spec, kinds)
    yield from check_scale(("model", "embedding", "scale"), model.embedding.scale, model, Block())
    yield from check_scale(("model", "head", "scale"), model.head.scale, model, Block())


def _check_block(spec: TransformerSpec, kind: str | None, block: Block) -> Iterator[Mistake]:
    own = spec.model.blocks[kind] if kind else Block()

    def at(part: str, field: str) -> Key:
        """Where the field is said: in the block kind, or for all of them."""
        said = field in getattr(own, part).model_fields_set
        return ("model", "blocks", str(kind), part, field) if said else ("model", part, field)

    yield from check_scale(at("residual", "scale"), block.residual.scale, spec.model, block)
    if experts := block.mlp.experts:
        key = (*at("mlp", "experts"), "router", "logit_scale")
        yield from check_scale(key, experts.router.logit_scale, spec.model, block)
    yield from bias_without_place(at("norm", "bias"), block.norm)
    for (part, field), inner in inner_norms(block).items():
        if inner:
            yield from bias_without_place((*at(part, field), "bias"), inner)
    yield from _check_layout(at, block)
    if block.mixer == "attention":
        yield from _check_attention(at, spec, block)


def _check_attention(at: Place, spec: TransformerSpec, block: Block) -> Iterator[Mistake]:
    yield from check_scale(at("attention", "scale"), block.attention.scale, spec.model, block)
    yield from _check_heads(at, spec.model, block)
    yield from check_relative_bias(at("attention", "relative_bias"), block.attention)
    yield from _check_qk_norm(at, block)
    yield from _check_mask(at, block, decodes=spec.task in (*DECODERS, "seq2seq-lm"))


def _check_heads(at: Place, model: TransformerModel, block: Block) -> Iterator[Mistake]:
    attention = block.attention
    heads, kv_heads = attention.heads, attention.kv_heads or attention.heads
    if heads % kv_heads:
        hint = f"divisors of {heads}: {', '.join(map(str, divisors(heads)))}"
        message = f"{heads} heads can't share {kv_heads} key-value heads evenly"
        yield Mistake(at("attention", "kv_heads"), message, hint)
    broken = (check_latent, check_differential, check_values)
    for field, message, advice in (found for check in broken for found in check(attention)):
        yield Mistake(at("attention", field), message, advice)
    width = rotary_width(model, block)
    if not (attention.latent or attention.head_dim) and model.d_model % heads:
        message = f"d_model {model.d_model} is not divisible by {heads} heads"
        yield Mistake(at("attention", "heads"), message, "set head_dim, or change one of them")
    elif attention.rope is not None and attention.rope.dim is None and width % 2:
        field = "latent" if attention.latent else "head_dim"
        name = "rope_dim" if attention.latent else "head_dim"
        message = f"rotary positions need an even {name}, not {width}"
        yield Mistake(at("attention", field), message)
    yield from check_head_dims(model, block, at("attention", "head_dim"))


def check_head_dims(model: TransformerModel, block: Block, key: Key) -> Iterator[Mistake]:
    """Heads are narrow enough for kernels, which hold them in registers."""
    widest = max(head_dim(model, block), value_dim(model, block))
    if widest > MAX_HEAD_DIM:
        message = f"heads of {widest} dimensions: more than {MAX_HEAD_DIM:,}"
        yield Mistake(key, message, "more heads, or a smaller head_dim")


def _check_layout(at: Place, block: Block) -> Iterator[Mistake]:
    """How sublayers are joined fits where their norms stand."""
    residual, norm = block.residual, block.norm
    if residual.layout == "parallel" and norm.placement != "pre":
        hint = "`placement: pre`, or the sequential layout"
        yield Mistake(at("norm", "placement"), "parallel sublayers have norms before them", hint)
    if residual.normed and (residual.layout == "parallel" or norm.placement != "pre"):
        message = "only sublayers that follow each other, with norms before, add to what is normed"
        yield Mistake(at("residual", "normed"), message)
    if residual.depth_scaled and residual.layout == "parallel":
        message = "`depth_scaled` counts sublayers that follow each other"
        yield Mistake(at("residual", "depth_scaled"), message, "the sequential layout")
    if residual.depth_scaled and residual.low_rank:
        message = "a low-rank branch scales the stream otherwise"
        yield Mistake(at("residual", "depth_scaled"), message, "drop it, or `low_rank`")
    if residual.shared_norm and residual.layout != "parallel":
        message = "sublayers that follow each other can't share a norm"
        yield Mistake(at("residual", "shared_norm"), message, "`layout: parallel`")
    own_norms = block.mlp.experts and block.mlp.experts.own_norms
    if own_norms and (residual.normed or residual.shared_norm):
        message = "experts with norms of their own read the stream itself"
        key = (*at("mlp", "experts"), "own_norms")
        yield Mistake(key, message, "drop it, or residual.normed and residual.shared_norm")
    before = norm.placement in ("pre", "sandwich")
    bare = block.mixer == "attention" and not residual.attention_norm
    shared = residual.layout == "parallel" or residual.normed or bare
    if residual.low_rank and (shared or not before):
        message = "a low-rank branch reads attention's own norm, and the MLP comes after it"
        yield Mistake(at("residual", "low_rank"), message, "`placement: pre` or `sandwich`")
    if bare and (residual.shared_norm or residual.normed or not before):
        message = "there is no norm of attention's own before it that could be left out"
        yield Mistake(at("residual", "attention_norm"), message)


def _check_qk_norm(at: Place, block: Block) -> Iterator[Mistake]:
    qk_norm = block.attention.qk_norm
    if qk_norm and qk_norm.after_rope and qk_norm.over != "head":
        message = "after rotary positions only whole heads are normalised"
        yield Mistake(at("attention", "qk_norm"), message, "`over: head`")
    if qk_norm and qk_norm.over == "each_head" and (qk_norm.bias or not qk_norm.weight):
        message = "a norm with a gain for each head has a weight and no bias"
        yield Mistake(at("attention", "qk_norm"), message)


def _check_mask(at: Place, block: Block, *, decodes: bool) -> Iterator[Mistake]:
    """Some key is seen, and what makes tokens one by one sees none that are to come."""
    text = block.attention.mask
    mask = parse_mask(text)
    if not terms_of(formula_of(mask)):
        yield Mistake(at("attention", "mask"), "no query sees any key under this mask")
    if decodes and shows_the_future(mask):
        message = "a causal language model would see the token that it predicts"
        yield Mistake(at("attention", "mask"), message, f"`causal & ({text})`")


def _check_masks(kinds: dict[str | None, Block]) -> Iterator[Mistake]:
    """Each form of mask has kernels of its own, and a package is there to be read."""
    forms: set[Mask] = set()
    texts: set[str] = set()
    for kind, block in kinds.items():
        text = block.attention.mask
        mask = plain(parse_mask(text))
        if window_of(mask) is not None:
            continue
        forms.add(form(mask))
        texts.add(text)
        words = sum(len(re.findall(r"\w+", text)) for text in texts)
        key: Key = ("model", "blocks", str(kind), "attention", "mask")
        if len(forms) > MAX_FORMS:
            yield Mistake(key, f"more than {MAX_FORMS} forms of masks in a model, beside windows")
            return
        if words > MAX_MASK_WORDS:
            message = f"masks of more than {MAX_MASK_WORDS} numbers and words in all"
            yield Mistake(key, message)
            return


def divisors(number: int) -> list[int]:
    """The divisors of a number, the largest eight of them."""
    small = [n for n in range(1, min(number, 4096) + 1) if number % n == 0]
    return small[-8:]
