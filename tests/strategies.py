"""Whole random specs, valid by construction, that between them turn every knob of `model`."""

from __future__ import annotations

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
ACTIVATIONS = st.sampled_from(["silu", "gelu", "gelu_tanh", "relu", "relu2"])
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
    return some_of(eps=EPSILONS, placement=st.sampled_from(["pre", "post", "sandwich"]))


def qk_norms() -> st.SearchStrategy[Any]:
    kinds = st.sampled_from(["rms", "layer"])
    return st.one_of(
        st.just("none"),
        kinds,
        some_of(kind=kinds, weight=coin(), eps=EPSILONS),
        st.fixed_dictionaries({"eps": EPSILONS}, optional={"kind": kinds}),
    )


def mlps() -> st.SearchStrategy[Any]:
    kinds = st.sampled_from(["gated", "plain"])
    others = {"kind": kinds, "d_ff": st.sampled_from([7, 16, 40]), "bias": coin()}
    said = st.fixed_dictionaries({"activation": ACTIVATIONS}, optional=others)
    return st.one_of(said, said, some_of(**others), kinds)


def biases() -> st.SearchStrategy[Any]:
    return st.one_of(coin(), some_of(q=coin(), k=coin(), v=coin(), o=coin()))


def scalings() -> st.SearchStrategy[Any]:
    linear = st.fixed_dictionaries(
        {"kind": st.just("linear"), "factor": st.sampled_from([2, 3.5, 8.0])}
    )
    llama3 = st.fixed_dictionaries(
        {"kind": st.just("llama3"), "original_context_length": st.sampled_from([8, 16, 64])},
        optional={
            "factor": st.sampled_from([4.0, 32]),
            "low_freq_factor": st.sampled_from([0.5, 1.0]),
            "high_freq_factor": st.sampled_from([2.5, 4.0]),
        },
    )
    return st.one_of(st.none(), linear, llama3, llama3)


@st.composite
def heads(draw: st.DrawFn) -> Fields:
    """MHA, GQA or MQA."""
    count = draw(st.sampled_from([1, 2, 3, 4, 6]))
    divisors = [None, *(n for n in range(1, count + 1) if count % n == 0)]
    return {"heads": count, "kv_heads": draw(st.sampled_from(divisors))}


@st.composite
def ropes(draw: st.DrawFn, scaling: Any) -> Fields:
    """Rotary positions; all layers that have them share one scaling."""
    fields = draw(some_of(theta=THETAS))
    return {**fields, "scaling": scaling} if scaling or draw(coin()) else fields


def attention_parts() -> st.SearchStrategy[Fields]:
    """What may differ by block kind without regard to anything else."""
    return some_of(
        bias=biases(),
        qk_norm=qk_norms(),
        mask=MASKS,
        scale=ATTENTION_SCALES,
        softcap=st.sampled_from([0.7, 4, 50.0]),
        alibi=st.sampled_from([True, True, False]),
        relative_bias=relative_biases(),
        sinks=coin(),
    )


def relative_biases() -> st.SearchStrategy[Any]:
    """T5's numbers, or others; those of a block kind stand over any before."""
    numbers = [(4, 3), (5, 9), (8, 16), (9, 20), (32, 20)]
    said = [{"buckets": buckets, "max_distance": most} for buckets, most in numbers]
    return st.sampled_from(["t5", "none", *said])


@st.composite
def block_kinds(draw: st.DrawFn, head_dim: int | None, scaling: Any, turned: bool) -> Fields:
    """How a kind of block differs: in numbers, in structure, or in nothing.

    `turned` says that some layer has rotary positions: then all share one head_dim.
    """
    attention = draw(attention_parts())
    if head_dim and draw(coin()):
        attention |= draw(heads())
    if turned:
        attention |= draw(some_of(rope=st.one_of(st.just("none"), ropes(scaling))))
    elif head_dim and draw(coin()):
        attention["head_dim"] = draw(st.sampled_from([3, 5, 6]))
    own = {"attention": attention, "mlp": draw(mlps()), "norm": draw(norms() | placements())}
    return {part: fields for part, fields in own.items() if draw(st.integers(0, 3))}


@st.composite
def layer_orders(draw: st.DrawFn, kinds: list[str]) -> Any:
    """One to four layers with each kind at least once."""
    names = draw(st.permutations(kinds)) + draw(
        st.lists(st.sampled_from(kinds), max_size=4 - len(kinds))
    )
    if len(names) <= 2 and draw(coin()):
        return {"pattern": names, "repeat": 2}
    return names if draw(coin()) else {"pattern": names}


@st.composite
def models(draw: st.DrawFn) -> Fields:
    """The field `model` of a spec."""
    width = draw(st.sampled_from([8, 12, 16, 24, 32]))
    scaling = draw(scalings())
    embedding = draw(
        some_of(
            tied=coin(),
            scale=EMBEDDING_SCALES,
            positions=st.sampled_from(["none", "learned"]),
            norm=coin(),
            token_shift=st.just(True),
        )
    )
    attention = {**draw(attention_parts()), **draw(heads())}
    rope = draw(st.sampled_from(["unsaid", "none", "said", "said"]))
    by_default = rope == "unsaid" and embedding.get("positions") != "learned"
    if by_default:
        scaling = None  # every block kind shares that of the default
    elif rope != "unsaid":
        attention["rope"] = "none" if rope == "none" else draw(ropes(scaling))
    turned = by_default or rope == "said" or draw(coin())  # by some block kind, if not by all
    head_dim = draw(st.sampled_from([None, 2, 4, 8] if turned else [None, 2, 4, 5, 8]))
    if head_dim is None:
        fitting = [n for n in (1, 2, 3, 4, 6) if width % n == 0 and width // n % 2 == 0]
        attention["heads"] = draw(st.sampled_from(fitting))
        attention["kv_heads"] = draw(st.sampled_from([None, 1]))
    else:
        attention["head_dim"] = head_dim
    attention = {name: value for name, value in attention.items() if value is not None}
    model = {
        "vocab_size": draw(st.integers(11, 40)),
        "context_length": draw(st.integers(16, 24)),
        "d_model": width,
        "attention": attention,
        "mlp": draw(mlps()),
        "norm": draw(st.one_of(norms(), norms(), st.sampled_from(["rms", "layer"]))),
        "embedding": embedding,
        "head": draw(
            some_of(softcap=st.sampled_from([0.8, 5, 30.0]), z_loss=st.just(1e-3), bias=coin())
        ),
        "dropout": draw(st.sampled_from([0.0, 0.2])),
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
    if not names:
        return sharing_bias({**model, "layers": draw(st.integers(1, 4))}, shared)
    kinds = {name: draw(block_kinds(head_dim, scaling, turned)) for name in names}
    whole = {**model, "blocks": kinds, "layers": draw(layer_orders(names))}
    return sharing_bias(whole, shared)


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
            attention.pop("kv_heads", None)
    return model


def specs() -> st.SearchStrategy[Fields]:
    """Small whole specs, as the mapping that a YAML file holds."""
    return models().map(lambda model: {"name": "drawn_model", "model": model})
