"""Whole random specs of language models, valid by construction: they turn every knob of `model`."""

from __future__ import annotations

from hypothesis import strategies as st

from tests.strategies.attention import attention_parts, fit_for_latents, heads, latents
from tests.strategies.blocks import KINDS, block_kinds, layer_orders
from tests.strategies.choices import Fields, coin, some_of
from tests.strategies.ends import embeddings, output_heads
from tests.strategies.fitting import (
    fitting_experts,
    fitting_values,
    growing,
    repaired,
    reusing,
    sharing_bias,
    subtracting,
    without_idle_gates,
    without_turned_values,
)
from tests.strategies.masks import ENCODER_MASKS
from tests.strategies.mixers import convolved
from tests.strategies.mlps import fitting_mlps, mlps, swiglus
from tests.strategies.norms import norm_forms, norms
from tests.strategies.residuals import altups, gains, residuals
from tests.strategies.rope import ropes


def fitted(model: Fields, swiglu: Fields | None, centred: dict[str, bool], shared: bool) -> Fields:
    """The model whose sublayers have only what they can have, alone and together."""
    model = fitting_mlps(fitting_values(fitting_experts(model)), swiglu)
    return without_turned_values(sharing_bias(repaired(model, centred), shared))


@st.composite
def models(draw: st.DrawFn) -> Fields:
    """The field `model` of a spec."""
    width = draw(st.sampled_from([8, 12, 16, 24, 32]))
    turns = draw(some_of(pairs=st.just("interleaved"), sign=st.just(-1)))
    embedding = draw(embeddings())
    attention = {**draw(attention_parts()), **draw(heads())}
    head_dim = draw(st.sampled_from([None, 2, 4, 8]))
    if head_dim is None:
        fitting = [n for n in (1, 2, 3, 4, 6) if width % n == 0 and width // n % 2 == 0]
        attention["heads"] = draw(st.sampled_from(fitting))
        attention["kv_heads"] = draw(st.sampled_from([None, 1]))
    else:
        attention["head_dim"] = head_dim
    turned = head_dim or width // attention["heads"]
    rope = draw(st.sampled_from(["unsaid", "none", "said", "said"]))
    if rope == "unsaid" and embedding.get("positions", "none") == "none":
        turns = {}  # every block kind shares what the default says
    elif rope != "unsaid":
        attention["rope"] = "none" if rope == "none" else draw(ropes(turned, turns))
    attention = {name: value for name, value in attention.items() if value is not None}
    if draw(st.integers(0, 5)) == 0:
        attention = {**fit_for_latents(attention), "latent": draw(latents(even=True))}
    model = {
        "vocab_size": draw(st.integers(11, 40)),
        "context_length": draw(st.integers(16, 24)),
        "d_model": width,
        "attention": attention,
        "mlp": draw(mlps()),
        "norm": draw(st.one_of(norms(), norms(), st.sampled_from(["rms", "layer"]))),
        "residual": draw(residuals()).get("residual", {}),
        "embedding": embedding,
        "final_norm": draw(st.one_of(st.just(True), st.just(True), st.just(False), norm_forms())),
        "head": draw(output_heads(embedding)),
        "dropout": draw(st.sampled_from([0.0, 0.2, {"attention": 0.2}, {"residual": 0.1}])),
        **draw(gains()),
        "altup": draw(st.one_of(st.just("none"), st.just("none"), altups(embedding))),
        "init": draw(
            some_of(
                std=st.sampled_from([0.02, 0.3]),
                embedding_std=st.sampled_from([0.1, 1.0]),
                head=st.sampled_from(["normal", "zero"]),
                residual=st.sampled_from(["scaled", "normal", "zero"]),
            )
        ),
    }
    names = KINDS[: draw(st.sampled_from([0, 1, 2, 2, 3, 3]))]
    shared = draw(st.sampled_from([False, False, True]))
    parts = ("norm", "mlp_norm", "mlp_output_norm", "qk_norm", "v_norm", "output_norm")
    centred = {part: draw(coin()) for part in parts}
    swiglu = draw(st.one_of(st.none(), st.none(), swiglus()))
    if not names:
        model["layers"] = draw(st.integers(1, 4))
        return fitted(model, swiglu, centred, shared)
    kinds = {name: draw(block_kinds(head_dim, turns, turned, attention)) for name in names}
    model |= {"blocks": kinds, "layers": draw(layer_orders(names))}
    return fitted(model, swiglu, centred, shared)


@st.composite
def encoders(draw: st.DrawFn) -> Fields:
    """A model that may see what comes later, and may pass a layer more than once."""
    model = draw(models())
    alike = draw(st.one_of(st.none(), ENCODER_MASKS))  # PyTorch has attention under some masks
    for part in (model, *model.get("blocks", {}).values()):
        if "mask" in part.get("attention", {}):
            mask = alike or draw(ENCODER_MASKS)
            part["attention"] = {**part["attention"], "mask": mask}
    if isinstance(model["layers"], int) and draw(coin()):
        layers = list(range(model["layers"]))
        model["order"] = draw(st.permutations([*layers, *layers[:2]]))
        model["residual"].pop("depth_scaled", None)
    return model


@st.composite
def specs(draw: st.DrawFn) -> Fields:
    """Small whole specs, as the mapping that a YAML file holds."""
    if draw(st.integers(0, 3)):
        model = draw(models())
        change = draw(st.sampled_from([None, None, None, subtracting, reusing, reusing]))
        model = change(model) if change else model
        model = draw(convolved(model)) if draw(st.integers(0, 3)) == 2 else model
        model = growing(model, draw(st.sampled_from(["log", "power"])))
        return {"name": "drawn_model", "model": without_idle_gates(model)}
    model = draw(encoders())
    model = without_idle_gates(draw(convolved(model)) if draw(st.integers(0, 3)) == 2 else model)
    return {"name": "drawn_model", "task": "masked-lm", "model": model}
