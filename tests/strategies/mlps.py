"""MLPs and mixtures of experts."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from tests.strategies.choices import ACTIVATIONS, Fields, coin, some_of
from tests.strategies.norms import inner_norms


def mlps() -> st.SearchStrategy[Any]:
    kinds = st.sampled_from(["gated", "plain"])
    others = {"kind": kinds, "d_ff": st.sampled_from([7, 16, 40]), "bias": coin()}
    others |= {"norm": inner_norms(), "output_norm": inner_norms()}
    others["sparsity"] = st.sampled_from([0.0, 0.3, 0.75])
    others["adapter"] = adapters()
    others["experts"] = st.one_of(st.just("none"), experts())
    said = st.fixed_dictionaries({"activation": ACTIVATIONS}, optional=others)
    return st.one_of(said, said, some_of(**others), kinds)


def adapters() -> st.SearchStrategy[Any]:
    """A bottleneck that says its activation, which is not always one that it may have."""
    said = {
        "width": st.sampled_from([1, 3, 5]),
        "activation": st.sampled_from(["gelu", "silu", "quick_gelu", "relu2"]),
        "norm": st.sampled_from(["own", "shared", "none"]),
    }
    whole = st.fixed_dictionaries(said, optional={"bias": coin(), "normed": coin()})
    return st.one_of(st.just("none"), whole.map(_meant))


def _meant(adapter: Fields) -> Fields:
    """Without what means nothing of an adapter that has no norm."""
    bare = adapter["norm"] == "none"
    return {name: value for name, value in adapter.items() if name != "normed" or not bare}


@st.composite
def experts(draw: st.DrawFn) -> Fields:
    """Two to eight experts; it says all that is joined to something else."""
    count = draw(st.sampled_from([2, 4, 6, 8]))
    groups = draw(st.sampled_from([1, 1, 2]))
    active_groups = draw(st.integers(1, groups))
    scores = draw(st.sampled_from(["softmax", "softmax", "sigmoid", "sparsemixer"]))
    if scores == "sparsemixer":
        groups = active_groups = 1
    two = count // groups > 1
    router = {
        "scores": scores,
        "correction": scores != "sparsemixer" and draw(coin()),
        "groups": groups,
        "active_groups": active_groups,
        "group_score": draw(st.sampled_from(["max", "top2"] if two else ["max"])),
    }
    router |= draw(
        some_of(
            normalize=coin(),
            power=st.sampled_from([1.0, 2.0]),
            eps=st.sampled_from([0.0, 1e-20, 0.1]),
            bias=coin(),
            softcap=st.sampled_from([5.0, 30.0]),
            logit_scale=st.sampled_from([2.0, "1 / sqrt(d_model)"]),
            expert_scale=coin(),
            corrected=st.sampled_from(["scores", "logits"]),
            scale=st.sampled_from([0.5, 2.5]),
            apply=st.sampled_from(["output", "input"]),
            threshold=st.sampled_from([0.05, 0.3]),
        )
    )
    in_reach = count // groups * active_groups
    whole = {"count": count, "active": draw(st.integers(1, min(3, in_reach))), "router": router}
    shared = some_of(d_ff=st.sampled_from([5, 8, 24]), gate=coin(), bias=coin(), average=coin())
    return whole | draw(
        some_of(
            d_ff=st.sampled_from([5, 8, 16]),
            bias=coin(),
            shared=st.one_of(st.just("none"), shared),
            own_norms=coin(),
            output_norms=coin(),
        )
    )


def swiglus() -> st.SearchStrategy[Fields]:
    """A gate with numbers of its own, as GPT-OSS's."""
    numbers = some_of(
        beta=st.just(1.702), clamp=st.sampled_from([0.5, 7.0]), up_offset=st.just(1.0)
    )
    return numbers.map(lambda own: {"kind": "gated", "activation": "silu"} | own)


def fitting_mlps(model: Fields, swiglu: Fields | None) -> Fields:
    """The model with that gate in all its layers, or with nothing that experts can't have."""
    holders = [model, *model.get("blocks", {}).values()]
    for part in holders:
        if isinstance(part.get("mlp"), str):
            part["mlp"] = {"kind": part["mlp"]}
    mlps = [part["mlp"] for part in holders if "mlp" in part]
    mixed = any(mlp.get("experts", "none") != "none" for mlp in mlps)
    for mlp in mlps:
        if mixed:
            mlp.pop("norm", None)
            mlp.pop("sparsity", None)
            mlp["activation"] = mlp.get("activation", "silu").replace("xielu", "gelu")
        mlp |= swiglu or {}
    routed = [mlp["experts"] for mlp in mlps if isinstance(mlp.get("experts"), dict)]
    if any(experts.get("own_norms") for experts in routed):  # there is none to share
        for adapter in (mlp["adapter"] for mlp in mlps if isinstance(mlp.get("adapter"), dict)):
            adapter["norm"] = adapter["norm"].replace("shared", "own")
    return model
