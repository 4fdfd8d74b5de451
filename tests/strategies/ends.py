"""What stands before the blocks and behind them: embeddings and heads."""

from __future__ import annotations

from hypothesis import strategies as st

from tests.strategies.choices import ACTIVATIONS, EMBEDDING_SCALES, THETAS, Fields, coin, some_of
from tests.strategies.norms import norm_forms


@st.composite
def embeddings(draw: st.DrawFn) -> Fields:
    """Tokens, positions and types, of a width of their own or not."""
    positions = draw(st.sampled_from(["unsaid", "none", "learned", "learned", "sinusoidal"]))
    fields = draw(
        some_of(
            tied=coin(),
            scale=EMBEDDING_SCALES,
            norm=st.one_of(coin(), coin(), norm_forms()),
            token_types=st.sampled_from([0, 1, 3]),
            task_types=st.sampled_from([0, 2]),
            per_layer=st.one_of(st.just("none"), per_layers()),
        )
    )
    if positions != "unsaid":
        fields["positions"] = positions
    if not fields.get("tied") and draw(coin()):
        fields["extra_tokens"] = draw(st.sampled_from([1, 3]))
    if positions in ("learned", "sinusoidal") and draw(coin()):
        fields["position_offset"] = draw(st.sampled_from([1, 2]))
    if positions == "sinusoidal":
        layouts = st.sampled_from(["halves", "interleaved"])
        fields["sinusoids"] = draw(some_of(layout=layouts, base=THETAS, inclusive=coin()))
    if draw(st.integers(0, 4)) == 0:
        tables = [{"name": name, "rows": 5, "dim": 3} for name in ("shape", "sound", "tone")]
        fields["features"] = tables[: draw(st.integers(1, 3))]
    elif draw(st.integers(0, 3)) == 0:
        fields["dim"] = draw(st.sampled_from([6, 10]))  # a norm of fewer is unsteady
        projected = st.sampled_from(["tokens", "sum", "norm"])
        fields |= draw(some_of(projected=projected, projection_bias=coin()))
    elif draw(st.integers(0, 3)) == 0:
        fields["token_shift"] = True
    elif fields.get("norm") and draw(coin()):
        fields["norm_of"] = draw(st.sampled_from(["tokens", "tokens", "sum"]))
    return fields


def per_layers() -> st.SearchStrategy[Fields]:
    """Embeddings that layers have of their own; the norm of what fewer numbers make is unsteady."""
    activations = ACTIVATIONS.filter(lambda name: name != "xielu")
    return st.fixed_dictionaries(
        {"dim": st.sampled_from([12, 20])},
        optional={"activation": activations, "rows": st.sampled_from([5, 11])},
    )


@st.composite
def output_heads(draw: st.DrawFn, embedding: Fields) -> Fields:
    """From the last block to logits; one that reads another width has a dense layer before."""
    fields = draw(
        some_of(
            softcap=st.sampled_from([0.8, 5, 30.0]),
            z_loss=st.just(1e-3),
            bias=coin(),
            scale=EMBEDDING_SCALES,
        )
    )
    if not embedding.get("tied") and draw(st.integers(0, 3)) == 0:
        fields["dim"] = draw(st.sampled_from([6, 9]))
    narrow = "dim" in fields or (embedding.get("tied") and "dim" in embedding)
    if narrow or draw(st.integers(0, 2)) == 0:
        activations = ACTIVATIONS.filter(lambda name: name != "xielu")
        norm = st.one_of(coin(), norm_forms())
        fields["transform"] = draw(some_of(activation=activations, norm=norm, bias=coin()))
    return fields
