"""A mask as source: the predicate of a pair, and the ranges that a tile visits."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from codegen.frozen import frozen
from codegen.plan.kernels.kernel import MaskCode, RangeCode
from codegen.plan.masks.fragment import (
    ADDED,
    BOTH,
    CHOICE,
    COMPARISON,
    EITHER,
    MULTIPLIED,
    WHOLE,
    Ends,
    Fragment,
    made,
)
from codegen.spec.masks.amount import Amount, Sum, named
from codegen.spec.masks.atoms import (
    Always,
    BlockEdge,
    Both,
    Bound,
    Constant,
    Edge,
    Either,
    Formula,
    Gate,
    Lookup,
    Opaque,
    Other,
    Shift,
    Stride,
)
from codegen.spec.masks.expression import Binary, Expression, Name, Number, Unary
from codegen.spec.masks.formula import Term, terms_of

FIRST, LAST, TIME = named("first"), named("last"), named("time")
ROW_INPUTS = {"prefix_lengths": "prefix_length", "lengths": "length"}  # one number per row
INPUT_OF = {name: array for array, name in ROW_INPUTS.items()}
# The first query whose document ends beyond a key begins with the key's document, and so on.
INVERSE = {"document_starts": "document_ends", "document_ends": "document_starts"}
OF_QUERY = {"document_starts": "document_start", "document_ends": "document_end"}
AS_THEY_ARE = ("q", "k", "first", "last", "time", *ROW_INPUTS.values())  # in every language
ZERO, END = Fragment("0"), Fragment("time", frozenset({"time"}))


@frozen
class Language:
    """How numbers are written: Python's integers and tensors, or Triton's scalars and blocks."""

    number: Callable[[str], str]  # the name of a number of the mask
    least: Callable[[str, str], str]
    greatest: Callable[[str, str], str]
    choose: Callable[[str, str, str], str]  # condition, then, else
    all_of: Callable[..., str]
    lookup: Callable[[str, str], str]  # what an array says at a position
    floor: Callable[[str, str], str]  # a quotient rounded down, of what may be negative
    remainder: Callable[[str, str], str]


PYTHON = Language(
    number=str,
    least="min({}, {})".format,
    greatest="max({}, {})".format,
    choose="{1} if {0} else {2}".format,
    all_of=lambda *all_: " and ".join(all_),
    lookup="{}[{}]".format,
    floor="{} // {}".format,
    remainder="{} % {}".format,
)
# Triton's // and % round towards zero, as C's do.
TRITON = Language(
    number=str.upper,
    least="tl.minimum({}, {})".format,
    greatest="tl.maximum({}, {})".format,
    choose="tl.where({}, {}, {})".format,
    all_of=lambda *all_: all_[0] if len(all_) == 1 else " & ".join(f"({c})" for c in all_),
    lookup="{}_{}".format,
    floor="({0} - ({0} % {1} + {1}) % {1}) // {1}".format,
    remainder="({0} % {1} + {1}) % {1}".format,
)


def mask_code(formula: Formula, language: Language, most: int) -> MaskCode:
    """The mask in a language, with at most `most` ranges a tile."""
    writer = _Writer(language)
    terms = terms_of(formula)
    keys = [writer.keys(term) for term in terms]
    queries = [writer.queries(term, _beginnings(term, terms)) for term in terms]
    predicate = writer.predicate(formula)
    return MaskCode(
        predicate.text,
        tuple(r.code for r in keys) if len(keys) <= most else (writer.hull(keys).code,),
        tuple(r.code for r in queries) if len(queries) <= most else (writer.hull(queries).code,),
        tuple(sorted(predicate.reads)),
        joined=predicate.binds >= BOTH,
    )


def reads_heads(formula: Formula) -> bool:
    """Whether heads see different keys."""
    return "h" in _Writer(PYTHON).predicate(formula).reads


@frozen
class _Range:
    """A range in the making."""

    low: Fragment
    high: Fragment
    full_low: Fragment = ZERO
    full_high: Fragment = ZERO

    @property
    def code(self) -> RangeCode:
        bounds = (self.low, self.high, self.full_low, self.full_high)
        low, high, full_low, full_high = (bound.text for bound in bounds)
        reads = frozenset[str]().union(*(bound.reads for bound in bounds))
        edges = frozenset[Ends]().union(*(bound.edges for bound in bounds))
        found = tuple(sorted(reads)), tuple(sorted(edges))
        return RangeCode(low, high, full_low, full_high, *found)


class _Writer:
    def __init__(self, language: Language) -> None:
        self.language = language

    # Numbers

    def amount(self, amount: Amount) -> Fragment:
        """A sum, its names as the language has them; `q`, `first` and their like stay."""
        if isinstance(amount, int):
            return Fragment(str(amount), binds=WHOLE if amount >= 0 else ADDED)
        terms = tuple(
            (n if n in AS_THEY_ARE else self.language.number(n), f) for n, f in amount.terms
        )
        one_name = len(terms) == 1 and terms[0][1] == 1 and not amount.constant
        return Fragment(
            str(Sum(terms, amount.constant)),
            frozenset(INPUT_OF.get(n, n) for n, _ in amount.terms),
            binds=WHOLE if one_name or (not terms and amount.constant >= 0) else ADDED,
        )

    def grouped(self, amount: Amount) -> Fragment:
        """The same, in parentheses if it is more than one name or number."""
        return self.amount(amount).inside(WHOLE)

    def block(self, position: Sum, size: Amount, by: int) -> Fragment:
        """Where the block of a position begins, or that of `by` blocks later."""
        n = self.grouped(size)
        form = f"({{}} // {{}}{_added(by)}) * {{}}" if by else "{} // {} * {}"
        return made(form.format, self.grouped(position), n, n, binds=MULTIPLIED)

    def lookup(self, array: str, at: Sum) -> Fragment:
        """What an array says at an end of a tile."""
        position = self.amount(at)
        text = self.language.lookup(array, position.text)
        return Fragment(text, position.reads | {array}, frozenset({(array, position.text)}))

    def at(self, bound: Bound, query: Sum) -> Fragment:
        """f(query)."""
        match bound:
            case Shift(by):
                return self.amount(query + by)
            case Constant(value):
                return self.amount(value)
            case BlockEdge(size, by):
                return self.block(query, size, by)
            case Lookup(array) if array in ROW_INPUTS:
                return self.amount(named(ROW_INPUTS[array]))
            case Lookup(array):
                return self.lookup(array, query)

    def inverse(self, bound: Bound, key: Sum) -> Fragment | None:
        """The first query with key < f(query); None if that does not depend on the query."""
        match bound:
            case Shift(by):
                return self.amount(key - by + 1)
            case BlockEdge(size, by):
                return self.block(key, size, 1 - by)
            case Lookup(array) if array in INVERSE:
                return self.lookup(INVERSE[array], key)
        return None

    # Ranges

    def keys(self, term: Term) -> _Range:
        """The keys that a tile of queries first..last visits for this term."""
        starts = [FIRST, *term.begins]  # the first query that can be meant is the latest of them
        ends = [LAST, *(n - 1 for n in term.ends)]
        low = self.highest([t for bound in term.lows for t in self.each(bound, starts)], ZERO)
        high = self.lowest([t for bound in term.highs for t in self.each(bound, ends)], END)
        full_low = self.highest([self.at(bound, LAST) for bound in term.lows], ZERO)
        full_high = self.lowest([self.at(bound, FIRST) for bound in term.highs], END)
        some = [self.compared(LAST, ">=", self.amount(n)) for n in term.begins]
        some += [self.compared(FIRST, "<", self.amount(n)) for n in term.ends]
        every = [self.compared(FIRST, ">=", self.amount(n)) for n in term.begins]
        every += [self.compared(LAST, "<", self.amount(n)) for n in term.ends]
        if term.tested:
            return _Range(low, self.when(some, high))
        return _Range(low, self.when(some, high), full_low, self.when(every, full_high))

    def queries(self, term: Term, beginnings: Sequence[Bound]) -> _Range:
        """The queries that visit a tile of keys first..last for this term.

        `beginnings` are bounds below which another term shows what the lows of this one hide.
        """
        low, high = [self.amount(n) for n in term.begins], [self.amount(n) for n in term.ends]
        full_low, full_high = list(low), list(high)
        some, every = [], []
        for bound in term.highs:  # key < f(query)
            after, last_after = self.inverse(bound, FIRST), self.inverse(bound, LAST)
            if after and last_after:
                low.append(after)
                full_low.append(last_after)
            else:
                some.append(self.compared(FIRST, "<", self.at(bound, FIRST)))
                every.append(self.compared(LAST, "<", self.at(bound, FIRST)))
        for bound in term.lows:  # key >= f(query)
            if until := self.inverse(bound, LAST):
                high.append(until)
                firsts = [FIRST, *map(self.position, beginnings)]
                known = firsts[:1] if isinstance(bound, Lookup) else firsts
                found = (self.inverse(bound, position) for position in known)
                full_high.append(self.highest([one for one in found if one], ZERO))
            else:
                some.append(self.compared(LAST, ">=", self.at(bound, FIRST)))
                every.append(self.compared(FIRST, ">=", self.at(bound, FIRST)))
        ends = self.when(some, self.lowest(high, END))
        if term.tested:
            return _Range(self.highest(low, ZERO), ends)
        full = self.when(every, self.lowest(full_high, END))
        return _Range(self.highest(low, ZERO), ends, self.highest(full_low, ZERO), full)

    def position(self, bound: Bound) -> Sum:
        """The key that a bound is at for all queries."""
        if isinstance(bound, Lookup):
            return named(ROW_INPUTS[bound.array])
        assert isinstance(bound, Constant)
        return Sum() + bound.value

    def hull(self, ranges: Sequence[_Range]) -> _Range:
        """One range around all of them, masked throughout."""
        low = self.lowest([r.low for r in ranges], ZERO)
        return _Range(low, self.highest([r.high for r in ranges], END))

    def each(self, bound: Bound, positions: Sequence[Amount]) -> list[Fragment]:
        """f at each position; what is looked up is known at the tile's ends only."""
        if isinstance(bound, Lookup):
            positions = positions[:1]
        return [self.at(bound, Sum() + position) for position in positions]

    def compared(self, position: Sum, symbol: str, bound: Fragment) -> Fragment:
        """A comparison of one end of a tile."""
        return made(f"{{}} {symbol} {{}}".format, self.amount(position), bound, binds=COMPARISON)

    def highest(self, parts: Sequence[Fragment], default: Fragment) -> Fragment:
        return self.folded(parts, default, self.language.greatest)

    def lowest(self, parts: Sequence[Fragment], default: Fragment) -> Fragment:
        return self.folded(parts, default, self.language.least)

    def folded(
        self, parts: Sequence[Fragment], default: Fragment, fold: Callable[[str, str], str]
    ) -> Fragment:
        parts = list(dict.fromkeys(parts))
        if not parts:
            return default
        result = parts[0]
        for part in parts[1:]:
            result = made(fold, result, part)
        return result

    def when(self, conditions: Sequence[Fragment], high: Fragment) -> Fragment:
        """Where a range ends if all conditions hold, and zero if not."""
        if not conditions:
            return high
        every = made(self.language.all_of, *conditions)
        return made(self.language.choose, every, high, ZERO, binds=CHOICE)

    # The predicate

    def predicate(self, formula: Formula) -> Fragment:
        """Whether query q sees key k, for tensors that broadcast to all pairs."""
        found = self.formula(formula, holds=True)
        if "q" not in found.reads and not found.reads & set(OF_QUERY):
            return self.for_each("q", found)
        return found if "k" in found.reads else self.for_each("k", found)

    def for_each(self, position: str, predicate: Fragment) -> Fragment:
        """The same, as wide as there are queries or keys."""
        wide = Fragment(f"{position} >= 0", frozenset(position), binds=COMPARISON)
        return made("({}) & ({})".format, predicate, wide, binds=BOTH)

    def formula(self, formula: Formula, *, holds: bool) -> Fragment:
        """Whether a formula, or what it does not show, holds for a pair."""
        match formula:
            case Other(operand):
                return self.formula(operand, holds=not holds)
            case Both(Other(Edge(BlockEdge(size, 0))), Edge(BlockEdge(same, 1))) if size == same:
                return self.pair(f"q // {{0}} {'==' if holds else '!='} k // {{0}}", size)
            case Both(left, right) | Either(left, right):
                both = isinstance(formula, Both) is holds
                binds = BOTH if both else EITHER
                sides = [self.formula(s, holds=holds).inside(binds) for s in (left, right)]
                return made("{} & {}".format if both else "{} | {}".format, *sides, binds=binds)
            case Always():
                return Fragment("q >= 0" if holds else "q < 0", frozenset("q"), binds=COMPARISON)
            case Edge(bound):
                return self.edge(bound, holds)
            case Gate(before):
                return self.compared(named("q"), "<" if holds else ">=", self.amount(before))
            case Stride(step):
                return self.pair(f"(q - k) % {{0}} {'==' if holds else '!='} 0", step)
            case Opaque(comparison):
                symbol = comparison.operator if holds else NEGATED[comparison.operator]
                pair = [self.arithmetic(s) for s in (comparison.left, comparison.right)]
                return made(f"{{}} {symbol} {{}}".format, *pair, binds=COMPARISON)
        raise AssertionError(formula)

    def edge(self, bound: Bound, holds: bool) -> Fragment:
        """k < f(q), or its contrary; `k <= q` rather than `k < q + 1`."""
        below, up_to = ("<", "<=") if holds else (">=", ">")
        if isinstance(bound, Lookup):
            name = ROW_INPUTS.get(bound.array) or OF_QUERY[bound.array]
            return Fragment(f"k {below} {name}", frozenset({"k", bound.array}), binds=COMPARISON)
        if isinstance(bound, BlockEdge):
            if bound.by == 1:
                return self.pair(f"k // {{0}} {up_to} q // {{0}}", bound.size)
            return self.pair(f"k // {{0}} {below} q // {{0}}{_added(bound.by)}", bound.size)
        limit = named("q") + bound.by if isinstance(bound, Shift) else Sum() + bound.value
        if limit.constant > 0 and limit.terms:
            return self.compared(named("k"), up_to, self.amount(limit - 1))
        return self.compared(named("k"), below, self.amount(limit))

    def pair(self, form: str, size: Amount) -> Fragment:
        """A comparison of both positions by a size, which `form` has a place for."""
        n = self.grouped(size)
        return Fragment(form.format(n.text), n.reads | {"q", "k"}, binds=COMPARISON)

    def arithmetic(self, tree: Expression) -> Fragment:
        """A side of a comparison; // and % round down as the spec language has them."""
        match tree:
            case Number(value):
                return Fragment(str(value))
            case Name(name):
                return Fragment(name, frozenset({name}))
            case Unary(_, operand):
                return made("-({})".format, self.arithmetic(operand))
            case Binary(symbol, left, right):
                sides = [self.arithmetic(side).inside(WHOLE) for side in (left, right)]
                if symbol in ("//", "%"):
                    language = self.language if _may_be_negative(left) else PYTHON
                    form = language.floor if symbol == "//" else language.remainder
                    return made("({})".format, made(form, *sides))
                binds = MULTIPLIED if symbol == "*" else ADDED
                return made(f"{{}} {symbol} {{}}".format, *sides, binds=binds)
        raise AssertionError(tree)


def _beginnings(term: Term, terms: Sequence[Term]) -> list[Bound]:
    """Bounds that stand still, below which other terms show all keys that this term's edges allow.

    For a tile of keys that such a bound crosses, only the keys beyond it decide what is full.
    """
    return [
        bound
        for other in terms
        for bound in other.highs
        if isinstance(bound, Constant) or (isinstance(bound, Lookup) and bound.array in ROW_INPUTS)
        if not (other.lows or other.begins or other.ends or other.tested)
        if set(other.highs) - {bound} <= set(term.highs)
    ]


def _may_be_negative(tree: Expression) -> bool:
    """Whether a side of a comparison takes something away; positions are never negative."""
    match tree:
        case Unary():
            return True
        case Binary(symbol, left, right):
            return symbol == "-" or _may_be_negative(left) or _may_be_negative(right)
    return False


def _added(number: int) -> str:
    """The end of a sum."""
    return f" {'+' if number > 0 else '-'} {abs(number)}" if number else ""


NEGATED = {"<": ">=", "<=": ">", ">": "<=", ">=": "<", "==": "!=", "!=": "=="}
