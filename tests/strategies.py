"""Whole random specs, valid by construction, that between them turn every knob of `model`."""

from __future__ import annotations

import itertools
from typing import Any

from hypothesis import strategies as st

from codegen.spec.formula import formula_of, terms_of
from codegen.spec.mask import parse_mask

Fields = dict[str, Any]

EPSILONS = st.sampled_from([1e-6, 1e-5, 1e-3, 0.1])
THETAS = st.sampled_from([7.5, 100.0, 1e4, 1e6])
LOCAL_MASKS = st.one_of(
    st.just("causal"),
    st.integers(1, 12).map("causal & window({})".format),
    st.sampled_from(
        [
            "window(5, 1)",
            "window(6) & causal",
            "causal & window(4, 3)",
            "(causal & window(9)) & window(7)",
            "causal & window(1000)",
        ]
    ),
)
ATTENTION_SCALES = st.sampled_from(
    [
        0.5,
        1,
        "1 / sqrt(d_model)",
        "sqrt(heads) / head_dim",
        "1 / sqrt(2 * layers)",
        "(head_dim + 2) / (d_ff + vocab_size)",
    ]
)
EMBEDDING_SCALES = st.sampled_from(
    [0.3, 3, "sqrt(d_model)", "d_model / layers", "sqrt(vocab_size)"]
)
ACTIVATIONS = st.sampled_from(
    [
        *("silu", "gelu", "gelu_tanh", "relu", "relu2", "quick_gelu", "sigmoid", "tanh", "mish"),
        *("softplus", "leaky_relu", "xielu", "xielu", "identity"),
    ]
)
KINDS = ["local", "global", "wide_one"]


def some_of(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Fields]:
    """Any part of the fields."""
    return st.fixed_dictionaries({}, optional=fields)


def coin() -> st.SearchStrategy[bool]:
    return st.booleans()


def atoms() -> st.SearchStrategy[str]:
    """Parts of a mask; comparisons stand without parentheses, which they don't need."""
    numbered = ["window({})", "window({}, 3)", "prefix({})", "block({})", "sink({})", "global({})"]
    numbered += ["dilated({})", "q - k < {}", "q // {} >= k // 4", "(q - k) % {} == 0", "k >= {}"]
    numbered += ["q // {0} == k // {0}", "q != {}", "q * k % {} != 1", "(q + h) % {} == 0"]
    plain = [
        "causal",
        "full",
        "document",
        "document",
        "prefix",
        "padding",
        "h < 1",
        "k - q < 2 - h",
    ]
    some = st.builds(str.format, st.sampled_from(numbered), st.integers(1, 5))
    return st.one_of(st.sampled_from(plain), some)


def formulas() -> st.SearchStrategy[str]:
    """Atoms joined; most are no mask for a language model, but any part of one."""
    return st.recursive(
        atoms(),
        lambda inner: st.one_of(
            st.builds("({}) & {}".format, inner, atoms()),
            st.builds("{} | ({})".format, atoms(), inner),
            st.builds("~({})".format, inner),
        ),
        max_leaves=3,
    )


def masks() -> st.SearchStrategy[str]:
    """Masks that show the future only in a prefix."""
    known = [
        "causal & (window(4) | sink(2))",
        "causal & document",
        "causal & document & window(6)",
        "prefix | causal",
        "prefix(4) | causal & window(7)",
        "(prefix | causal) & document",
        "causal & padding",
        "causal & (window(3) | global(2))",
        "causal & (window(3) | dilated(4))",
        "causal & block(5)",
        "block(4) & causal | sink(1)",
        "q // 4 > k // 4",  # queries of the first block see nothing
        "causal & (h < 1 | window(3))",
    ]
    causal = st.one_of(
        st.builds("causal & ({})".format, formulas()),
        st.builds("({}) & k <= q".format, formulas()),
    )
    first = st.one_of(st.just("prefix"), st.integers(1, 5).map("prefix({})".format))
    return st.one_of(
        LOCAL_MASKS,
        LOCAL_MASKS,
        st.sampled_from(known),
        causal,
        st.builds("{} & ({}) | {}".format, first, formulas(), st.one_of(LOCAL_MASKS, causal)),
        st.builds("{} | {}".format, first, st.one_of(LOCAL_MASKS, causal)),
    )


