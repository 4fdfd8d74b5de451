"""The kinds of layers, a row each, and how one is written: a word, or a word and its fields."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Annotated, Any, Union, get_args

from pydantic import BeforeValidator, Discriminator, Tag
from pydantic_core import PydanticCustomError

from codegen.quoting import short
from codegen.spec.network.activation import ActivationLayer
from codegen.spec.network.attention import AttentionLayer
from codegen.spec.network.blocks import BlockUse
from codegen.spec.network.conv import ConvLayer
from codegen.spec.network.drop_path import DropPathLayer
from codegen.spec.network.dropout import DropoutLayer
from codegen.spec.network.fields import Function, LayerFields
from codegen.spec.network.flatten import (
    FlattenLayer,
    ReshapeLayer,
    TokensLayer,
    TransposeLayer,
)
from codegen.spec.network.joins import AlsoLayer, JoinLayer, ResidualLayer
from codegen.spec.network.linear import LinearLayer
from codegen.spec.network.norm import NormLayer
from codegen.spec.network.pool import MaxPoolLayer, MeanPoolLayer
from codegen.spec.network.recall import FromLayer
from codegen.spec.network.rescale import RescaleLayer
from codegen.spec.network.resize import UpsampleLayer
from codegen.spec.network.scale import ScaleLayer
from codegen.spec.network.shuffle import ChannelShuffleLayer, PixelShuffleLayer
from codegen.spec.network.split import PatchesLayer, SplitLayer
from codegen.spec.network.synonyms import layer_hint
from codegen.spec.network.unet import UNetLayer

KINDS: dict[str, type[LayerFields]] = {
    "conv": ConvLayer,
    "linear": LinearLayer,
    "norm": NormLayer,
    **dict.fromkeys(get_args(Function), ActivationLayer),
    "max_pool": MaxPoolLayer,
    "mean_pool": MeanPoolLayer,
    "upsample": UpsampleLayer,
    "pixel_shuffle": PixelShuffleLayer,
    "pixel_unshuffle": PixelShuffleLayer,
    "channel_shuffle": ChannelShuffleLayer,
    "dropout": DropoutLayer,
    "drop_path": DropPathLayer,
    "scale": ScaleLayer,
    "rescale": RescaleLayer,
    "flatten": FlattenLayer,
    "reshape": ReshapeLayer,
    "tokens": TokensLayer,
    "transpose": TransposeLayer,
    "attention": AttentionLayer,
    "from": FromLayer,
    "add": JoinLayer,
    "concat": JoinLayer,
    "multiply": JoinLayer,
    "subtract": JoinLayer,
    "residual": ResidualLayer,
    "dense": AlsoLayer,
    "gate": AlsoLayer,
    "split": SplitLayer,
    "patches": PatchesLayer,
    "unet": UNetLayer,
}
# The names of the blocks of the model that is being read.
BLOCKS: ContextVar[tuple[str, ...] | None] = ContextVar("BLOCKS", default=None)
OF_ALL = ("as", "when")  # what may stand beside any layer
OF_USES = (*OF_ALL, "repeat")
SHOWN = 80  # characters of what a message quotes


def written_out(value: Any) -> Any:
    """`linear: 128` is short for `linear: {width: 128}`, and `relu` for `relu: {}`."""
    if isinstance(value, str):
        return _whole(value, {})
    beside = {}
    if isinstance(value, dict) and len(value) > 1:
        beside = {name: said for name, said in value.items() if name in OF_USES}
        value = {name: said for name, said in value.items() if name not in OF_USES}
    if not isinstance(value, dict) or len(value) != 1:
        raise ValueError("a layer is a word, or a word with its fields")
    ((kind, said),) = value.items()
    if isinstance(said, dict):
        _check_commas(said)
        return _whole(kind, {**beside, **said})
    main = KINDS.get(kind, BlockUse).main
    if said is None:
        return _whole(kind, beside)
    if main == "":
        raise ValueError(f"`{kind}` stands alone")
    return _whole(kind, {**beside, main: said})


def _whole(kind: str, said: dict[str, Any]) -> dict[str, Any]:
    if kind == "norm" and "kind" in said:
        said = {"of" if name == "kind" else name: value for name, value in said.items()}
    if "kind" in said and kind in KINDS:
        raise ValueError(f"`{kind}` is of one kind")
    if kind in KINDS:
        return {**said, "kind": kind}
    known = BLOCKS.get()
    if known is not None and kind not in known:
        hint = layer_hint(str(kind), (*KINDS, *known))
        others = f"the blocks are: {', '.join(known)}" if known else ""
        context = {"word": str(kind), "hint": hint or others}
        raise PydanticCustomError("unknown_layer", "no layer `{word}`", context)
    own = {name: value for name, value in said.items() if name in OF_USES}
    given = {name: value for name, value in said.items() if name not in OF_USES}
    return {**own, "kind": "use", "block": kind, "given": given}


def _check_commas(said: dict[str, Any]) -> None:
    """YAML takes the comma of `{width: max(a, b)}` for the end of a field."""
    names = [*said]
    for name, value in said.items():
        if isinstance(value, str) and value.count("(") > value.count(")"):
            rest = names[names.index(name) + 1 :][:1]
            whole = short(f"{value}, {rest[0]}" if rest else value, SHOWN)
            reason = f'a comma ends a field inside {{ }}: quote it, `{name}: "{whole}"`'
            context = {"reason": reason, "offset": 0, "length": 1}
            raise PydanticCustomError("expression", "{reason}", context)


def _tag(value: Any) -> str:
    kind = value["kind"] if isinstance(value, dict) else value.kind
    return str(kind)


_members = tuple(Annotated[model, Tag(kind)] for kind, model in {**KINDS, "use": BlockUse}.items())
Layer: Any = Annotated[
    Annotated[Union[_members], Discriminator(_tag)],  # noqa: UP007 - of as many as there are
    BeforeValidator(written_out),
]
AnyLayer = LayerFields
