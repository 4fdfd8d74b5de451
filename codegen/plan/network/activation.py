"""The layers that are a function of each number, and the activations of other layers."""

from __future__ import annotations

from typing import get_args

from codegen.plan.network.layer import MODULE, Keyword, Plain, PlannedLayer, Weight
from codegen.plan.network.surroundings import Surroundings
from codegen.spec.network.activation import ActivationLayer
from codegen.spec.network.fields import Function, FunctionFields

MODULES = {  # of torch.nn: its class, the function's name, what computes it without a module
    "relu": ("ReLU", "ReLU", "F.relu"),
    "leaky_relu": ("LeakyReLU", "leaky ReLU", ""),
    "elu": ("ELU", "ELU", "F.elu"),
    "silu": ("SiLU", "SiLU", "F.silu"),
    "gelu": ("GELU", "GELU", "F.gelu"),
    "gelu_tanh": ("GELU", "GELU (tanh approximation)", ""),
    "mish": ("Mish", "Mish", "F.mish"),
    "softplus": ("Softplus", "softplus", "F.softplus"),
    "tanh": ("Tanh", "tanh", "torch.tanh"),
    "sigmoid": ("Sigmoid", "a sigmoid", "torch.sigmoid"),
    "relu6": ("ReLU6", "ReLU6", "F.relu6"),
    "selu": ("SELU", "SELU", "F.selu"),
    "prelu": ("PReLU", "PReLU", ""),
    "hardswish": ("Hardswish", "hard swish", "F.hardswish"),
    "hardsigmoid": ("Hardsigmoid", "a hard sigmoid", "F.hardsigmoid"),
    "softmax": ("Softmax", "a softmax", ""),
}
HALVING = (  # near zero below
    "relu", "leaky_relu", "elu", "silu", "gelu", "gelu_tanh", "mish", "relu6", "selu", "prelu",
    "hardswish",
)  # fmt: skip


def planned(layer: ActivationLayer, around: Surroundings) -> tuple[PlannedLayer, ...]:
    """Whatever comes in goes on."""
    return (_planned(layer.kind, layer.slope, around),)


def activation_of(said: FunctionFields | str, around: Surroundings) -> tuple[PlannedLayer, ...]:
    """The activation of a layer; none for `none`."""
    if isinstance(said, FunctionFields):
        return (_planned(said.kind, said.slope, around),)
    kind = around.word(said, get_args(Function), "activation")
    return () if kind == "none" else (_planned(kind, 0.01, around),)


def _planned(kind: str, slope: float, around: Surroundings) -> PlannedLayer:
    module, words, function = MODULES[kind]
    keywords: tuple[Keyword, ...] = ()
    if kind == "gelu_tanh":
        keywords = (Keyword("approximate", Plain("tanh")),)
    elif kind == "leaky_relu" and slope != 0.01:
        keywords = (Keyword("negative_slope", Plain(slope)),)
    elif kind == "softmax":
        keywords = (Keyword("dim", Plain(1 if len(around.incoming) != 2 else 2)),)
    weights = (Weight("weight", (1,), "constant", value=0.25),) if kind == "prelu" else ()
    return PlannedLayer(
        kind=kind,
        template=MODULE,
        shape=around.incoming,
        words=words,
        weights=weights,
        module=f"nn.{module}",
        keywords=keywords,
        function=function,
        resets="nn.PReLU" if weights else "",
    )