def shows_something(mask: str) -> bool:
    """Whether a spec may have the mask: one that shows nothing, by its form, is refused."""
    return bool(terms_of(formula_of(parse_mask(mask))))


MASKS = masks().filter(shows_something)  # once: making a recursive strategy takes long


@st.composite
def norms(draw: st.DrawFn) -> Fields:
    """A norm that says what it is, so that it may stand over any other."""
    kind = draw(st.sampled_from(["rms", "layer"]))
    weight = draw(coin())
    biases = [None, False, True] if kind == "layer" and weight else [None, False]
    whole = {"kind": kind, "weight": weight, "bias": draw(st.sampled_from(biases))}
    return {**whole, **draw(placements())}


def placements() -> st.SearchStrategy[Fields]:
    places = st.sampled_from(["pre", "post", "sandwich", "post_residual"])
    return some_of(eps=EPSILONS, placement=places)


@st.composite
def qk_norms(draw: st.DrawFn) -> Any:
    """A norm that says all that could contradict what another one before it says."""
    kind = draw(st.sampled_from(["rms", "layer"]))
    if draw(coin()):
        return draw(st.sampled_from(["none", kind]))
    over = draw(st.sampled_from(["head", "head", "projection", "each_head"]))
    whole = {
        "kind": kind,
        "over": over,
        "weight": over == "each_head" or draw(coin()),
        "bias": False if over == "each_head" else None,
        "after_rope": over == "head" and draw(coin()),
    }
    return {**whole, **draw(some_of(eps=EPSILONS))}


def inner_norms() -> st.SearchStrategy[Any]:
    """Of values, of what attention gives, of the width inside an MLP."""
    kinds = st.sampled_from(["rms", "layer"])
    whole = {"kind": kinds, "weight": coin(), "bias": st.none(), "zero_centered": coin()}
    return st.one_of(
        st.just("none"), kinds, st.fixed_dictionaries(whole, optional={"eps": EPSILONS})
    )


def gains() -> st.SearchStrategy[Fields]:
    """LayerScale, and branches that some samples skip in training."""
    rates = st.sampled_from([0.1, {"rate": 0.3, "growing": False}, 0.0])
    some = some_of(layer_scale=st.sampled_from([0.1, 1.5]), drop_path=rates)
    return st.one_of(st.just({}), some)


@st.composite
def residuals(draw: st.DrawFn) -> Fields:
    """A layout that fits the norms' placement, which goes with it."""
    scale = draw(some_of(scale=st.sampled_from([0.5, "1.4 / sqrt(layers)"])))
    layout = draw(st.sampled_from(["", "sequential", "parallel", "shared"]))
    if not layout:
        return {"residual": scale}
    said = {"layout": "parallel" if layout == "shared" else layout}
    fields = {"residual": {**said, "shared_norm": layout == "shared", **scale}}
    if layout == "sequential" and not draw(coin()):
        return fields
    normed = layout == "sequential" and draw(coin())
    bare = not normed and layout != "shared" and draw(coin())
    fields["residual"] |= {"normed": normed, "attention_norm": not bare}
    return {**fields, "norm": {"placement": "pre"}}


def mlps() -> st.SearchStrategy[Any]:
    kinds = st.sampled_from(["gated", "plain"])
    others = {"kind": kinds, "d_ff": st.sampled_from([7, 16, 40]), "bias": coin()}
    others["norm"] = inner_norms()
    others["experts"] = st.one_of(st.just("none"), experts())
    said = st.fixed_dictionaries({"activation": ACTIVATIONS}, optional=others)
    return st.one_of(said, said, some_of(**others), kinds)


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
        )
    )


def biases() -> st.SearchStrategy[Any]:
    return st.one_of(coin(), some_of(q=coin(), k=coin(), v=coin(), o=coin(), gate=coin()))


