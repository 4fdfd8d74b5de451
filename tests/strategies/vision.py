"""Whole random specs of image classifiers, valid by construction."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from tests.strategies.attention import biases
from tests.strategies.choices import ACTIVATIONS, Fields, coin, some_of
from tests.strategies.fitting import without_idle_gates
from tests.strategies.mlps import adapters
from tests.strategies.norms import inner_norms, norms, qk_norms
from tests.strategies.residuals import gains

MLPS = st.fixed_dictionaries(
    {"kind": st.sampled_from(["gated", "plain"]), "d_ff": st.sampled_from([7, 16, 40])},
    optional={
        "activation": ACTIVATIONS,
        "bias": coin(),
        "output_norm": inner_norms(),
        "adapter": adapters(),
    },
)


@st.composite
def images(draw: st.DrawFn) -> Fields:
    """Tokens before the patches, biases by offset, and a pooling that reads what there is."""
    fields = draw(
        some_of(
            channels=st.sampled_from([1, 3]),
            patch_bias=coin(),
            interpolation=st.sampled_from(["bicubic", "bicubic_antialias"]),
            pooling_norm=st.sampled_from(["before", "after"]),
        )
    )
    patch_size = draw(st.sampled_from([2, 3]))
    rest = draw(st.sampled_from([0, 0, 1]))  # pixels that make no patch
    fields |= {"size": patch_size * draw(st.integers(1, 4)) + rest, "patch_size": patch_size}
    if draw(st.integers(0, 2)) == 0:
        fields["relative_bias"] = draw(st.sampled_from(["layer", "shared", "both", "none"]))
        poolings = ["class", "mean", "class_mean", "attention"]
    else:
        class_token, distillation_token = draw(coin()), draw(coin())
        fields |= {"class_token": class_token, "distillation_token": distillation_token}
        fields |= draw(some_of(register_tokens=st.integers(0, 3)))
        poolings = ["mean", "attention"] + ["class", "class_mean"] * class_token
        poolings += ["class_distillation"] * (class_token and distillation_token)
    return {**fields, **draw(some_of(pooling=st.sampled_from(poolings)))}


@st.composite
def models(draw: st.DrawFn) -> Fields:
    """The field `model` of a spec."""
    image, heads = draw(images()), draw(st.sampled_from([1, 2, 4]))
    attention = draw(some_of(bias=biases(), qk_norm=qk_norms(), scale=st.just(0.4)))
    if image.get("relative_bias", "none") == "none":
        attention |= draw(some_of(softcap=st.sampled_from([0.7, 4.0]), sinks=coin()))
    attention |= {"heads": heads, "kv_heads": draw(st.sampled_from([1, heads]))}
    model = {
        "image": image,
        "classes": draw(st.integers(2, 9)),
        "d_model": draw(st.sampled_from([8, 16, 24])),
        "attention": attention | draw(some_of(head_dim=st.sampled_from([2, 5, 8]))),
        "mlp": draw(MLPS),
        "norm": draw(norms()),
        "final_norm": draw(st.sampled_from([True, True, False])),
        "embedding": draw(some_of(positions=st.sampled_from(["none", "learned"]), norm=coin())),
        "head": draw(some_of(bias=coin())),
        "dropout": draw(st.sampled_from([0.0, 0.2])),
        **draw(gains()),
        "init": draw(
            some_of(
                head=st.sampled_from(["normal", "zero"]),
                residual=st.sampled_from(["scaled", "normal", "zero"]),
            )
        ),
    }
    if image.get("pooling") == "attention" or draw(coin()):
        count = draw(st.integers(1, 3))
        order = st.permutations([*range(count), 0])
        return {**model, "layers": count, **draw(some_of(order=order))}
    kinds: dict[str, Any] = {"wide": {"mlp": {"d_ff": 24}}, "plain": {"mlp": {"kind": "plain"}}}
    residual = draw(some_of(depth_scaled=coin()))
    return {**model, "residual": residual, "blocks": kinds, "layers": ["wide", "plain", "wide"]}


@st.composite
def specs(draw: st.DrawFn) -> Fields:
    """Small whole specs, as the mapping that a YAML file holds: classifiers, and embeddings."""
    model = without_idle_gates(draw(models()))
    pooling = model["image"].get("pooling")
    if pooling == "class_distillation" or draw(st.integers(0, 2)):
        return {"name": "drawn_classifier", "task": "image-classification", "model": model}
    model = {name: value for name, value in model.items() if name not in ("classes", "head")}
    model["init"] = {name: value for name, value in model["init"].items() if name != "head"}
    projected = draw(some_of(projection=st.sampled_from([5, 16])))
    model["image"] = {**model["image"], **projected}
    return {"name": "drawn_viewer", "task": "image-embedding", "model": model}
