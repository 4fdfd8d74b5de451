"""The layer `norm`, and the norms of other layers."""

from __future__ import annotations

import math
from typing import Any, get_args

from codegen.plan.network.layer import MODULE, Keyword, LayerError, Plain, PlannedLayer, Weight
from codegen.plan.network.size import MAP, TOKENS, Size, fixed
from codegen.plan.network.surroundings import Surroundings, with_defaults
from codegen.spec.network.fields import OF_KINDS, NormFields, NormKind
from codegen.spec.network.norm import NormLayer

WORDS = {
    "batch": "batch norm",
    "layer": "LayerNorm",
    "group": "group norm",
    "instance": "instance norm",
    "rms": "RMSNorm",
    "response": "response norm",
}
MODULES = {  # by kind: of a map, of anything else
    "batch": ("nn.BatchNorm2d", "nn.BatchNorm1d"),
    "layer": ("LayerNorm2d", "nn.LayerNorm"),
    "group": ("nn.GroupNorm", "nn.GroupNorm"),
    "instance": ("nn.InstanceNorm2d", ""),
    "rms": ("RMSNorm2d", "nn.RMSNorm"),
    "response": ("ResponseNorm", ""),
}
DEFINITIONS = {
    "LayerNorm2d": "network/definitions/layer_norm.py.jinja",
    "RMSNorm2d": "network/definitions/rms_norm.py.jinja",
    "ResponseNorm": "network/definitions/response_norm.py.jinja",
}
EXTENDED = {"LayerNorm2d": "nn.LayerNorm", "RMSNorm2d": "nn.RMSNorm"}


OWN = ("eps", "groups", "affine")  # fields that a layer `norm` has


def planned(layer: NormLayer, around: Surroundings) -> tuple[PlannedLayer, ...]:
    """The norm that the layer or the model says."""
    said: dict[str, Any] = {} if layer.of is None else {"kind": layer.of}
    said |= {n: getattr(layer, n) for n in OWN if getattr(layer, n) is not None}
    return norm_of(NormFields.model_construct({*said}, **said), around, around.channels)


def is_normed(said: NormFields | str, around: Surroundings) -> bool:
    """Whether a layer has a norm."""
    if isinstance(said, NormFields):
        return True
    return around.word(said, get_args(NormKind), "norm") != "none"


def norm_of(said: NormFields | str, around: Surroundings, width: Size) -> tuple[PlannedLayer, ...]:
    """The norm of a layer that hands on so many channels; none for `none`."""
    if isinstance(said, str):
        kind = around.word(said, get_args(NormKind), "norm")
        if kind == "none":
            return ()
        said = NormFields.model_validate({"kind": kind})
    default = around.model.norm
    if default and said.kind != default.kind and "kind" not in said.model_fields_set:
        said = said.model_copy(update={"kind": default.kind})
    if default and said.kind == default.kind:
        said = with_defaults(said, default)
    for name, kind in OF_KINDS.items():
        if name in said.model_fields_set and said.kind != kind:
            raise LayerError(f"`{name}` is of the kind `{kind}`", "drop it", name)
    return (_planned(said, around, width),)


def _planned(said: NormFields, around: Surroundings, width: Size) -> PlannedLayer:
    axes, kind = len(around.incoming), said.kind
    module = MODULES[kind][axes != MAP]
    if not module or (axes == TOKENS and kind in ("batch", "group")):
        message = f"{WORDS[kind]} is of maps, and here come {axes} axes"
        raise LayerError(message, "`layer` or `rms`", "norm")
    if kind == "instance" and math.prod(size.value for size in around.incoming[1:]) == 1:
        raise LayerError("an instance norm of one pixel is zero", "`layer` or `batch`", "norm")
    inputs: tuple[Size, ...] = (width,)
    if kind == "group":
        if width.value % said.groups:
            message = f"{width.value} channels can't be in {said.groups} groups"
            raise LayerError(message, f"`groups`: a divisor of {width.value}", "norm")
        inputs = (fixed(said.groups), width)
    default = 1e-6 if kind == "response" else 1e-5
    eps = said.eps if said.eps is not None else default
    keywords = (
        *((Keyword("eps", Plain(eps)),) if eps != default or kind == "rms" else ()),
        *((Keyword("affine", Plain(True)),) if said.affine else ()),
    )
    shape = (width.value,)
    ends = {"response": ("zeros", "zeros"), "rms": ("ones",)}
    ends |= {} if said.affine else {"instance": ()}
    starts = ends.get(kind, ("ones", "zeros"))
    named = zip(("weight", "bias"), starts, strict=False)
    return PlannedLayer(
        kind="norm",
        template=MODULE,
        shape=around.incoming,
        words=WORDS[kind],
        weights=tuple(Weight(name, shape, start) for name, start in named),
        flops=0,
        module=module,
        inputs=inputs,
        keywords=keywords,
        definition=DEFINITIONS.get(module, ""),
        resets=EXTENDED.get(module, module) if starts else "",
    )
