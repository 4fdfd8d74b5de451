"""What single fields can't know: combinations that no model can have. One function a rule."""

from __future__ import annotations

import importlib.util
import keyword
import math
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from codegen.spec.attention import Alibi, Attention
from codegen.spec.characters import MAX_WORD, word
from codegen.spec.check_image import check_image
from codegen.spec.check_kv_of import check_kv_of
from codegen.spec.check_latent import check_differential, check_latent
from codegen.spec.check_mlps import check_mlps
from codegen.spec.check_norms import bias_without_place, check_gains, inner_norms
from codegen.spec.check_rope import check_ropes
from codegen.spec.check_stacks import check_stacks
from codegen.spec.diagnose import suggestion
from codegen.spec.expression import ExpressionError
from codegen.spec.finding import Finding
from codegen.spec.formula import formula_of, terms_of
from codegen.spec.mask import parse_mask
from codegen.spec.reach import is_causal, shows_the_future
from codegen.spec.resolve import (
    layer_count,
    layer_kinds,
    output_width,
    resolve_block,
    resolve_norm,
    rotary_width,
    scale_numbers,
)
from codegen.spec.scale import evaluate, parse_scale
from codegen.spec.source import Key
from codegen.spec.stacks import encoder_model
from codegen.spec.transformer import Block, Layers, TransformerModel, TransformerSpec

NAME = re.compile(r"[a-z][a-z0-9_]*")
MAX_LAYERS = 10_000
MAPPINGS = Path(__file__).parent.parent / "importers/huggingface"


def check_name(name: str) -> Iterator[Finding]:
    """A package name that can be imported and hides nothing."""
    if not NAME.fullmatch(name) or len(name) > 80:
        hint = "lower-case letters, digits and `_`, beginning with a letter"
        yield Finding(("name",), f"`{word(name)}` can't be a package name", hint)
    elif keyword.iskeyword(name) or keyword.issoftkeyword(name):
        yield Finding(("name",), f"`{name}` is a Python keyword", f"for example `{name}_model`")
    elif _is_module(name):
        message = f"`{name}` is the name of an installed module"
        yield Finding(("name",), message, f"for example `{name}_model`")


