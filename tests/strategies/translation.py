"""Whole random specs of networks that make a picture of another, valid by construction."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from tests.strategies.choices import Fields, coin
from tests.strategies.gan import SMOOTH

LOSSES = st.sampled_from(["non-saturating", "bce", "hinge", "least-squares"])
FILES = st.sampled_from([1, 3, 4])  # channels of files of pictures


@st.composite
def translation_specs(draw: st.DrawFn) -> Fields:
    """Two levels or residual blocks, of pairs or there and back."""
    loss: Fields = {"kind": draw(LOSSES)}
    if loss["kind"] == "bce" and draw(coin()):
        loss["smoothing"] = 0.2
    if draw(coin()):
        loss["r1"] = 2.0
    channels = draw(FILES)
    model: Fields = {
        "image": {"size": draw(st.sampled_from([4, 8])), "channels": channels},
        "conv": {"kernel": 4, "stride": 2, "padding": 1, "activation": draw(SMOOTH)},
        "generator": draw(st.sampled_from([levels, in_a_row]))(draw),
        "discriminator": draw(judges()),
    }
    train: Fields = {"loss": loss}
    if draw(coin()):
        loss |= {"cycle": 3.0} | ({"identity": 2.0} if draw(coin()) else {})
        if draw(coin()):
            train["pool"] = draw(st.integers(0, 4))
    else:
        loss["l1"] = draw(st.sampled_from([0.0, 5.0]))
    if "cycle" not in loss and channels != 4 and draw(coin()):
        model["outputs"] = draw(st.sampled_from([1, 3]))
    spec = {"name": "drawn", "family": "gan", "task": "image-translation"}
    return {**spec, "model": model, "train": train}


def levels(draw: st.DrawFn) -> list[Any]:
    """A U-Net's: what is halved, beside what comes back."""
    norm, width = draw(st.sampled_from(["batch", "none"])), draw(st.integers(2, 5))
    below: list[Any] = [
        {"conv": {"width": draw(st.integers(2, 5)), "norm": "none"}},
        {"conv": {"width": width, "transposed": True, "norm": norm}},
    ]
    last = {"width": "outputs", "transposed": True, "activation": "tanh"}
    first = {"conv": {"width": width, "as": "halves"}}
    return [first, *below, {"concat": ["halves", "here"]}, {"conv": last}]


def in_a_row(draw: st.DrawFn) -> list[Any]:
    """Residual layers at one size, what is around them mirrored or zeros."""
    same = {"kernel": 3, "stride": 1, "padding": 1}
    same["padding_mode"] = draw(st.sampled_from(["zeros", "reflect"]))
    inner = {"conv": {**same, "norm": draw(st.sampled_from(["batch", "instance"]))}}
    width = {"conv": {**same, "width": draw(st.integers(2, 5))}}
    return [width, {"residual": [inner]}, {"conv": {**same, "width": "outputs"}}, "tanh"]


@st.composite
def judges(draw: st.DrawFn) -> list[Any]:
    """Of all of a picture, or of its patches."""
    first = {"conv": draw(st.integers(2, 5))}
    if draw(coin()):
        return [first, "flatten", "linear"]
    return [first, {"conv": {"width": 1, "kernel": 1, "stride": 1, "padding": 0}}]
