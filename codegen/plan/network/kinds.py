"""The kinds of layers, a row each: how a layer is planned."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from codegen.plan.network import (
    activation,
    attention,
    conv,
    dropout,
    flatten,
    linear,
    norm,
    pool,
    rescale,
    resize,
    scale,
    shuffle,
)
from codegen.plan.network.layer import PlannedLayer
from codegen.plan.network.surroundings import Surroundings
from codegen.spec.network.activation import ActivationLayer
from codegen.spec.network.attention import AttentionLayer
from codegen.spec.network.conv import ConvLayer
from codegen.spec.network.drop_path import DropPathLayer
from codegen.spec.network.dropout import DropoutLayer
from codegen.spec.network.fields import LayerFields
from codegen.spec.network.flatten import (
    FlattenLayer,
    ReshapeLayer,
    TokensLayer,
    TransposeLayer,
)
from codegen.spec.network.linear import LinearLayer
from codegen.spec.network.norm import NormLayer
from codegen.spec.network.pool import MaxPoolLayer, MeanPoolLayer
from codegen.spec.network.rescale import RescaleLayer
from codegen.spec.network.resize import UpsampleLayer
from codegen.spec.network.scale import ScaleLayer
from codegen.spec.network.shuffle import ChannelShuffleLayer, PixelShuffleLayer

Planned = Callable[[Any, Surroundings], tuple[PlannedLayer, ...]]

KINDS: dict[type[LayerFields], Planned] = {
    ActivationLayer: activation.planned,
    AttentionLayer: attention.planned,
    ChannelShuffleLayer: shuffle.planned,
    ConvLayer: conv.planned,
    DropPathLayer: dropout.planned,
    DropoutLayer: dropout.planned,
    FlattenLayer: flatten.planned,
    LinearLayer: linear.planned,
    MaxPoolLayer: pool.planned,
    MeanPoolLayer: pool.planned,
    NormLayer: norm.planned,
    PixelShuffleLayer: shuffle.planned,
    ReshapeLayer: flatten.reshaped,
    ScaleLayer: scale.planned,
    RescaleLayer: rescale.planned,
    TokensLayer: flatten.planned,
    TransposeLayer: flatten.planned,
    UpsampleLayer: resize.planned,
}


def planned_layer(layer: LayerFields, around: Surroundings) -> tuple[PlannedLayer, ...]:
    """A layer where it stands, with its norm and its activation; LayerError where it can't."""
    return KINDS[type(layer)](layer, around)
