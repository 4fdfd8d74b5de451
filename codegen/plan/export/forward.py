"""A config's fields, read as the importer reads them: the spec that they come to, in full."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from codegen.frozen import frozen
from codegen.importers.config import parse_config
from codegen.importers.mapping import Mapping as Mapped
from codegen.importers.spec_text import spec_text
from codegen.importers.translate import translate
from codegen.spec import Spec, load_text
from codegen.spec.transformer.resolve import (
    default_width,
    head_dim,
    layer_kinds,
    resolve_block,
    value_dim,
)
from codegen.spec.transformer.stacks import cross_attention_block, encoder_model
from codegen.spec.transformer.vocabulary import Block, TransformerModel, TransformerSpec

Path = tuple[str | int, ...]
IN_LAYERS = {"layers", "blocks", "attention", "mlp", "norm", "residual", "conv", "mixer"}
STACKS = {"encoder", "cross_attention"}
NO_BEARING = {("init",), ("layer_scale",), ("drop_path",)}  # how training starts


@frozen
class Profile:
    """What a spec says: of the whole model, of each layer with all of its fields, of an encoder."""

    whole: dict[str, Any]
    layers: tuple[dict[str, Any], ...]
    encoder: Profile | None
    cross: dict[str, Any] | None
    data: dict[str, Any]


def profile(spec: Spec) -> Profile:
    """What a transformer's spec says in full."""
    assert isinstance(spec, TransformerSpec), spec
    stacked = spec.task == "seq2seq-lm"
    data = {name: value for name, value in spec.data.said().items() if name in ("labels", "pair")}
    return _profile(spec.model, data, stacked=stacked)


def _profile(model: TransformerModel, data: dict[str, Any], *, stacked: bool) -> Profile:
    said = model.model_dump()
    whole = {
        k: v for k, v in said.items() if k not in IN_LAYERS | STACKS and (k,) not in NO_BEARING
    }
    whole["order"] = said.get("order")
    kinds = layer_kinds(model)
    blocks = {kind: _block(model, resolve_block(model, kind)) for kind in dict.fromkeys(kinds)}
    encoder = _profile(encoder_model(model), {}, stacked=False) if stacked else None
    if encoder:
        encoder.whole["shared_embedding"] = None if model.encoder.shared_embedding else False
    cross = _block(model, cross_attention_block(model)) if stacked else None
    return Profile(whole, tuple(blocks[kind] for kind in kinds), encoder, cross, data)


def _block(model: TransformerModel, block: Block) -> dict[str, Any]:
    """A layer's fields; those that follow from others stand there, too."""
    said = block.model_dump()
    attention, mlp = said["attention"], said["mlp"]
    if block.mixer != "attention":
        said["attention"] = None
    elif not block.attention.latent:
        attention["kv_heads"] = attention["kv_heads"] or attention["heads"]
        attention["head_dim"] = head_dim(model, block)
        attention["value_dim"] = value_dim(model, block)
    if experts := mlp["experts"]:
        experts["d_ff"] = experts["d_ff"] or mlp["d_ff"]
        shared = experts["shared"] or {}
        shared |= {"d_ff": shared.get("d_ff") or experts["d_ff"]} if shared else {}
        if mlp["d_ff"] is None:  # which no layer reads
            mlp["d_ff"] = experts["d_ff"]
    gated = block.mlp.kind == "gated"
    mlp["d_ff"] = mlp["d_ff"] or default_width(model.d_model, gated=gated)
    return said


def read(fields: Mapping[str, Any], mapping: Mapped) -> TransformerSpec:
    """What the fields come to under a mapping; TgenError says what of them can't be imported."""
    translated = translate(parse_config(json.dumps(fields), "config.json"), mapping)
    spec = load_text(spec_text("there", translated.spec, ""), "there.yaml").spec
    assert isinstance(spec, TransformerSpec), spec
    return spec
