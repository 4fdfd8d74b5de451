"""Rotary positions, stretched or not."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from tests.strategies.choices import THETAS, Fields, coin, some_of


def scalings(pairs: int) -> st.SearchStrategy[Any]:
    """How rotary positions are stretched, where so many pairs of dimensions turn."""
    factors = st.sampled_from([2, 3.5, 8.0])
    contexts = st.sampled_from([8, 16, 64])
    divisors = st.lists(st.sampled_from([1.0, 1.3, 2.5]), min_size=pairs, max_size=pairs)

    def said(kind: str, optional: Fields | None = None, **fields: Any) -> st.SearchStrategy[Fields]:
        whole = {"kind": st.just(kind), **fields}
        return st.fixed_dictionaries(whole, optional=optional or {})

    llama3 = {
        "factor": st.sampled_from([4.0, 32]),
        "low_freq_factor": st.sampled_from([0.5, 1.0]),
        "high_freq_factor": st.sampled_from([2.5, 4.0]),
    }
    yarn = {
        "beta_fast": st.sampled_from([4.0, 32.0]),
        "beta_slow": st.sampled_from([0.5, 1.0]),
        "truncate": coin(),
        "attention_factor": st.sampled_from([1.0, 0.7]),
    }
    longrope = {
        "attention_factor": st.sampled_from([1.2]),
        "long_attention_factor": st.sampled_from([0.8]),
    }
    return st.one_of(
        st.none(),
        said("linear", factor=factors),
        said("llama3", llama3, original_context_length=contexts),
        said("yarn", yarn, factor=factors, original_context_length=contexts),
        said(
            "longrope",
            longrope,
            short_factor=divisors,
            long_factor=divisors,
            original_context_length=contexts,
        ),
        said("proportional", {"factor": factors}, fraction=st.sampled_from([0.4, 1.0])),
        *([said("dynamic", factor=factors, original_context_length=contexts)] if pairs > 1 else []),
    )


@st.composite
def ropes(draw: st.DrawFn, head_dim: int, turns: Fields) -> Fields:
    """Rotary positions; `turns` is what all layers that have them share."""
    fields = {**draw(some_of(theta=THETAS, values=coin())), **turns}
    widths = list(range(2, head_dim + 1, 2))
    if draw(coin()):
        fields["dim"] = draw(st.sampled_from([None, *widths]))
    pairs = (fields.get("dim") or head_dim) // 2
    # A width of its own would not fit the divisors of another kind of block.
    return {**fields, "scaling": draw(scalings(pairs))} if "dim" in fields else fields
