"""How a layer attends: its mask as code, its cache, and whether PyTorch has it already."""

from __future__ import annotations

from collections.abc import Iterator

from codegen.frozen import frozen
from codegen.plan.kernels.attention_variant import pieces
from codegen.plan.kernels.kernel import MaskCode
from codegen.plan.masks.code import OF_QUERY, PYTHON, ROW_INPUTS, TRITON, mask_code, reads_heads
from codegen.plan.masks.names import mask_numbers, named_mask, with_names
from codegen.plan.masks.words import sentence
from codegen.plan.tables import Argument
from codegen.spec.masks.amount import Amount, named
from codegen.spec.masks.atoms import BlockEdge, Both, Constant, Edge, Lookup, Other, Shift
from codegen.spec.masks.formula import Term, formula_of, terms_of
from codegen.spec.masks.reach import is_causal
from codegen.spec.masks.tree import And, Atom, Mask

RANGES_OF_A_KERNEL = 4  # beyond them a tile visits one range around all
RANGES_OF_A_TILE = 8


@frozen
class MaskPlan:
    """Who sees whom, as code that reads the mask's numbers by name.

    `inputs` are what it reads of each row at run time: document_starts, document_ends,
    prefix_lengths or lengths. `window` says that it is no more than `causal & window(n)`, `block`
    that it is `block(n)`, causal or not.
    """

    english: str
    numbers: tuple[str, ...]
    inputs: tuple[str, ...]
    python: MaskCode
    triton: MaskCode
    causal: bool
    sees_itself: bool
    window: bool
    block: bool
    by_head: bool
    windows: tuple[str, ...] = ()  # the numbers that only bound how far is seen
    unbounded: tuple[str, ...] = ()  # what must hold besides, in one order, numbers by name

    @property
    def of_query(self) -> tuple[str, ...]:
        """What it reads of a query's place, by the names that the predicate has for it."""
        return tuple(OF_QUERY[name] for name in self.inputs if name in OF_QUERY)

    @property
    def of_row(self) -> tuple[str, ...]:
        """What it reads of a row: one number for all places."""
        return tuple(ROW_INPUTS[name] for name in self.inputs if name in ROW_INPUTS)

    @property
    def places(self) -> tuple[str, ...]:
        """What it reads of all queries' places."""
        return tuple(name for name in self.inputs if name in OF_QUERY)

    @property
    def number_arguments(self) -> tuple[Argument, ...]:
        """Its numbers, as functions take them."""
        return tuple(Argument(name, "int") for name in self.numbers)

    @property
    def predicate_arguments(self) -> tuple[Argument, ...]:
        """What the predicate takes besides q and k."""
        heads = (Argument("h", "Tensor"),) if self.by_head else ()
        places = (Argument(name, "Tensor") for name in self.of_query)
        rows = (Argument(name, "Tensor | int") for name in self.of_row)
        return (*self.number_arguments, *heads, *places, *rows)

    @property
    def range_arguments(self) -> tuple[Argument, ...]:
        """What the ranges of a tile's keys are worked out from, for one row."""
        return self._of_one_row("list[int]")

    @property
    def row_arguments(self) -> tuple[Argument, ...]:
        """The same as attention of one row takes it."""
        return self._of_one_row("Tensor")

    def _of_one_row(self, kind: str) -> tuple[Argument, ...]:
        places = (Argument(name, kind) for name in self.places)
        rows = (Argument(name, "int") for name in self.of_row)
        return (*self.number_arguments, *places, *rows)


@frozen
class ScorePlan:
    """What becomes of scores before and after the softmax."""

    scaled: bool = False
    softcap: bool = False
    alibi: bool = False
    alibi_slopes: str = "bloom"  # whose, where heads are no power of two
    alibi_most: float = 8.0
    alibi_scaled: bool = False  # added before the scores are scaled
    relative_bias: bool = False
    shared_bias: bool = False  # its table is the model's, not the layer's
    sinks: bool = False
    dropout: bool = False

    @property
    def arguments(self) -> tuple[Argument, ...]:
        """What the attention function takes for it."""
        rows = (
            (self.scaled, "scale", "float"),
            (self.softcap, "softcap", "float"),
            (self.alibi, "slopes", "Tensor"),
            (self.relative_bias, "bias_table", "Tensor"),
            (self.relative_bias, "max_distance", "int"),
            (self.sinks, "sinks", "Tensor"),
            (self.dropout, "dropout", "float"),
        )
        return tuple(Argument(name, kind) for present, name, kind in rows if present)

    @property
    def cached_arguments(self) -> tuple[Argument, ...]:
        """The same of attention by a cache, where nothing is dropped."""
        return tuple(argument for argument in self.arguments if argument.name != "dropout")

    @property
    def kernel_names(self) -> tuple[str, ...]:
        """The same in the order of our kernels, which read biases by buckets."""
        rows = (
            (self.alibi, ("slopes",)),
            (self.relative_bias, ("bias_table", "buckets")),
            (self.sinks, ("sinks",)),
            (self.softcap, ("softcap",)),
            (self.scaled, ("scale",)),
        )
        return tuple(name for present, names in rows if present for name in names)

    @property
    def biased(self) -> bool:
        """Whether something is added to the scores."""
        return self.alibi or self.relative_bias

    @property
    def by_hand(self) -> bool:
        """Whether scaled_dot_product_attention has no place for it."""
        return self.softcap or self.sinks


@frozen
class KeptPlan:
    """What a cache keeps: the first `first` positions and a ring of the last `ring`.

    Each is the largest of some amounts over the mask's numbers; no first positions, or no ring,
    where there are none: without a ring everything is kept.
    """

    first: tuple[Amount, ...] = ()
    ring: tuple[Amount, ...] = ()


