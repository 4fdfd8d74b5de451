"""Other mixers than attention."""

from __future__ import annotations

from hypothesis import strategies as st

from tests.strategies.blocks import kinds_in_order
from tests.strategies.choices import Fields, coin, some_of


def convolutions() -> st.SearchStrategy[Fields]:
    return some_of(kernel=st.sampled_from([2, 3, 4, 7, 20]), bias=coin())


@st.composite
def convolved(draw: st.DrawFn, model: Fields) -> Fields:
    """The model with short convolutions in all layers, or in those of a kind or two."""
    blocks: Fields = model.get("blocks", {})
    kinds = kinds_in_order(model["layers"]) if blocks else []
    lent = {block.get("attention", {}).get("kv_of") for block in blocks.values()}
    chosen = [kind for kind in kinds if kind not in lent and draw(coin())]
    left = [blocks[kind].get("attention", {}) for kind in kinds if kind not in chosen]
    if kinds and not chosen:
        return model
    own = draw(convolutions())
    if own:
        model["conv"] = own
    for kind in chosen:
        blocks[kind].pop("attention", None)
        blocks[kind]["mixer"] = "conv"
        if more := draw(convolutions()):
            blocks[kind]["conv"] = more
    if not left:  # nothing attends
        model.pop("attention")
        model["mixer"] = "conv"
    for part in (*([] if left else [model]), *(blocks[kind] for kind in chosen)):
        part.get("residual", {}).pop("attention_norm", None)
    return model
