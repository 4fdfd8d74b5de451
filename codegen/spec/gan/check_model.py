"""What two networks can't be. One function a rule."""

from __future__ import annotations

from collections.abc import Iterator

from codegen.spec.gan.check_translation import check_cycle, check_penalty
from codegen.spec.gan.vocabulary import GanSpec
from codegen.spec.mistake import Mistake
from codegen.spec.network.check_defaults import idle_defaults, layers_of
from codegen.spec.switches import switched

PLAYERS = ("generator", "discriminator")


def check_loss(spec: GanSpec) -> Iterator[Mistake]:
    """What is said of a loss counts."""
    for found in switched(spec.train.loss):
        if not found.on:
            name = ".".join(found.path)
            message = f"`{name}` means nothing without `{found.needs.said}`"
            yield Mistake(("train", "loss", *found.path), message, f"say `{found.needs.said}`")


def check_defaults(spec: GanSpec) -> Iterator[Mistake]:
    """No default without a layer that it is the default of."""
    model = spec.model
    shared = [*layers_of([block.layers for block in model.blocks.values()])]
    players = {name: [*layers_of(getattr(model, name).layers)] for name in PLAYERS}
    every = [*shared, *(layer for layers in players.values() for layer in layers)]
    own = [getattr(model, name) for name in PLAYERS]
    yield from idle_defaults(model, ("model",), every, own)
    for name, layers in players.items():
        player = getattr(model, name)
        beside = (model.conv, model.linear)
        yield from idle_defaults(player, ("model", name), [*shared, *layers], beside=beside)


def check_labels(spec: GanSpec) -> Iterator[Mistake]:
    """A class's vector is of a class."""
    model = spec.model
    said = "label_dim" in model.model_fields_set
    if said and model.classes is None:
        message = "`label_dim` means nothing without `classes`"
        yield Mistake(("model", "label_dim"), message, "drop it, or say how many `classes`")
    if model.classes == 1:
        yield Mistake(("model", "classes"), "one class is all images", "drop it")


def check_kernels(spec: GanSpec) -> Iterator[Mistake]:
    """PyTorch has all that plain layers do, so none of them has a kernel of ours."""
    if spec.target.kernels == "all":
        message = "plain layers are PyTorch's own: there are no kernels for them"
        yield Mistake(("target", "kernels"), message, "drop it")


def check_library(spec: GanSpec) -> Iterator[Mistake]:
    """No other library's checkpoints have both networks."""
    if library := spec.checkpoint.library:
        message = f"{library} has no checkpoints of two networks"
        yield Mistake(("checkpoint", library), message, "drop `checkpoint`")


CHECKS = (
    check_loss,
    check_defaults,
    check_labels,
    check_kernels,
    check_library,
    check_penalty,
    check_cycle,
)
