"""The atoms of the mask language, each one row: what it takes, what it means, how it is said.

An atom means a formula over edges. An edge says `k < f(q)` for an f that never decreases in q, so
that a tile of queries [q0, q1) needs f at its two ends only: some query sees k if k < f(q1 - 1),
every query sees it if k < f(q0).
"""

from __future__ import annotations

from collections.abc import Callable

from codegen.frozen import frozen
from codegen.spec.masks.amount import Amount
from codegen.spec.masks.expression import Binary


@frozen
class Shift:
    """f(q) = q + by."""

    by: Amount


@frozen
class Constant:
    """f(q) = value."""

    value: Amount


@frozen
class BlockEdge:
    """f(q) = (q // size + by) * size: where a block of `size` positions begins or ends."""

    size: Amount
    by: int


@frozen
class Lookup:
    """f(q) = what a run-time input says, for each query of a row or for the whole row."""

    array: str


Bound = Shift | Constant | BlockEdge | Lookup


@frozen
class Edge:
    """k < bound(q)."""

    bound: Bound


@frozen
class Gate:
    """q < before, whatever the key."""

    before: Amount


@frozen
class Stride:
    """(q - k) % step == 0."""

    step: Amount


@frozen
class Both:
    """What both formulas show."""

    left: Formula
    right: Formula


@frozen
class Either:
    """What either formula shows."""

    left: Formula
    right: Formula


@frozen
class Other:
    """What the formula does not show."""

    operand: Formula


@frozen
class Always:
    """Every key."""


@frozen
class Opaque:
    """A comparison that only trying each pair decides."""

    comparison: Binary


Formula = Edge | Gate | Stride | Both | Either | Other | Always | Opaque


def between(low: Bound, high: Bound) -> Formula:
    """low(q) <= k < high(q)."""
    return Both(Other(Edge(low)), Edge(high))


@frozen
class Knob:
    """A number of an atom, as the generated config has it.

    At toy size the smallest number of this name is `toy`, the next `toy + step`, and so on.
    """

    name: str
    plural: str
    toy: int
    comment: str
    of_each: str = ""  # the comment on the plural
    step: int = 1


@frozen
class Pattern:
    """An atom: how many whole numbers it may take, its formula, and what a token sees by it.

    `written`, `shows` and `meaning` are its part of docs/spec.md, and `examples` what is drawn
    there: the numbers of each picture. `english` ends "each token sees"; `of_one` does where the
    number is 1.
    """

    takes: tuple[int, ...]
    formula: Callable[..., Formula]
    english: str
    written: tuple[str, ...]
    shows: str
    meaning: str
    examples: tuple[tuple[int, ...], ...] = ((),)
    knobs: tuple[Knob, ...] = ()
    of_one: str = ""


def window(left: Amount, right: Amount | None = None) -> Formula:
    """q - left < k, and k < q + right if given."""
    after = Other(Edge(Shift(1 - left)))
    return after if right is None else Both(after, Edge(Shift(right)))


def prefix(length: Amount | None = None) -> Formula:
    """k < length, or the row's own prefix length."""
    return Edge(Lookup("prefix_lengths") if length is None else Constant(length))


ATOMS: dict[str, Pattern] = {
    "causal": Pattern(
        (0,),
        lambda: Edge(Shift(1)),
        "itself and all before it",
        ("causal",),
        "`k <= q`",
        "A token sees itself and all tokens before it, as in a decoder. It is the default.",
    ),
    "full": Pattern(
        (0,),
        Always,
        "everything",
        ("full",),
        "always",
        "Every token sees every token, as in an encoder without padding.",
    ),
    "window": Pattern(
        (1, 2),
        window,
        "the neighbours within {0}",
        ("window(left)", "window(left, right)"),
        "`q - left < k`, and `k < q + right` if it is given",
        "A token sees the `left` tokens that end with itself, and all after it; `right` is how "
        "many it sees from itself on. A sliding window is `causal & window(left)`.",
        ((5,), (5, 3)),
        (
            Knob("window", "windows", 5, "keys a query sees, itself included", "in keys", 2),
            Knob("window_ahead", "windows_ahead", 3, "the same, ahead of it"),
        ),
    ),
    "prefix": Pattern(
        (0, 1),
        prefix,
        "the prefix",
        ("prefix", "prefix(n)"),
        "`k < n`; without `n`, k is before the end of the row's prefix",
        "All tokens see a prefix: as many tokens as `prefix_lengths=` says of each row when the "
        "model is called, or `n`. A prefix language model has `causal | prefix`.",
        ((), (3,)),
        (Knob("prefix", "prefixes", 6, "first keys, which all queries see"),),
    ),
    "document": Pattern(
        (0,),
        lambda: between(Lookup("document_starts"), Lookup("document_ends")),
        "its own document",
        ("document",),
        "q and k are of one document",
        "A row holds several documents, and a token sees its own one: `document_ids=` says which. "
        "Positions start anew with each document.",
    ),
    "padding": Pattern(
        (0,),
        lambda: Edge(Lookup("lengths")),
        "all but padding",
        ("padding",),
        "k is before the end of the row",
        "Nobody sees what fills a row up: `lengths=` says how many tokens each row has.",
    ),
    "block": Pattern(
        (1,),
        lambda n: between(BlockEdge(n, 0), BlockEdge(n, 1)),
        "its own block of {0}",
        ("block(n)",),
        "`q // n == k // n`",
        "Rows are cut into blocks of `n` tokens, and a token sees its own block.",
        ((4,),),
        (Knob("block_size", "block_sizes", 16, "positions that see each other", step=16),),
    ),
    "sink": Pattern(
        (1,),
        lambda n: Edge(Constant(n)),
        "the first {0} tokens",
        ("sink(n)",),
        "`k < n`",
        "All tokens see the first `n` tokens, beside a window as a rule: "
        "`causal & (window(1024) | sink(4))` (arXiv:2309.17453).",
        ((2,),),
        (Knob("sink", "sink_lengths", 2, "first keys, which all queries see"),),
        "the first token",
    ),
    "global": Pattern(
        (1,),
        lambda n: Either(Edge(Constant(n)), Gate(n)),
        "the first {0} tokens, which see all",
        ("global(n)",),
        "`k < n` or `q < n`",
        "All tokens see the first `n` tokens, and these see all (arXiv:2004.05150).",
        ((2,),),
        (Knob("global_tokens", "global_lengths", 2, "first tokens: they see all, all see them"),),
        "the first token, which sees all",
    ),
    "dilated": Pattern(
        (1,),
        Stride,
        "every token at a multiple of {0} from it",
        ("dilated(d)",),
        "`(q - k) % d == 0`",
        "A token sees every `d`-th token, counted from itself to both sides.",
        ((3,),),
        (Knob("dilation", "dilations", 2, "steps between a query and the keys it sees"),),
    ),
}
