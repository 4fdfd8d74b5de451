"""Masks, from a window to any formula."""

from __future__ import annotations

from hypothesis import strategies as st

from codegen.spec.masks.formula import formula_of, terms_of
from codegen.spec.masks.tree import parse_mask

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
ENCODER_MASKS = st.one_of(
    st.just("padding"),
    st.sampled_from(["full", "window(5, 4) & padding", "document & padding", "~causal | block(4)"]),
    MASKS,
)