def scalings(pairs: int) -> st.SearchStrategy[Any]:
    """How rotary positions are stretched, where so many pairs of dimensions turn."""
    factors = st.sampled_from([2, 3.5, 8.0])
    contexts = st.sampled_from([8, 16, 64])
    divisors = st.lists(st.sampled_from([1.0, 1.3, 2.5]), min_size=pairs, max_size=pairs)

    def said(kind: str, optional: Fields | None = None, **fields: Any) -> st.SearchStrategy[Fields]:
        whole = {"kind": st.just(kind), **fields}
        return st.fixed_dictionaries(whole, optional=optional or {})

    llama3 = {
        "factor": st.sampled_from([4.0, 32]),
        "low_freq_factor": st.sampled_from([0.5, 1.0]),
        "high_freq_factor": st.sampled_from([2.5, 4.0]),
    }
    yarn = {
        "beta_fast": st.sampled_from([4.0, 32.0]),
        "beta_slow": st.sampled_from([0.5, 1.0]),
        "truncate": coin(),
        "attention_factor": st.sampled_from([1.0, 0.7]),
    }
    longrope = {
        "attention_factor": st.sampled_from([1.2]),
        "long_attention_factor": st.sampled_from([0.8]),
    }
    return st.one_of(
        st.none(),
        said("linear", factor=factors),
        said("llama3", llama3, original_context_length=contexts),
        said("yarn", yarn, factor=factors, original_context_length=contexts),
        said(
            "longrope",
            longrope,
            short_factor=divisors,
            long_factor=divisors,
            original_context_length=contexts,
        ),
        said("proportional", {"factor": factors}, fraction=st.sampled_from([0.4, 1.0])),
        *([said("dynamic", factor=factors, original_context_length=contexts)] if pairs > 1 else []),
    )


@st.composite
def heads(draw: st.DrawFn) -> Fields:
    """MHA, GQA or MQA."""
    count = draw(st.sampled_from([1, 2, 3, 4, 6]))
    divisors = [None, *(n for n in range(1, count + 1) if count % n == 0)]
    return {"heads": count, "kv_heads": draw(st.sampled_from(divisors))}


@st.composite
def ropes(draw: st.DrawFn, head_dim: int, turns: Fields) -> Fields:
    """Rotary positions; `turns` is what all layers that have them share."""
    fields = {**draw(some_of(theta=THETAS, values=coin())), **turns}
    widths = list(range(2, head_dim + 1, 2))
    if draw(coin()):
        fields["dim"] = draw(st.sampled_from([None, *widths]))
    pairs = (fields.get("dim") or head_dim) // 2
    # A width of its own would not fit the divisors of another kind of block.
    return {**fields, "scaling": draw(scalings(pairs))} if "dim" in fields else fields


def attention_parts() -> st.SearchStrategy[Fields]:
    """What may differ by block kind without regard to anything else."""
    return some_of(
        bias=biases(),
        qk_norm=qk_norms(),
        v_norm=inner_norms(),
        output_norm=inner_norms(),
        clip=st.sampled_from([0.5, 3.0]),
        gate=st.sampled_from(["none", "channel", "head"]),
        value_dim=st.sampled_from([None, None, 3, 6]),
        value_scale=st.sampled_from([None, 0.7]),
        gate_activation=st.sampled_from(["sigmoid", "softplus"]),
        mask=MASKS,
        scale=ATTENTION_SCALES,
        softcap=st.sampled_from([0.7, 4, 50.0]),
        alibi=st.sampled_from([True, True, False, {"scaled": True}]),
        scale_by_layer=coin(),
        temperature=st.sampled_from([None, {"scale": 0.4, "length": 3, "offset": 1}]),
        relative_bias=relative_biases(),
        sinks=coin(),
    )


@st.composite
def latents(draw: st.DrawFn, even: bool) -> Fields:
    """Latent attention; what turns, turns in pairs."""
    fields = {
        "kv_rank": draw(st.sampled_from([3, 8])),
        "nope_dim": draw(st.sampled_from([1, 4, 6])),
        "rope_dim": draw(st.sampled_from([2, 4, 8] if even else [2, 3])),
        "value_dim": draw(st.sampled_from([2, 5, 8])),
    }
    return {**fields, **draw(some_of(q_rank=st.just(6), bias=coin(), eps=EPSILONS))}


