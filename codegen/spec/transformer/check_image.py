"""What an image classifier can't be: combinations that single fields can't know of."""

from __future__ import annotations

from collections.abc import Iterator

from codegen.spec.masks.tree import Atom, parse_mask
from codegen.spec.mistake import Mistake
from codegen.spec.transformer.attention import Attention
from codegen.spec.transformer.image import Image
from codegen.spec.transformer.resolve import resolve_block
from codegen.spec.transformer.vocabulary import TransformerModel, TransformerSpec
from codegen.spec.yaml.source import Key

READS = {  # what each kind of pooling can't do without
    "class": ("class_token",),
    "class_mean": ("class_token",),
    "class_distillation": ("class_token", "distillation_token"),
}


def check_image(spec: TransformerSpec) -> Iterator[Mistake]:
    """An image classifier has patches and classes, and no order of tokens."""
    model = spec.model
    if spec.task not in ("image-classification", "image-embedding"):
        return
    if model.image is None:
        yield Mistake(("model", "image"), "a model of images needs to know them")
        return
    if model.embedding.positions == "sinusoidal":
        message = "sinusoidal positions are for tokens in a row"
        yield Mistake(("model", "embedding", "positions"), message, "learned, or none")
    if spec.task == "image-embedding" and model.image.pooling == "class_distillation":
        message = "two tokens have a head each, and an embedding has none"
        yield Mistake(("model", "image", "pooling"), message, "class, mean, ...")
    yield from _check_tokens(model.image)
    yield from _check_attention(model, model.image)


def _check_tokens(image: Image) -> Iterator[Mistake]:
    if image.patch_size > image.size:
        message = f"patches of {image.patch_size} pixels in images of {image.size}"
        yield Mistake(("model", "image", "patch_size"), message)
    for token in READS.get(image.pooling or "", ()):
        if not getattr(image, token):
            message = f"`{image.pooling}` reads a {token.replace('_', ' ')} that there isn't"
            yield Mistake(("model", "image", "pooling"), message, f"{token}: true")
    alone = image.class_token and not (image.distillation_token or image.register_tokens)
    if image.relative_bias != "none" and not alone:
        message = "a bias by offset knows patches and one class token, nothing else"
        yield Mistake(("model", "image", "relative_bias"), message)


def _check_attention(model: TransformerModel, image: Image) -> Iterator[Mistake]:
    """Every patch sees every patch, at places that are no numbers in a row."""
    heads, found = set(), []
    for kind in model.blocks or (None,):
        block = resolve_block(model, kind)
        own = model.blocks[kind].attention.model_fields_set if kind else set()
        heads.add(block.attention.heads)
        for field, message, hint in _attention_findings(block.attention, image):
            place: Key = ("model", "blocks", str(kind)) if field in own else ("model",)
            found.append(Mistake((*place, "attention", field), message, hint))
    yield from dict.fromkeys(found)
    if len(heads) > 1 and image.relative_bias != "none":
        message = "a bias by offset needs layers with the same number of heads"
        yield Mistake(("model", "image", "relative_bias"), message)
    if len(model.blocks) > 1 and image.pooling == "attention":
        message = "a learned query attends as the layers do, and they are of several kinds"
        yield Mistake(("model", "image", "pooling"), message)


def _attention_findings(attention: Attention, image: Image) -> Iterator[tuple[str, str, str]]:
    """Fields that can't be said of patches: why not, and what to do."""
    if parse_mask(attention.mask) != Atom("full"):
        yield "mask", "patches all see each other", "mask: full"
    if attention.rope:
        message = "`rope` is for tokens in a row, and patches have two coordinates"
        yield "rope", message, "image.relative_bias, or learned positions"
    for field in ("softcap", "sinks"):
        if getattr(attention, field) and image.relative_bias != "none":
            message = f"`{field}` can't be combined with image.relative_bias"
            yield field, message, "one of them"
