"""Attention: heads, what becomes of scores, latents."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from tests.strategies.choices import EPSILONS, Fields, coin, some_of
from tests.strategies.masks import MASKS
from tests.strategies.norms import inner_norms, qk_norms

ATTENTION_SCALES = st.sampled_from(
    [
        0.5,
        1,
        "1 / sqrt(d_model)",
        "sqrt(heads) / head_dim",
        "1 / sqrt(2 * layers)",
        "(head_dim + 2) / (d_ff + vocab_size)",
    ]
)


def biases() -> st.SearchStrategy[Any]:
    gate = st.sampled_from([False, True, "head", "head"])
    return st.one_of(coin(), some_of(q=coin(), k=coin(), v=coin(), o=coin(), gate=gate))


@st.composite
def heads(draw: st.DrawFn) -> Fields:
    """MHA, GQA or MQA."""
    count = draw(st.sampled_from([1, 2, 3, 4, 6]))
    divisors = [None, *(n for n in range(1, count + 1) if count % n == 0)]
    return {"heads": count, "kv_heads": draw(st.sampled_from(divisors))}


def attention_parts() -> st.SearchStrategy[Fields]:
    """What may differ by block kind without regard to anything else."""
    return some_of(
        bias=biases(),
        qk_norm=qk_norms(),
        v_norm=inner_norms(),
        output_norm=inner_norms(),
        clip=st.sampled_from([0.5, 3.0]),
        gate=st.sampled_from(["none", "channel", "head"]),
        value_dim=st.sampled_from([None, None, 3, 6]),
        value_scale=st.sampled_from([None, 0.7]),
        values=st.sampled_from(["own", "own", "keys"]),
        gate_activation=st.sampled_from(["sigmoid", "softplus"]),
        mask=MASKS,
        scale=ATTENTION_SCALES,
        softcap=st.sampled_from([0.7, 4, 50.0]),
        alibi=st.sampled_from([True, True, False, {"scaled": True}]),
        scale_by_layer=coin(),
        temperature=st.sampled_from(
            [None, {"scale": 0.4, "length": 3, "offset": 1}]
        ),  # of one kind
        relative_bias=relative_biases(),
        sinks=coin(),
    )


def relative_biases() -> st.SearchStrategy[Any]:
    """T5's numbers, or others; those of a block kind stand over any before."""
    numbers = [(4, 3), (5, 9), (8, 16), (9, 20), (32, 20)]
    said = [{"buckets": buckets, "max_distance": most} for buckets, most in numbers]
    return st.sampled_from(["t5", "none", *said])


@st.composite
def latents(draw: st.DrawFn, even: bool) -> Fields:
    """Latent attention; what turns, turns in pairs."""
    fields = {
        "kv_rank": draw(st.sampled_from([3, 8])),
        "nope_dim": draw(st.sampled_from([1, 4, 6])),
        "rope_dim": draw(st.sampled_from([2, 4, 8] if even else [2, 3])),
        "value_dim": draw(st.sampled_from([2, 5, 8])),
    }
    return {**fields, **draw(some_of(q_rank=st.just(6), bias=coin(), eps=EPSILONS))}


LATENTS_LACK = {
    "kv_heads": None,
    "head_dim": None,
    "bias": {"q": False, "k": False, "v": False},
    "qk_norm": "none",
    "v_norm": "none",
    "output_norm": "none",
    "clip": None,
    "gate": "none",
    "value_dim": None,
    "value_scale": None,
    "values": "own",
    "differential": False,
    "alibi": False,
    "relative_bias": "none",
    "sinks": False,
}


def fit_for_latents(attention: Fields) -> Fields:
    """An attention without what latents have no place for."""
    fitting = {name: value for name, value in attention.items() if name not in LATENTS_LACK}
    if isinstance(fitting.get("rope"), dict):  # their width is said by the latents
        lacking = ("dim", "scaling", "values")
        fitting["rope"] = {n: v for n, v in fitting["rope"].items() if n not in lacking}
    return fitting


@st.composite
def latent_kinds(draw: st.DrawFn, attention: Fields, turns: Fields) -> Fields:
    """A block kind's attention by latents, whatever the other kinds have."""
    rope = draw(st.sampled_from(["none", {**turns, "dim": None, "scaling": None}]))
    own = {**fit_for_latents(attention), **LATENTS_LACK, "rope": rope}
    return {**own, "latent": draw(latents(rope != "none"))}