LATENTS_LACK = {
    "kv_heads": None,
    "head_dim": None,
    "bias": {"q": False, "k": False, "v": False},
    "qk_norm": "none",
    "v_norm": "none",
    "output_norm": "none",
    "clip": None,
    "gate": "none",
    "value_dim": None,
    "value_scale": None,
    "differential": False,
    "alibi": False,
    "relative_bias": "none",
    "sinks": False,
}


def fit_for_latents(attention: Fields) -> Fields:
    """An attention without what latents have no place for."""
    fitting = {name: value for name, value in attention.items() if name not in LATENTS_LACK}
    if isinstance(fitting.get("rope"), dict):  # their width is said by the latents
        lacking = ("dim", "scaling", "values")
        fitting["rope"] = {n: v for n, v in fitting["rope"].items() if n not in lacking}
    return fitting


@st.composite
def latent_kinds(draw: st.DrawFn, attention: Fields, turns: Fields) -> Fields:
    """A block kind's attention by latents, whatever the other kinds have."""
    rope = draw(st.sampled_from(["none", {**turns, "dim": None, "scaling": None}]))
    own = {**fit_for_latents(attention), **LATENTS_LACK, "rope": rope}
    return {**own, "latent": draw(latents(rope != "none"))}


def relative_biases() -> st.SearchStrategy[Any]:
    """T5's numbers, or others; those of a block kind stand over any before."""
    numbers = [(4, 3), (5, 9), (8, 16), (9, 20), (32, 20)]
    said = [{"buckets": buckets, "max_distance": most} for buckets, most in numbers]
    return st.sampled_from(["t5", "none", *said])


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


def without_turned_values(model: Fields) -> Fields:
    """The model whose values don't turn, if some layer's are not as wide as its queries."""
    parts = (model, *model.get("blocks", {}).values())
    attentions = [part["attention"] for part in parts if "attention" in part]
    if any(a.get("value_dim") or a.get("latent", "none") != "none" for a in attentions):
        for attention in attentions:
            if isinstance(attention.get("rope"), dict):
                rope = attention["rope"].items()
                attention["rope"] = {name: value for name, value in rope if name != "values"}
    return model


def repaired(model: Fields, centred: Fields) -> Fields:
    """The model with parallel layouts' norms before the sublayers, and gains centred alike.

    `centred` says of each norm whether its gain is 1 + weight, in all block kinds.
    """
    for part in (model, *model.get("blocks", {}).values()):
        residual = {**model.get("residual", {}), **part.get("residual", {})}
        layout, normed = residual.get("layout"), residual.get("normed")
        bare = not residual.get("attention_norm", True)
        norms = part.get("norm")
        if layout == "parallel":
            part.setdefault("residual", {})["normed"] = False
        if bare and (residual.get("shared_norm") or (normed and layout != "parallel")):
            part.setdefault("residual", {})["attention_norm"] = True
        if layout == "parallel" or normed or bare:
            norms = {"kind": norms} if isinstance(norms, str) else norms or {}
            part["norm"] = {**norms, "placement": "pre"}
        places = [("norm", part), ("norm", part.get("mlp")), ("qk_norm", part.get("attention"))]
        places += [(name, part.get("attention")) for name in ("v_norm", "output_norm")]
        for name, place in places:
            key = "mlp_norm" if place is part.get("mlp") else name
            said = place.get(name) if isinstance(place, dict) else None
            said = {"kind": said} if isinstance(said, str) and said != "none" else said
            if isinstance(said, dict) and isinstance(place, dict):
                place[name] = {**said, "zero_centered": centred[key]}
    return model


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


