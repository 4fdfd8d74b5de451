"""Which optimizers a network's weights can have."""

from __future__ import annotations

from collections.abc import Iterator

from codegen.spec.mistake import Mistake
from codegen.spec.network.check_defaults import layers_of
from codegen.spec.network.conv import ConvLayer
from codegen.spec.network.joins import ResidualLayer
from codegen.spec.network.vocabulary import NetworkSpec


def check_optimizer(spec: NetworkSpec) -> Iterator[Mistake]:
    """Muon orthogonalises matrices, and a convolution's weights have four axes."""
    model = spec.model
    layers = [*layers_of(model.layers), *layers_of([b.layers for b in model.blocks.values()])]
    if spec.train.optimizer.kind == "muon" and any(
        isinstance(one, ConvLayer | ResidualLayer) for one in layers
    ):
        message = "Muon is for matrices, and weights of convolutions have four axes"
        yield Mistake(("train", "optimizer"), message, "adamw")
