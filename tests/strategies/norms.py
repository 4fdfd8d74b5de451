"""Norms, wherever a model has one."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from tests.strategies.choices import EPSILONS, Fields, coin, some_of


@st.composite
def norms(draw: st.DrawFn) -> Fields:
    """A norm that says what it is, so that it may stand over any other."""
    kind = draw(st.sampled_from(["rms", "layer"]))
    weight = draw(coin())
    biases = [None, False, True] if kind == "layer" and weight else [None, False]
    whole = {"kind": kind, "weight": weight, "bias": draw(st.sampled_from(biases))}
    return {**whole, **draw(placements())}


def placements() -> st.SearchStrategy[Fields]:
    places = st.sampled_from(["pre", "post", "sandwich", "post_residual"])
    return some_of(eps=EPSILONS, placement=places)


@st.composite
def norm_forms(draw: st.DrawFn) -> Fields:
    """A norm outside the blocks that says what it is."""
    norm = {**draw(norms()), "eps": draw(EPSILONS)}
    return {name: norm[name] for name in ("kind", "weight", "bias", "eps")}


@st.composite
def qk_norms(draw: st.DrawFn) -> Any:
    """A norm that says all that could contradict what another one before it says."""
    kind = draw(st.sampled_from(["rms", "layer"]))
    if draw(coin()):
        return draw(st.sampled_from(["none", kind]))
    over = draw(st.sampled_from(["head", "head", "projection", "each_head"]))
    whole = {
        "kind": kind,
        "over": over,
        "weight": over == "each_head" or draw(coin()),
        "bias": False if over == "each_head" else None,
        "after_rope": over == "head" and draw(coin()),
    }
    return {**whole, **draw(some_of(eps=EPSILONS))}


def inner_norms() -> st.SearchStrategy[Any]:
    """Of values, of what attention gives, of the width inside an MLP."""
    kinds = st.sampled_from(["rms", "layer"])
    whole = {"kind": kinds, "weight": coin(), "bias": st.none(), "zero_centered": coin()}
    return st.one_of(
        st.just("none"), kinds, st.fixed_dictionaries(whole, optional={"eps": EPSILONS})
    )
