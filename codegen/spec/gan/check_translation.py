"""What networks that make a picture of another can't be. One function a rule."""

from __future__ import annotations

from collections.abc import Iterator

from codegen.spec.gan.vocabulary import GanSpec
from codegen.spec.mistake import Mistake


def check_penalty(spec: GanSpec) -> Iterator[Mistake]:
    """The penalty of gradients is drawn beside noise, which pictures are not made of."""
    if spec.task == "image-translation" and spec.train.loss.kind == "wgan-gp":
        message = "`wgan-gp` is of `image-generation` alone"
        yield Mistake(("train", "loss"), message, "`hinge` or `least-squares`, perhaps with `r1`")


def check_cycle(spec: GanSpec) -> Iterator[Mistake]:
    """There and back again needs no pairs, and as many channels each way."""
    loss, train = spec.train.loss, spec.train
    if spec.task != "image-translation":
        return
    if not loss.cycle:
        if "pool" in train.model_fields_set:
            message = "`pool` means nothing without `loss.cycle`"
            yield Mistake(("train", "pool"), message, "drop it, or say how much `cycle` weighs")
        return
    if "l1" in loss.model_fields_set and loss.l1:
        message = "`l1` is of pairs, and with `cycle` there are none"
        yield Mistake(("train", "loss", "l1"), message, "drop one of them")
    if getattr(spec.data, "make", None) is not None:
        message = "`make` makes pairs, and `cycle` is of pictures that are none"
        hint = "drop `cycle`, or say nothing of `make`: sources and targets lie in two folders"
        yield Mistake(("data", "make"), message, hint)
    if getattr(spec.data, "cut", ""):
        message = "halves of one picture are pairs, and `cycle` is of pictures that are none"
        yield Mistake(("data", "pairs"), message, "drop one of them")
    channels, outputs = spec.model.image.channels, spec.model.outputs
    if outputs not in (None, channels):
        message = f"there and back again: {channels} channels come in, and {outputs} come out"
        yield Mistake(("model", "outputs"), message, f"{channels}, or pairs without `cycle`")
