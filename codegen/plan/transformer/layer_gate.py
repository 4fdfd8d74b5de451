"""Embeddings of the tokens that each layer has of its own, and the sublayer that adds them."""

from __future__ import annotations

from dataclasses import replace

from codegen.frozen import frozen
from codegen.plan.reads import Read
from codegen.plan.tables import Argument
from codegen.plan.transformer.arguments import arguments

WIDTH = Read("layer_embedding_dim")


@frozen
class LayerGatePlan:
    """The class that gates a layer's own embedding by the stream; the layers share it."""

    class_name: str
    activation: str
    width: Read = WIDTH

    @property
    def template(self) -> str:
        """What makes its class."""
        return "transformer/layer_gate.py.jinja"

    @property
    def given_numbers(self) -> tuple[Read, ...]:
        """What its class is given of the config: nothing, it reads what it needs."""
        return ()

    @property
    def base_name(self) -> str:
        """How its class is called."""
        return "LayerGate"

    def named(self, class_name: str) -> LayerGatePlan:
        """The plan with the name of its class."""
        return replace(self, class_name=class_name)

    @property
    def per_layer(self) -> bool:
        """Whether it has to know which layer it is in."""
        return False

    @property
    def state(self) -> None:
        """What decoding keeps of each of its layers: nothing."""

    @property
    def arguments(self) -> tuple[Argument, ...]:
        """What its forward takes beside the stream."""
        return arguments(["layer_embedding"])
