"""Whole random specs of models of whole texts, valid by construction."""

from __future__ import annotations

import re

from hypothesis import strategies as st

from tests.strategies.choices import Fields, coin
from tests.strategies.fitting import without_idle_gates
from tests.strategies.text import encoders

OF_TOKENS = {
    "embedding": ("tied", "extra_tokens"),
    "head": ("softcap", "z_loss", "scale"),
}
SEVERAL = re.compile(r"\b(document|prefix)\b(?!\()")  # masks of rows that hold several texts


@st.composite
def specs(draw: st.DrawFn) -> Fields:
    """An encoder without what only their prediction has, and a pooling or classes of tokens."""
    task = draw(st.sampled_from(["sequence-classification", "embedding", "tagging"]))
    model = draw(encoders())
    tied = model["embedding"].get("tied")
    for part, names in OF_TOKENS.items():
        model[part] = {name: v for name, v in model[part].items() if name not in names}
    masks = []
    for part in (model, *model.get("blocks", {}).values()):
        if isinstance(part.get("mlp"), dict):
            part["mlp"] = {name: v for name, v in part["mlp"].items() if name != "experts"}
        attention = part.get("attention", {})
        if SEVERAL.search(attention.get("mask", "")):
            part["attention"] = attention = {**attention, "mask": "padding"}
        masks.append(attention.get("mask", "padding" if part is model else ""))
    if tied and "dim" in model["embedding"] and "dim" not in model["head"]:
        model["head"].pop("transform", None)
    if not all("padding" in mask for mask in masks if mask):
        kinds = ["mean", "last"]
    else:
        kinds = ["mean", "last", "class"]
    model["pooling"] = {"kind": draw(st.sampled_from(kinds))}
    if task == "tagging":
        del model["pooling"]
        model["classes"] = draw(st.integers(1, 9))
    elif task == "sequence-classification":
        model["classes"] = draw(st.integers(1, 9))
        problems = ["single_label", "single_label", "multi_label", "regression"]
        model["head"]["problem"] = draw(st.sampled_from(problems))
    else:
        model["pooling"]["normalize"] = draw(coin())
        model["head"] = {k: v for k, v in model["head"].items() if k != "bias"}
        model["head"]["temperature"] = draw(st.sampled_from([0.05, 0.5]))
        model["init"].pop("head", None)
    return {"name": "drawn_reader", "task": task, "model": without_idle_gates(model)}
