"""How sublayers are added to the stream."""

from __future__ import annotations

from hypothesis import strategies as st

from tests.strategies.choices import Fields, coin, some_of


def gains() -> st.SearchStrategy[Fields]:
    """LayerScale, and branches that some samples skip in training."""
    rates = st.sampled_from([0.1, {"rate": 0.3, "growing": False}, 0.0])
    some = some_of(layer_scale=st.sampled_from([0.1, 1.5]), drop_path=rates)
    return st.one_of(st.just({}), some)


def altups(embedding: Fields) -> st.SearchStrategy[Fields]:
    """Several streams; what gates a layer's own embedding may read the first one scaled."""
    gated = embedding.get("per_layer", "none") != "none"
    scaled = {"scaled": coin()} if gated else {}
    return st.fixed_dictionaries({"streams": st.sampled_from([2, 3])}, optional=scaled)


@st.composite
def residuals(draw: st.DrawFn) -> Fields:
    """A layout that fits the norms' placement, which goes with it."""
    scales = st.sampled_from([0.5, "1.4 / sqrt(layers)"])
    scale = draw(some_of(scale=scales, layer_scalar=st.sampled_from([False, True, "fixed"])))
    layout = draw(st.sampled_from(["", "sequential", "parallel", "shared"]))
    if not layout:
        return {"residual": scale}
    said = {"layout": "parallel" if layout == "shared" else layout}
    scaled = layout == "sequential" and draw(coin())
    said |= {"shared_norm": layout == "shared", "depth_scaled": scaled}
    fields = {"residual": {**said, **scale}}
    if layout == "sequential" and not draw(coin()):
        return fields
    normed = layout == "sequential" and draw(coin())
    bare = not normed and layout != "shared" and draw(coin())
    fields["residual"] |= {"normed": normed, "attention_norm": not bare}
    if layout == "sequential" and not normed and not bare and not scaled:
        fields["residual"]["low_rank"] = draw(st.sampled_from([None, 2, 3]))
    return {**fields, "norm": {"placement": "pre"}}
