"""The layers that are a function of each number."""

from __future__ import annotations

from typing import ClassVar, Literal

from codegen.spec.head import Vocabulary

Function = Literal[
    "relu", "leaky_relu", "elu", "silu", "gelu", "gelu_tanh", "mish", "softplus", "tanh", "sigmoid"
]


class ActivationLayer(Vocabulary):
    """A function of each number: without one between them, linear layers make a linear network."""

    main: ClassVar[str] = ""

    kind: Function
