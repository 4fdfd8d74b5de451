"""Whole random specs of two networks that train each other, valid by construction."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from tests.strategies.choices import Fields, coin

SMOOTH = st.sampled_from(["silu", "tanh", "softplus", "gelu"])  # central differences need slopes
LOSSES = st.sampled_from(["non-saturating", "bce", "hinge", "least-squares", "wgan-gp"])


@st.composite
def gan_specs(draw: st.DrawFn) -> Fields:
    """A generator that doubles a map, a discriminator that halves it, and each loss."""
    loss: Fields = {"kind": draw(LOSSES)}
    if loss["kind"] == "bce" and draw(coin()):
        loss["smoothing"] = 0.2
    if loss["kind"] == "wgan-gp" and draw(coin()):
        loss["penalty"] = 3.0
    if draw(coin()):
        loss["r1"] = 2.0
    size = draw(st.sampled_from([4, 8]))
    model: Fields = {
        "image": {"size": size, "channels": draw(st.integers(1, 3))},
        "latent": draw(st.integers(2, 6)),
        "conv": {"kernel": 4, "stride": 2, "padding": 1, "activation": draw(SMOOTH)},
        "generator": draw(generators(size)),
        "discriminator": draw(discriminators(size, norms=loss["kind"] != "wgan-gp")),
    }
    if draw(coin()):
        model["classes"] = draw(st.integers(2, 4))
        if draw(coin()):
            model["label_dim"] = draw(st.integers(1, 5))
    if draw(coin()):
        model["init"] = {"std": 0.1}
    return {"name": "drawn", "family": "gan", "model": model, "train": draw(trains(loss))}


@st.composite
def generators(draw: st.DrawFn, size: int) -> Any:
    """From a vector, by a linear layer or a transposed convolution, to an image."""
    width, normed = draw(st.integers(2, 5)), draw(st.sampled_from(["batch", "none"]))
    first: list[Any] = [
        {"reshape": ["channels", 1, 1]},
        {"conv": {"width": width, "kernel": 2, "stride": 1, "padding": 0}},
    ]
    if draw(coin()):
        first = [{"linear": 4 * width}, {"reshape": ["channels / 4", 2, 2]}]
    more = [{"conv": draw(st.integers(2, 5))}] * (size == 8)
    if more and draw(coin()):
        last = {"width": "channels", "transposed": False, "kernel": 3, "stride": 1, "padding": 1}
        more = [{"upsample": 2}, {"conv": last}]
    last = {"conv": {"width": "outputs", "norm": "none", "activation": "tanh"}}
    conv = {"transposed": True, "norm": normed}
    return {"conv": conv, "layers": [*first, *more, last]}


@st.composite
def discriminators(draw: st.DrawFn, size: int, norms: bool) -> Any:
    """Of whole images, or of patches of them."""
    kinds = ["instance", "layer", "none", *(["batch"] if norms else [])]
    layers: list[Any] = [{"conv": draw(st.integers(2, 4))}]
    if draw(coin()):
        norm = draw(st.sampled_from(kinds)) if size == 8 else "none"
        width = (
            8 if norm == "layer" else draw(st.integers(2, 4))
        )  # of two, a norm is all but a step
        layers.append({"conv": {"width": width, "stride": 1, "kernel": 3, "norm": norm}})
    if draw(coin()):
        last = {"width": "outputs", "kernel": 3, "stride": 1, "activation": "none"}
        return [*layers, {"conv": last}]
    return {"layers": [*layers, "flatten", "linear"]}


@st.composite
def trains(draw: st.DrawFn, loss: Fields) -> Fields:
    """How both are trained."""
    train: Fields = {"loss": loss if len(loss) > 1 or draw(coin()) else loss["kind"]}
    if draw(coin()):
        train["critic_steps"] = 2
    if draw(coin()):
        train["discriminator_lr"] = 1e-3
    if draw(coin()):
        train["ema"] = 0.9
    return train
