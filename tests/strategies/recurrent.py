"""Whole random specs of recurrent networks, valid by construction."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from tests.strategies.choices import Fields, coin

RATES = st.sampled_from([0.0, 0.2, 0.2, 0.5])


@st.composite
def recurrent_specs(draw: st.DrawFn) -> Fields:
    """Language models and encoder-decoders with each of the knobs of `model`."""
    pairs = draw(coin())
    cell = draw(st.sampled_from(["lstm", "lstm", "gru", "rnn"]))
    width = draw(st.sampled_from([6, 8]))
    model: Fields = {
        "vocab_size": draw(st.integers(11, 20)),
        "context_length": draw(st.integers(8, 16)),
        "cell": cell,
        "layers": draw(st.integers(1, 3)),
        "width": width,
        "bias": draw(coin()),
    }
    output = width
    if cell == "lstm" and draw(st.integers(0, 2)) == 0:
        output = model["projection"] = draw(st.integers(2, 5))
    if pairs:
        model.update(draw(of_pairs(width, output, model["layers"])))
    before = model.get("attention", "none") == "additive" or (
        isinstance(model.get("attention"), dict) and _is_before(model["attention"])
    )
    said = model.get("attention")
    fed = isinstance(said, dict) and said.get("input_feeding", False)
    own = "vocab_size" in model.get("encoder", {})
    tied = not (pairs and before) and draw(coin())
    dim = output if tied else draw(st.integers(3, 7))
    model["embedding"] = {"dim": dim, "tied": tied} if tied or draw(coin()) else dim
    if own and draw(coin()):
        model["encoder"]["embedding"] = draw(st.integers(3, 7))
    dropout: Fields = {"embedding": draw(RATES), "output": draw(RATES)}
    locked = draw(coin())
    if model["layers"] > 1 and not (locked and pairs and (before or fed)):
        dropout["layers"] = draw(RATES)
    if any(dropout.values()):
        model["dropout"] = {**dropout, "locked": locked}
    head = {"name": "drawn", "family": "recurrent"}
    return {**head, "task": "seq2seq-lm" if pairs else "causal-lm", "model": model}


def _is_before(said: dict[str, Any]) -> bool:
    score = said.get("score", "additive")
    return bool(said.get("place", "before" if score == "additive" else "after") == "before")


@st.composite
def classifier_specs(draw: st.DrawFn) -> Fields:
    """Networks that tell classes of texts or of their tokens, most of them from both ends."""
    task = draw(st.sampled_from(["sequence-classification", "tagging"]))
    cell = draw(st.sampled_from(["lstm", "lstm", "gru", "rnn"]))
    model: Fields = {
        "vocab_size": draw(st.integers(11, 20)),
        "context_length": draw(st.integers(8, 16)),
        "cell": cell,
        "layers": draw(st.integers(1, 3)),
        "width": draw(st.sampled_from([6, 8])),
        "embedding": draw(st.integers(3, 7)),
        "bias": draw(coin()),
        "classes": draw(st.integers(1, 5)),
    }
    if task != "tagging":
        model["pooling"] = draw(st.sampled_from(["mean", "max", "last"]))
        model["problem"] = draw(st.sampled_from(["single_label", "multi_label", "regression"]))
    if draw(coin()):
        model["bidirectional"] = draw(coin())
    if cell == "lstm" and draw(st.integers(0, 2)) == 0:
        model["projection"] = draw(st.integers(2, 5))
    dropout: Fields = {"embedding": draw(RATES), "output": draw(RATES)}
    if model["layers"] > 1:
        dropout["layers"] = draw(RATES)
    if any(dropout.values()):
        lockable = dropout["embedding"] or dropout.get("layers") or task == "tagging"
        model["dropout"] = {**dropout, "locked": bool(lockable) and draw(coin())}
    head = {"name": "drawn", "family": "recurrent", "task": task}
    return {**head, "model": model}


@st.composite
def of_pairs(draw: st.DrawFn, width: int, output: int, layers: int) -> Fields:
    """What an encoder-decoder has beside."""
    encoder: Fields = {}
    if draw(coin()):
        encoder["bidirectional"] = True
    if draw(coin()):
        encoder["width"] = draw(st.integers(3, 7))
    if draw(coin()):
        encoder["vocab_size"] = draw(st.integers(11, 20))
    scores = ["additive", "bilinear", "none"]
    if encoder.get("width", width) * (1 + encoder.get("bidirectional", False)) == output:
        scores.append("dot")
    score = draw(st.sampled_from(scores))
    attention: Any = score
    if score != "none" and draw(coin()):
        attention = {"score": score}
        if draw(coin()):
            attention["place"] = draw(st.sampled_from(["before", "after"]))
        if score == "additive" and draw(coin()):
            attention["width"] = draw(st.integers(2, 6))
        if not _is_before(attention) and draw(coin()):
            attention["input_feeding"] = True
    return {"encoder": encoder, "attention": attention}