@st.composite
def norm_forms(draw: st.DrawFn) -> Fields:
    """A norm outside the blocks that says what it is."""
    norm = {**draw(norms()), "eps": draw(EPSILONS)}
    return {name: norm[name] for name in ("kind", "weight", "bias", "eps")}


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
    if draw(st.integers(0, 3)) == 0:
        fields["dim"] = draw(st.sampled_from([6, 10]))  # a norm of fewer is unsteady
        projected = st.sampled_from(["tokens", "sum", "norm"])
        fields |= draw(some_of(projected=projected, projection_bias=coin()))
    elif draw(st.integers(0, 3)) == 0:
        fields["token_shift"] = True
    elif draw(coin()):
        fields["norm_of"] = draw(st.sampled_from(["tokens", "tokens", "sum"]))
    return fields


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
    parts = ("norm", "mlp_norm", "qk_norm", "v_norm", "output_norm")
    centred = {part: draw(coin()) for part in parts}
    swiglu = draw(st.one_of(st.none(), st.none(), swiglus()))
    if not names:
        model["layers"] = draw(st.integers(1, 4))
        return without_turned_values(
            sharing_bias(repaired(fitting_mlps(model, swiglu), centred), shared)
        )
    kinds = {name: draw(block_kinds(head_dim, turns, turned, attention)) for name in names}
    model |= {"blocks": kinds, "layers": draw(layer_orders(names))}
    return without_turned_values(
        sharing_bias(repaired(fitting_mlps(model, swiglu), centred), shared)
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
            mlp["activation"] = mlp.get("activation", "silu").replace("xielu", "gelu")
        mlp |= swiglu or {}
    return model


def kinds_in_order(layers: Any) -> list[str]:
    """The kinds of a model's layers, each where it first stands."""
    runs = layers["pattern"] if isinstance(layers, dict) else layers
    return list(
        dict.fromkeys(kind for run in runs for kind in ([run] if isinstance(run, str) else run))
    )


def reusing(model: Fields) -> Fields:
    """The model with one kind of layers that has the keys and values of the first kind."""
    if len(model.get("blocks", {})) < 2 or "order" in model:
        return model
    first, *_, last = kinds_in_order(model["layers"])
    general, blocks = model["attention"], model["blocks"]
    there, own = blocks[first].get("attention", {}), blocks[last].get("attention", {})
    said = {**general, **there}
    if "latent" in said or "latent" in own or general.get("relative_bias", "none") != "none":
        return model
    same = {"heads": said["heads"], "mask": said.get("mask", "causal")}
    same |= {name: said.get(name) for name in ("kv_heads", "head_dim", "value_dim")}
    lacked = ("clip", "gate", "output_norm", "relative_bias", "qk_norm", "rope")
    fields = {name: value for name, value in own.items() if name not in lacked}
    fields |= {"clip": None, "gate": "none", "output_norm": "none", "qk_norm": "none"}
    fields |= {"rope": there["rope"]} if "rope" in there else {}
    blocks[last]["attention"] = {**fields, **same, "kv_of": first}
    return model


def subtracting(model: Fields) -> Fields:
    """The model with differential attention, if all its layers have their heads in pairs."""
    general = model["attention"]
    kinds = [kind["attention"] for kind in model.get("blocks", {}).values() if "attention" in kind]
    for attention in (general, *({**general, **kind} for kind in kinds)):
        heads = attention["heads"]
        if "latent" in attention or heads % 2 or (attention.get("kv_heads") or heads) % 2:
            return model
    for attention in (general, *kinds):
        for field in ("output_norm", "gate", "value_dim"):
            attention.pop(field, None)
    general["differential"] = True
    return model


def sharing_bias(model: Fields, shared: bool) -> Fields:
    """The model with one table of biases for all its layers, if it is to be shared."""
    kinds = [kind["attention"] for kind in model.get("blocks", {}).values() if "attention" in kind]
    if shared:
        one = {"buckets": 8, "max_distance": 16, "shared": True}
        for attention in (model["attention"], *kinds):
            if attention.get("relative_bias", "none") != "none":
                attention["relative_bias"] = one
        for attention in kinds:
            attention.pop("heads", None)
            if "latent" not in attention:  # whose kv_heads stand over the model's
                attention.pop("kv_heads", None)
    return model


ENCODER_MASKS = st.one_of(
    st.just("padding"),
    st.sampled_from(["full", "window(5, 4) & padding", "document & padding", "~causal | block(4)"]),
    MASKS,
)


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
    return model


@st.composite
def specs(draw: st.DrawFn) -> Fields:
    """Small whole specs, as the mapping that a YAML file holds."""
    if draw(st.integers(0, 3)):
        model = draw(models())
        change = draw(st.sampled_from([None, None, None, subtracting, reusing, reusing]))
        model = change(model) if change else model
        return {"name": "drawn_model", "model": model}
    return {"name": "drawn_model", "task": "masked-lm", "model": draw(encoders())}