@frozen
class AttentionFunction:
    """Attention as a function of q, k and v, for all layers whose code is the same.

    `prefix` tells the functions of one package apart.
    """

    prefix: str
    mask: MaskPlan
    score: ScorePlan
    grouped: bool
    pieces: int  # powers of two that the head dim is a sum of
    uneven: bool  # values are not as wide as keys: no kernel of ours
    latent: bool  # heads share a cache of latents, for which each is a query


WINDOW = Both(Edge(Shift(1)), Other(Edge(Shift(1 - named("window")))))  # causal & window(n)
PLAIN = (Atom("causal"), Atom("full"))  # masks that scaled_dot_product_attention has


def attention_function(
    mask: Mask,
    score: ScorePlan,
    grouped: bool,
    head_dim: int,
    value_dim: int,
    latent: bool = False,
) -> AttentionFunction | None:
    """The function for a mask; None if scaled_dot_product_attention says it all."""
    if mask in PLAIN and not (score.biased or score.by_hand):
        return None
    parts, uneven = len(pieces(head_dim)), latent or value_dim != head_dim
    return AttentionFunction("", mask_plan(mask), score, grouped, parts, uneven, latent)


def mask_plan(mask: Mask) -> MaskPlan:
    """A mask as code, with its numbers by name."""
    formula = with_names(mask)
    terms = terms_of(formula_of(mask))
    python = mask_code(formula, PYTHON, RANGES_OF_A_TILE)
    of_query = OF_QUERY if set(python.reads) & set(OF_QUERY) else ()  # transposed ranges need both
    inputs = (*of_query, *(name for name in ROW_INPUTS if name in python.reads))
    conditions = frozenset(_conditions(named_mask(mask)))
    windows = {part for part in conditions if isinstance(part, Atom) and part.name == "window"}
    return MaskPlan(
        english=sentence(named_mask(mask), "the expression"),
        numbers=tuple(number.name for number in mask_numbers(mask)),
        inputs=inputs,
        python=python,
        triton=mask_code(formula, TRITON, RANGES_OF_A_KERNEL),
        causal=is_causal(mask),
        sees_itself=any(map(_sees_itself, terms)),
        window=formula == WINDOW,
        block=len(terms) == 1 and _is_block(terms[0]),
        by_head=reads_heads(formula),
        windows=tuple(sorted(str(number) for part in windows for number in part.arguments)),
        unbounded=tuple(sorted(map(repr, conditions - windows - {Atom("full")}))),
    )


def _conditions(mask: Mask) -> Iterator[Mask]:
    """What must all hold, each by itself."""
    if isinstance(mask, And):
        yield from _conditions(mask.left)
        yield from _conditions(mask.right)
    else:
        yield mask


def kept_by_cache(mask: Mask) -> KeptPlan:
    """What a token to come may still see, of all that came before."""
    return _kept(terms_of(with_names(mask)))


def kept_numbers(mask: Mask) -> tuple[int, int | None]:
    """The same as numbers: how many first positions, and how many of the last (None: all)."""
    firsts, rings = [0], [0]
    for term in terms_of(formula_of(mask)):
        match _kept_by(term):
            case ("first", amount):
                firsts.append(int(amount))
            case ("ring", amount):
                rings.append(int(amount))
            case _:
                return 0, None
    return max(firsts), max(1, *rings)


def _kept(terms: tuple[Term, ...]) -> KeptPlan:
    firsts: list[Amount] = []
    rings: list[Amount] = []
    for term in terms:
        found = _kept_by(term)
        if found is None:
            return KeptPlan()
        (firsts if found[0] == "first" else rings).append(found[1])
    return KeptPlan(tuple(dict.fromkeys(firsts)), tuple(dict.fromkeys(rings)) or (1,))


def _kept_by(term: Term) -> tuple[str, Amount] | None:
    """How far a term's keys are seen by later queries; None: for ever.

    Queries go on: a key below a fixed bound is kept, one that an edge moves past may go.
    """
    for low in term.lows:
        match low:
            case Shift(by) if _is_ahead(by):
                return "ring", 1  # keys that no token to come sees: it sees only what came before
            case Shift(by):
                return "ring", 1 - by
            case BlockEdge(size, 0):
                return "ring", size
    for high in term.highs:
        if isinstance(high, Constant):
            return "first", high.value
    return ("first", term.ends[0]) if term.ends else None


def _is_ahead(by: Amount) -> bool:
    """Whether a shift is to later positions; the numbers of masks are positive."""
    return by > 0 if isinstance(by, int) else any(factor > 0 for _, factor in by.terms)


def _is_block(term: Term) -> bool:
    """Whether a query sees its own block alone, all of it or up to itself."""
    sizes = {low.size for low in term.lows if isinstance(low, BlockEdge) and low.by == 0}
    if len(term.lows) != 1 or len(sizes) != 1 or term.tested or term.begins or term.ends:
        return False
    return all(high in (Shift(1), BlockEdge(next(iter(sizes)), 1)) for high in term.highs)


def _sees_itself(term: Term) -> bool:
    """Whether the term shows every query its own key, by its form."""
    if term.tested or term.begins or term.ends:
        return False
    lows = all(
        (isinstance(low, Shift) and int(low.by) <= 0)
        or (isinstance(low, BlockEdge) and low.by <= 0)
        or low == Lookup("document_starts")
        for low in term.lows
    )
    highs = all(
        (isinstance(high, Shift) and int(high.by) >= 1)
        or (isinstance(high, BlockEdge) and high.by >= 1)
        or high == Lookup("document_ends")
        for high in term.highs
    )
    return lows and highs
