"""What an image classifier can't be: combinations that single fields can't know of."""

from __future__ import annotations

from collections.abc import Iterator

from codegen.spec.finding import Finding
from codegen.spec.image import Image
from codegen.spec.mask import Atom, parse_mask
from codegen.spec.resolve import resolve_block
from codegen.spec.source import Key
from codegen.spec.transformer import TransformerModel, TransformerSpec

OF_TOKENS: tuple[tuple[str, tuple[str, ...]], ...] = (  # parts of a model that have nothing here
    ("", ("vocab_size", "context_length")),
    ("embedding", ("tied", "scale", "token_shift")),
    ("head", ("softcap", "z_loss")),
)
READS = {  # what each kind of pooling can't do without
    "class": ("class_token",),
    "class_mean": ("class_token",),
    "class_distillation": ("class_token", "distillation_token"),
}


def check_image(spec: TransformerSpec) -> Iterator[Finding]:
    """An image classifier has patches and classes, and nothing of tokens; no other task has."""
    model, images = spec.model, spec.task == "image-classification"
    if not images:
        if model.image is not None:
            yield Finding(("model", "image"), "only `task: image-classification` sees images")
        return
    if model.image is None:
        yield Finding(("model", "image"), "an image classifier needs to know its images")
        return
    for part, fields in OF_TOKENS:
        inner = getattr(model, part) if part else model
        for field in fields:
            if field in inner.model_fields_set:
                key: Key = ("model", part, field) if part else ("model", field)
                yield Finding(key, f"an image classifier has no `{field}`")
    if spec.train.context:
        yield Finding(("train", "context"), "an image classifier has no `context`")
    yield from _check_tokens(model.image)
    yield from _check_attention(model, model.image)


def _check_tokens(image: Image) -> Iterator[Finding]:
    if image.patch_size > image.size:
        message = f"patches of {image.patch_size} pixels in images of {image.size}"
        yield Finding(("model", "image", "patch_size"), message)
    for token in READS.get(image.pooling or "", ()):
        if not getattr(image, token):
            message = f"`{image.pooling}` reads a {token.replace('_', ' ')} that there isn't"
            yield Finding(("model", "image", "pooling"), message, f"{token}: true")
    alone = image.class_token and not (image.distillation_token or image.register_tokens)
    if image.relative_bias != "none" and not alone:
        message = "a bias by offset knows patches and one class token, nothing else"
        yield Finding(("model", "image", "relative_bias"), message)


def _check_attention(model: TransformerModel, image: Image) -> Iterator[Finding]:
    """Every patch sees every patch, at places that are no numbers in a row."""
    heads = set()
    for kind in model.blocks or (None,):
        attention = resolve_block(model, kind).attention
        heads.add(attention.heads)
        at: Key = ("model", "blocks", kind, "attention") if kind else ("model", "attention")
        if parse_mask(attention.mask) != Atom("full"):
            yield Finding((*at, "mask"), "patches all see each other", "mask: full")
        for field in ("rope", "alibi", "relative_bias", "temperature", "latent"):
            if getattr(attention, field):
                message = f"`{field}` is for tokens in a row, and patches have two coordinates"
                yield Finding((*at, field), message, "image.relative_bias, or learned positions")
        if resolve_block(model, kind).mlp.experts:
            yield Finding(("model", "mlp", "experts"), "an image classifier has no experts")
        if image.relative_bias != "none" and (attention.softcap or attention.sinks):
            field = "softcap" if attention.softcap else "sinks"
            yield Finding((*at, field), f"`{field}` can't be combined with image.relative_bias")
    if len(heads) > 1 and image.relative_bias != "none":
        message = "a bias by offset needs layers with the same number of heads"
        yield Finding(("model", "image", "relative_bias"), message)
    if len(model.blocks) > 1 and image.pooling == "attention":
        message = "a learned query attends as the layers do, and they are of several kinds"
        yield Finding(("model", "image", "pooling"), message)