def _is_module(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ValueError:  # imported, but by hand
        return True


def check_layers(spec: TransformerSpec) -> Iterator[Finding]:
    """Every layer names a block kind, and every block kind is in a layer."""
    blocks, layers = spec.model.blocks, spec.model.layers
    yield from _check_kinds(blocks)
    too_many = layer_count(spec.model) > MAX_LAYERS
    if too_many:
        said = ("count" if layers.count else "repeat",) if isinstance(layers, Layers) else ()
        at: Key = ("model", "layers", *said)
        yield Finding(at, f"{layer_count(spec.model)} layers, more than {MAX_LAYERS:,}")
    if isinstance(layers, Layers) and layers.count and "repeat" in layers.model_fields_set:
        message = "`count` says how many layers there are, and `repeat` too"
        yield Finding(("model", "layers", "repeat"), message, "drop one of them")
    if isinstance(layers, int):
        if len(blocks) > 1:
            hint = f"for example layers: {{pattern: [{', '.join(blocks)}], repeat: {layers}}}"
            yield Finding(
                ("model", "layers"), "several kinds of blocks, but no order of them", hint
            )
        return
    runs, place = (layers, ()) if isinstance(layers, list) else (layers.pattern, ("pattern",))
    if not runs:
        yield Finding(("model", "layers", *place), "a model needs at least one layer")
    for index, run in enumerate(runs):
        for kind in [run] if isinstance(run, str) else run:
            if kind not in blocks:
                hint = suggestion(kind, blocks) or f"known: {', '.join(blocks) or 'none'}"
                message = f"no block kind `{word(kind)}` in `blocks`"
                yield Finding(("model", "layers", *place, index), message, hint)
    there = set() if too_many else set(layer_kinds(spec.model))
    for kind in blocks:
        if kind not in there and not too_many:
            yield Finding(("model", "blocks", kind), f"no layer is of the kind `{word(kind)}`")


def _check_kinds(kinds: Iterable[str]) -> Iterator[Finding]:
    """Names of block kinds make names of classes: `local` makes LocalBlock."""
    classes: dict[str, str] = {}
    for kind in kinds:
        key: Key = ("model", "blocks", kind)
        if not NAME.fullmatch(kind) or len(kind) > MAX_WORD:
            yield Finding(key, f"`{word(kind)}` can't be the name of a block kind")
            continue
        other = classes.setdefault("".join(part.capitalize() for part in kind.split("_")), kind)
        if other != kind:
            yield Finding(key, f"`{kind}` and `{other}` would be classes of one name")


def check_blocks(spec: TransformerSpec) -> Iterator[Finding]:
    """Heads divide, rotary dims are even, masks are masks a decoder can have."""
    model = spec.model
    kinds: dict[str | None, Block] = {None: resolve_block(model, None)}
    if model.blocks:
        kinds = {kind: resolve_block(model, kind) for kind in model.blocks}
    for kind, block in kinds.items():
        yield from _check_block(spec, kind, block)
    yield from check_kv_of(model, kinds, spec.task)
    yield from check_ropes(model, kinds)
    yield from check_gains(model, kinds)
    yield from _check_shared_scores(kinds)
    yield from check_mlps(model, kinds)
    yield from _check_shared_bias(kinds)
    yield from check_scale(("model", "embedding", "scale"), model.embedding.scale, model, Block())
    yield from check_scale(("model", "head", "scale"), model.head.scale, model, Block())


def check_ends(spec: TransformerSpec) -> Iterator[Finding]:
    """The embedding and the head fit the stream between them, and each other."""
    model = spec.model
    embedding, head = model.embedding, model.head
    if embedding.token_shift and embedding.dim:
        message = "a token shift is of vectors as wide as the model's"
        yield Finding(("model", "embedding", "token_shift"), message, "drop embedding.dim")
    if embedding.norm_of == "tokens" and (embedding.token_shift or embedding.dim):
        message = "a norm of tokens alone is of vectors as wide as the model's, unshifted"
        yield Finding(("model", "embedding", "norm_of"), message)
    if embedding.position_offset and embedding.positions == "none":
        key: Key = ("model", "embedding", "position_offset")
        yield Finding(key, "an offset, but no positions", "positions: learned or sinusoidal")
    narrow = embedding.dim if embedding.dim and embedding.projected != "tokens" else None
    if embedding.positions == "sinusoidal" and (narrow or model.d_model) % 2:
        message = f"sines and cosines need an even width, not {narrow or model.d_model}"
        yield Finding(("model", "embedding", "positions"), message)
    if embedding.tied and embedding.extra_tokens:
        message = "a tied head predicts all tokens that there are"
        yield Finding(("model", "embedding", "extra_tokens"), message, "tied: false")
    if embedding.tied and head.dim and head.dim != (embedding.dim or model.d_model):
        message = f"a tied head reads {embedding.dim or model.d_model} numbers, not {head.dim}"
        yield Finding(("model", "head", "dim"), message, "drop it, or tied: true")
    if head.transform is None and output_width(model) != model.d_model:
        message = f"nothing makes {output_width(model)} of {model.d_model} numbers for the head"
        hint = "head: {transform: {activation: identity, norm: false, bias: false}}"
        yield Finding(("model", "head"), message, hint)
    transform_norm = head.transform.norm if head.transform else False
    for key, own in (
        (("model", "embedding", "norm"), embedding.norm),
        (("model", "final_norm"), model.final_norm),
        (("model", "head", "transform", "norm"), transform_norm),
    ):
        norm = resolve_norm(model, own)
        if norm and not isinstance(own, bool):
            yield from bias_without_place((*key, "bias"), norm)
    last = resolve_norm(model, model.final_norm)
    if last and last.zero_centered != model.norm.zero_centered:
        message = "the last norm has gains of the same kind as the others"
        yield Finding(("model", "final_norm"), message, "say zero_centered in `norm`")
    if head.transform and head.transform.activation == "xielu":
        key = ("model", "head", "transform", "activation")
        yield Finding(key, "a head's layer has no learned slopes", "another activation")


def check_order(spec: TransformerSpec) -> Iterator[Finding]:
    """Layers are passed more than once only where nothing is kept of them."""
    order, layers = spec.model.order, layer_count(spec.model)
    if order is None:
        return
    if spec.task == "causal-lm":
        message = "a decoder passes each layer once: its cache has a place for each"
        yield Finding(("model", "order"), message)
    for index, layer in enumerate(order):
        if layer >= layers:
            message = f"there is no layer {layer}: they are 0 to {layers - 1}"
            yield Finding(("model", "order", index), message)
    for layer in range(min(layers, MAX_LAYERS)):
        if layer not in order:
            yield Finding(("model", "order"), f"layer {layer} is never passed")
            return


def _check_shared_scores(kinds: dict[str | None, Block]) -> Iterator[Finding]:
    """All layers with slopes, or with a temperature, have the same."""
    first: dict[str, object] = {}
    for kind, block in kinds.items():
        at: Key = ("model", "blocks", str(kind), "attention") if kind else ("model", "attention")
        attention = block.attention
        alibi = attention.alibi.slopes if isinstance(attention.alibi, Alibi) else "bloom"
        for field, value in (
            ("alibi", alibi if attention.alibi else None),
            ("temperature", attention.temperature),
        ):
            if value is not None and first.setdefault(field, value) != value:
                message = f"all layers with a field `{field}` must share one"
                yield Finding((*at, field), message)


def _check_shared_bias(kinds: dict[str | None, Block]) -> Iterator[Finding]:
    """Layers that share a table of biases have its numbers, and as many heads as it has."""
    attentions = {kind: block.attention for kind, block in kinds.items()}
    found = [a.relative_bias for a in attentions.values() if a.relative_bias]
    first = next((relative for relative in found if relative.shared), None)
    if first is None:
        return
    heads = next(iter(attentions.values())).heads
    for kind, attention in attentions.items():
        at: Key = ("model", "blocks", str(kind), "attention") if kind else ("model", "attention")
        if attention.relative_bias not in (None, first):
            message = "all layers with a bias by distance must share one that is shared"
            yield Finding((*at, "relative_bias"), message)
        if attention.heads != heads:
            message = "layers that share a bias by distance must have the same heads"
            yield Finding((*at, "heads"), message)


def _check_block(spec: TransformerSpec, kind: str | None, block: Block) -> Iterator[Finding]:
    attention, norm = block.attention, block.norm
    own = spec.model.blocks[kind] if kind else Block()

    def at(part: str, field: str) -> Key:
        """Where the field is said: in the block kind, or for all of them."""
        said = field in getattr(own, part).model_fields_set
        return ("model", "blocks", str(kind), part, field) if said else ("model", part, field)

    yield from check_scale(at("attention", "scale"), attention.scale, spec.model, block)
    heads, kv_heads = attention.heads, attention.kv_heads or attention.heads
    if heads % kv_heads:
        hint = f"divisors of {heads}: {', '.join(map(str, divisors(heads)))}"
        message = f"{heads} heads can't share {kv_heads} key-value heads evenly"
        yield Finding(at("attention", "kv_heads"), message, hint)
    for field, message, advice in (*check_latent(attention), *check_differential(attention)):
        yield Finding(at("attention", field), message, advice)
    width = rotary_width(spec.model, block)
    if not (attention.latent or attention.head_dim) and spec.model.d_model % heads:
        message = f"d_model {spec.model.d_model} is not divisible by {heads} heads"
        yield Finding(at("attention", "heads"), message, "set head_dim, or change one of them")
    elif attention.rope is not None and attention.rope.dim is None and width % 2:
        field = "latent" if attention.latent else "head_dim"
        name = "rope_dim" if attention.latent else "head_dim"
        message = f"rotary positions need an even {name}, not {width}"
        yield Finding(at("attention", field), message)
    yield from bias_without_place(at("norm", "bias"), norm)
    for (part, field), inner in inner_norms(block).items():
        if inner:
            yield from bias_without_place((*at(part, field), "bias"), inner)
    yield from _check_relative_bias(at("attention", "relative_bias"), attention)
    residual, qk_norm = block.residual, attention.qk_norm
    if residual.layout == "parallel" and norm.placement != "pre":
        hint = "`placement: pre`, or the sequential layout"
        yield Finding(at("norm", "placement"), "parallel sublayers have norms before them", hint)
    if residual.normed and (residual.layout == "parallel" or norm.placement != "pre"):
        message = "only sublayers that follow each other, with norms before, add to what is normed"
        yield Finding(at("residual", "normed"), message)
    if residual.shared_norm and residual.layout != "parallel":
        message = "sublayers that follow each other can't share a norm"
        yield Finding(at("residual", "shared_norm"), message, "`layout: parallel`")
    before = norm.placement in ("pre", "sandwich")
    if not residual.attention_norm and (residual.shared_norm or residual.normed or not before):
        message = "there is no norm of attention's own before it that could be left out"
        yield Finding(at("residual", "attention_norm"), message)
    if qk_norm and qk_norm.after_rope and qk_norm.over != "head":
        message = "after rotary positions only whole heads are normalised"
        yield Finding(at("attention", "qk_norm"), message, "`over: head`")
    if qk_norm and qk_norm.over == "each_head" and (qk_norm.bias or not qk_norm.weight):
        message = "a norm with a gain for each head has a weight and no bias"
        yield Finding(at("attention", "qk_norm"), message)
    if not terms_of(formula_of(parse_mask(attention.mask))):
        yield Finding(at("attention", "mask"), "no query sees any key under this mask")
    decodes = spec.task in ("causal-lm", "seq2seq-lm")
    if decodes and shows_the_future(parse_mask(attention.mask)):
        message = "a causal language model would see the token that it predicts"
        yield Finding(at("attention", "mask"), message, f"`causal & ({attention.mask})`")


def _check_relative_bias(key: Key, attention: Attention) -> Iterator[Finding]:
    """Some buckets are for one distance each, the others reach further (T5, section 2.1)."""
    relative = attention.relative_bias
    if relative is None:
        return
    causal = is_causal(parse_mask(attention.mask))
    exact = relative.buckets // (2 if causal else 4)
    if exact < 1:
        message = f"{relative.buckets} buckets are too few for both directions"
        yield Finding((*key, "buckets"), message, "at least 4")
    elif relative.max_distance <= exact:
        message = f"max_distance {relative.max_distance} is not beyond the {exact} exact distances"
        yield Finding((*key, "max_distance"), message, f"more than {exact}, or fewer buckets")


def check_scale(
    key: Key, scale: float | str | None, model: TransformerModel, block: Block
) -> Iterator[Finding]:
    """A scale is a positive number at the sizes that the model has."""
    if not isinstance(scale, str):
        return
    try:
        value = evaluate(parse_scale(scale), scale_numbers(model, block))
    except ExpressionError as error:
        yield Finding(key, error.message, at=(scale, error.offset, error.length))
        return
    if not 0 < value < math.inf:
        yield Finding(key, f"a scale is a positive number, not {value:g}")


def check_encoder(spec: TransformerSpec) -> Iterator[Finding]:
    """The encoder of an encoder-decoder is an encoder by itself."""
    if spec.task == "seq2seq-lm":
        model = encoder_model(spec.model)
        alone = spec.model_copy(update={"task": "masked-lm", "model": model})
        for finding in (*check_layers(alone), *check_blocks(alone)):
            yield replace(finding, key=("model", "encoder", *finding.key[1:]))


def check_training(spec: TransformerSpec) -> Iterator[Finding]:
    """Training fits the model and itself."""
    train, model = spec.train, spec.model
    if train.context and train.context > model.context_length:
        message = f"{train.context} tokens a sequence, but context_length is {model.context_length}"
        yield Finding(("train", "context"), message)
    if train.schedule.warmup > train.steps:
        message = f"{train.schedule.warmup} steps of warm-up in a run of {train.steps}"
        yield Finding(("train", "schedule", "warmup"), message)
    masked = spec.task == "masked-lm"
    if train.tokenizer == "byte" and model.vocab_size < 256 + masked:
        tokens = "256 bytes and a mask token" if masked else "256 bytes"
        yield Finding(
            ("model", "vocab_size"), f"{tokens} don't fit a vocabulary of {model.vocab_size}"
        )
    if train.mask_token is not None and not masked:
        yield Finding(("train", "mask_token"), f"nothing is masked in {spec.task}")


def check_checkpoint(spec: TransformerSpec) -> Iterator[Finding]:
    """The other library's model type is one we have a mapping for."""
    wanted = spec.checkpoint.huggingface
    known = sorted(path.stem for path in MAPPINGS.glob("*.yaml"))
    if wanted is not None and wanted not in known:
        hint = suggestion(wanted, known) or "docs/importing.md says how to add one"
        message = f"no mapping for Hugging Face's `{wanted}`"
        yield Finding(("checkpoint", "huggingface"), message, hint)


def check_target(spec: TransformerSpec) -> Iterator[Finding]:
    """The device is described, and of the kind that the target says."""
    arch = spec.target.arch
    known = sorted(path.stem for path in MAPPINGS.parent.parent.joinpath("targets").glob("*.yaml"))
    if arch is not None and arch not in known:
        hint = suggestion(arch, known) or f"known: {', '.join(known)}"
        yield Finding(("target", "arch"), f"no device `{arch}`", hint)


def divisors(number: int) -> list[int]:
    """The divisors of a number, the largest eight of them."""
    small = [n for n in range(1, min(number, 4096) + 1) if number % n == 0]
    return small[-8:]


CHECKS: dict[str, tuple[Callable[[TransformerSpec], Iterator[Finding]], ...]] = {
    "transformer": (
        check_layers,
        check_blocks,
        check_stacks,
        check_encoder,
        check_image,
        check_ends,
        check_order,
        check_training,
        check_checkpoint,
        check_target,
    ),
}
