"""Whole random specs of encoder-decoders: what stacks have alone, together and between them."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from tests.strategies.attention import heads
from tests.strategies.choices import Fields, coin, some_of
from tests.strategies.fitting import without_idle_gates
from tests.strategies.norms import norm_forms

ACTIVATIONS = st.sampled_from(["silu", "gelu", "gelu_tanh", "relu", "relu2", "quick_gelu"])
DECODER_MASKS = st.sampled_from(
    ["causal", "causal", "causal & window(5)", "causal & (window(3) | sink(2))"]
)
ENCODER_MASKS = st.sampled_from(["padding", "padding", "padding & window(4, 6)", "full & padding"])
PLACEMENTS = st.sampled_from(["pre", "post", "sandwich", "post_residual"])


@st.composite
def norms(draw: st.DrawFn) -> Fields:
    """Of both stacks."""
    kind = draw(st.sampled_from(["rms", "layer"]))
    return {"kind": kind, "placement": draw(PLACEMENTS), "eps": draw(st.sampled_from([1e-6, 1e-3]))}


def scores() -> st.SearchStrategy[Fields]:
    """What becomes of scores, in either stack."""
    bias = {"buckets": 8, "max_distance": 16}
    biases = st.sampled_from(["none", "t5", bias, {**bias, "shared": True}])
    return some_of(
        relative_bias=biases,
        scale=st.sampled_from([1, "1 / sqrt(d_model)"]),
        softcap=st.sampled_from([0.7, 20.0]),
        alibi=st.just(True),
        qk_norm=st.sampled_from(["none", "rms", {"kind": "layer", "eps": 0.01}]),
        bias=st.sampled_from([True, False, {"q": True, "o": True}]),
    )


def mlps() -> st.SearchStrategy[Fields]:
    """Of either stack."""
    kinds = st.sampled_from(["gated", "plain"])
    widths = st.sampled_from([7, 16, 40])
    normed = st.sampled_from(["rms", "layer", {"kind": "rms", "eps": 0.01}])
    return some_of(kind=kinds, activation=ACTIVATIONS, d_ff=widths, bias=coin(), output_norm=normed)


@st.composite
def embeddings(draw: st.DrawFn) -> Fields:
    """Tokens and positions, of both stacks."""
    fields = draw(
        some_of(
            tied=coin(), scale=st.sampled_from([0.3, "sqrt(d_model)"]), norm=coin() | norm_forms()
        )
    )
    fields["positions"] = draw(st.sampled_from(["none", "learned", "sinusoidal"]))
    if fields["positions"] != "none":
        fields |= draw(some_of(position_offset=st.sampled_from([1, 2])))
    if fields.get("norm") and draw(coin()):
        fields["norm_of"] = "tokens"
    return fields


@st.composite
def encoders(draw: st.DrawFn, order: Any) -> Fields:
    """How the encoder differs: in nothing, in numbers, in structure or in its kinds of blocks."""
    fields: Fields = draw(some_of(context_length=st.integers(16, 30)))
    attention = draw(scores()) if draw(coin()) else {}
    attention.pop("relative_bias", None)
    if draw(coin()):
        attention["mask"] = draw(ENCODER_MASKS)
    if attention:
        fields["attention"] = attention
    if draw(coin()):
        fields["mlp"] = draw(mlps())
    if draw(st.integers(0, 2)) == 0:
        fields["norm"] = draw(some_of(eps=st.just(0.01), placement=PLACEMENTS))
    if draw(coin()):
        fields["layers"] = draw(st.integers(1, 3))
    elif draw(coin()):
        near = {"attention": {"mask": draw(ENCODER_MASKS)}, "mlp": draw(mlps())}
        fields |= {"layers": ["near", "far", "near"], "blocks": {"near": near, "far": {}}}
    if draw(st.integers(0, 2)) == 0:
        fields["shared_embedding"] = False
        fields |= draw(some_of(vocab_size=st.integers(11, 40)))
    return fields


@st.composite
def models(draw: st.DrawFn) -> Fields:
    """The field `model` of an encoder-decoder's spec."""
    width, head_dim = draw(st.sampled_from([12, 16, 24])), draw(st.sampled_from([2, 4, 6]))
    embedding = draw(embeddings())
    own = {name: value for name, value in draw(heads()).items() if value is not None}
    attention = {**draw(scores()), **own, "head_dim": head_dim, "mask": draw(DECODER_MASKS)}
    if embedding["positions"] == "none" and draw(coin()):
        attention["rope"] = {"theta": draw(st.sampled_from([100.0, 1e4]))}
    else:
        attention["rope"] = "none"
    if attention.get("relative_bias", "none") != "none":
        attention.pop("alibi", None)
    layers = draw(st.integers(1, 3))
    return {
        "vocab_size": draw(st.integers(11, 40)),
        "context_length": draw(st.integers(16, 24)),
        "d_model": width,
        "layers": layers,
        "attention": attention,
        "cross_attention": draw(
            some_of(
                head_dim=st.sampled_from([3, 8]),
                scale=st.just(0.4),
                bias=coin(),
                softcap=st.just(3.0),
                qk_norm=st.just("rms"),
            )
        ),
        "mlp": draw(mlps()),
        "norm": draw(norms()),
        "residual": draw(some_of(depth_scaled=coin())),
        "final_norm": draw(st.sampled_from([True, True, False])),
        "encoder": draw(encoders(layers)),
        "embedding": embedding,
        "head": draw(
            some_of(
                bias=st.sampled_from([True, "fixed"]),
                scale=st.just("1 / sqrt(d_model)"),
                softcap=st.just(9.0),
            )
        ),
        "dropout": draw(st.sampled_from([0.0, 0.2])),
    }


@st.composite
def specs(draw: st.DrawFn) -> Fields:
    """Small whole specs, as the mapping that a YAML file holds."""
    model = without_idle_gates(draw(models()))
    spec = {"name": "drawn_model", "task": "seq2seq-lm", "model": model}
    if "vocab_size" in model["encoder"] and draw(coin()):
        spec["data"] = {"source_tokenizer": "char"}  # of as many tokens, perhaps
        model["encoder"]["vocab_size"] = draw(st.sampled_from([13, model["vocab_size"]]))
    return spec
