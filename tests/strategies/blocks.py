"""Kinds of blocks, and their order in a model."""

from __future__ import annotations

import itertools
from typing import Any

from hypothesis import strategies as st

from tests.strategies.attention import attention_parts, fit_for_latents, heads, latent_kinds
from tests.strategies.choices import Fields, coin
from tests.strategies.mlps import mlps
from tests.strategies.norms import norms, placements
from tests.strategies.residuals import residuals
from tests.strategies.rope import ropes

KINDS = ["local", "global", "wide_one"]


@st.composite
def block_kinds(
    draw: st.DrawFn, head_dim: int | None, turns: Fields, width: int, general: Fields
) -> Fields:
    """How a kind of block differs: in numbers, in structure, or in nothing.

    `turns` is what all rotary positions share; heads are of `head_dim`, if the spec says so.
    """
    attention = draw(attention_parts())
    if head_dim and draw(coin()):
        attention |= draw(heads())
    if draw(coin()):
        attention["rope"] = "none"
        if head_dim and draw(coin()):
            attention["head_dim"] = draw(st.sampled_from([3, 5, 6]))
    elif draw(coin()):
        attention["rope"] = draw(ropes(width, turns))
    if "latent" in general:
        attention = fit_for_latents(attention)
    elif draw(st.integers(0, 4)) == 0:
        attention = draw(latent_kinds(attention, turns))
    own = {"attention": attention, "mlp": draw(mlps()), "norm": draw(norms() | placements())}
    own |= draw(residuals()) if draw(coin()) else {}
    return {part: fields for part, fields in own.items() if draw(st.integers(0, 3))}


@st.composite
def layer_orders(draw: st.DrawFn, kinds: list[str]) -> Any:
    """One to four layers with each kind at least once."""
    names = draw(st.permutations(kinds)) + draw(
        st.lists(st.sampled_from(kinds), max_size=4 - len(kinds))
    )
    if len(names) <= 2 and draw(coin()):
        return {"pattern": names, **draw(st.sampled_from([{"repeat": 2}, {"count": 3}]))}
    if draw(coin()):
        runs = [(kind, len(list(run))) for kind, run in itertools.groupby(names)]
        names = [{kind: times} if times > 1 else kind for kind, times in runs]
    return names if draw(coin()) else {"pattern": names}


def kinds_in_order(layers: Any) -> list[str]:
    """The kinds of a model's layers, each where it first stands."""
    runs = layers["pattern"] if isinstance(layers, dict) else layers
    return list(
        dict.fromkeys(kind for run in runs for kind in ([run] if isinstance(run, str) else run))
    )
