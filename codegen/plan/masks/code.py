"""A mask as source: the predicate of a pair, and the ranges that a tile visits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from codegen.plan.kernels.kernel import MaskCode, RangeCode
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
ROW_INPUTS = {"prefix_lengths": "prefix_length", "lengths": "length"}  # one number a row
# The first query whose document ends beyond a key begins with the key's document, and so on.
INVERSE = {"document_starts": "document_ends", "document_ends": "document_starts"}
OF_QUERY = {"document_starts": "document_start", "document_ends": "document_end"}
AS_THEY_ARE = ("q", "k", "first", "last", "time", *ROW_INPUTS.values())  # in every language
TIGHTNESS = {"|": 1, "&": 2}  # as Python binds them; comparisons bind least


@dataclass(frozen=True)
class Language:
    """How numbers are written: Python's integers and tensors, or Triton's scalars and blocks."""

    number: Callable[[str], str]  # the name of a number of the mask
    least: Callable[[str, str], str]
    greatest: Callable[[str, str], str]
    choose: Callable[[str, str, str], str]  # condition, then, else
    all_of: Callable[[Sequence[str]], str]
    lookup: Callable[[str, str], str]  # what an array says at a position
    floor: Callable[[str, str], str]  # a quotient rounded down, of what may be negative
    remainder: Callable[[str, str], str]


PYTHON = Language(
    number=str,
    least="min({}, {})".format,
    greatest="max({}, {})".format,
    choose="{1} if {0} else {2}".format,
    all_of=" and ".join,
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
    all_of=lambda all_: all_[0] if len(all_) == 1 else " & ".join(f"({c})" for c in all_),
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
    return MaskCode(
        writer.predicate(formula),
        tuple(keys) if len(keys) <= most else (writer.hull(keys),),
        tuple(queries) if len(queries) <= most else (writer.hull(queries),),
    )


class _Writer:
    def __init__(self, language: Language) -> None:
        self.language = language

    # Numbers

    def amount(self, amount: Amount) -> str:
        """A sum, its names as the language has them; `q`, `first` and their like stay."""
        if isinstance(amount, int):
            return str(amount)
        terms = tuple(
            (n if n in AS_THEY_ARE else self.language.number(n), f) for n, f in amount.terms
        )
        return str(Sum(terms, amount.constant))

    def grouped(self, amount: Amount) -> str:
        """The same, in parentheses if it is more than one name or number."""
        text = self.amount(amount)
        return f"({text})" if " " in text or text.startswith("-") else text

    def block(self, position: Sum, size: Amount, by: int) -> str:
        """Where the block of a position begins, or that of `by` blocks later."""
        quotient = f"{self.grouped(position)} // {self.grouped(size)}"
        quotient = f"({quotient}{_added(by)})" if by else quotient
        return f"{quotient} * {self.grouped(size)}"

    def at(self, bound: Bound, query: Sum) -> str:
        """f(query)."""
        match bound:
            case Shift(by):
                return self.amount(query + by)
            case Constant(value):
                return self.amount(value)
            case BlockEdge(size, by):
                return self.block(query, size, by)
            case Lookup(array) if array in ROW_INPUTS:
                return ROW_INPUTS[array]
            case Lookup(array):
                return self.language.lookup(array, self.amount(query))

    def inverse(self, bound: Bound, key: Sum) -> str | None:
        """The first query with key < f(query); None if that does not depend on the query."""
        match bound:
            case Shift(by):
                return self.amount(key - by + 1)
            case BlockEdge(size, by):
                return self.block(key, size, 1 - by)
            case Lookup(array) if array in INVERSE:
                return self.language.lookup(INVERSE[array], self.amount(key))
        return None

    # Ranges

    def keys(self, term: Term) -> RangeCode:
        """The keys that a tile of queries first..last visits for this term."""
        starts = [FIRST, *term.begins]  # the first query that can be meant is the latest of them
        ends = [LAST, *(n - 1 for n in term.ends)]
        low = self.highest([t for bound in term.lows for t in self.each(bound, starts)], "0")
        high = self.lowest([t for bound in term.highs for t in self.each(bound, ends)], "time")
        full_low = self.highest([self.at(bound, LAST) for bound in term.lows], "0")
        full_high = self.lowest([self.at(bound, FIRST) for bound in term.highs], "time")
        some = [f"last >= {self.amount(n)}" for n in term.begins]
        some += [f"first < {self.amount(n)}" for n in term.ends]
        every = [f"first >= {self.amount(n)}" for n in term.begins]
        every += [f"last < {self.amount(n)}" for n in term.ends]
        if term.tested:
            return RangeCode(low, self.when(some, high), "0", "0")
        return RangeCode(low, self.when(some, high), full_low, self.when(every, full_high))

    def queries(self, term: Term, beginnings: Sequence[Bound]) -> RangeCode:
        """The queries that visit a tile of keys first..last for this term.

        `beginnings` are bounds below which another term shows what the lows of this one hide.
        """
        low, high = [self.amount(n) for n in term.begins], [self.amount(n) for n in term.ends]
        full_low, full_high = list(low), list(high)
        some, every = [], []
        for bound in term.highs:  # key < f(query)
            if (after := self.inverse(bound, FIRST)) is not None:
                low.append(after)
                full_low.append(str(self.inverse(bound, LAST)))
            else:
                some.append(f"first < {self.at(bound, FIRST)}")
                every.append(f"last < {self.at(bound, FIRST)}")
        for bound in term.lows:  # key >= f(query)
            if (until := self.inverse(bound, LAST)) is not None:
                high.append(until)
                firsts = [FIRST, *map(self.position, beginnings)]
                known = firsts[:1] if isinstance(bound, Lookup) else firsts
                full_high.append(self.highest([str(self.inverse(bound, p)) for p in known], "0"))
            else:
                some.append(f"last >= {self.at(bound, FIRST)}")
                every.append(f"first >= {self.at(bound, FIRST)}")
        ends = self.when(some, self.lowest(high, "time"))
        if term.tested:
            return RangeCode(self.highest(low, "0"), ends, "0", "0")
        full = self.when(every, self.lowest(full_high, "time"))
        return RangeCode(self.highest(low, "0"), ends, self.highest(full_low, "0"), full)

    def position(self, bound: Bound) -> Sum:
        """The key that a bound is at for all queries."""
        return Sum() + bound.value if isinstance(bound, Constant) else named(self.at(bound, FIRST))

    def hull(self, ranges: Sequence[RangeCode]) -> RangeCode:
        """One range around all of them, masked throughout."""
        low = self.lowest([r.low for r in ranges], "0")
        return RangeCode(low, self.highest([r.high for r in ranges], "time"), "0", "0")

    def each(self, bound: Bound, positions: Sequence[Amount]) -> list[str]:
        """f at each position; what is looked up is known at the tile's ends only."""
        if isinstance(bound, Lookup):
            positions = positions[:1]
        return [self.at(bound, Sum() + position) for position in positions]

    def highest(self, texts: Sequence[str], default: str) -> str:
        return self.folded(texts, default, self.language.greatest)

    def lowest(self, texts: Sequence[str], default: str) -> str:
        return self.folded(texts, default, self.language.least)

    def folded(self, texts: Sequence[str], default: str, fold: Callable[[str, str], str]) -> str:
        texts = list(dict.fromkeys(texts))
        if not texts:
            return default
        result = texts[0]
        for text in texts[1:]:
            result = fold(result, text)
        return result

    def when(self, conditions: Sequence[str], high: str) -> str:
        """Where a range ends if all conditions hold, and zero if not."""
        if not conditions:
            return high
        return self.language.choose(self.language.all_of(conditions), high, "0")

    # The predicate

    def predicate(self, formula: Formula) -> str:
        """Whether query q sees key k, for tensors that broadcast to all pairs."""
        text = self.formula(formula, holds=True)[0]
        words = set("".join(c if c.isalnum() or c == "_" else " " for c in text).split())
        if "q" not in words and not words & set(OF_QUERY.values()):
            return f"({text}) & (q >= 0)"
        return text if "k" in words else f"({text}) & (k >= 0)"

    def formula(self, formula: Formula, *, holds: bool) -> tuple[str, int]:
        """Source, and how tightly its outermost operator binds."""
        match formula:
            case Other(operand):
                return self.formula(operand, holds=not holds)
            case Both(Other(Edge(BlockEdge(size, 0))), Edge(BlockEdge(same, 1))) if size == same:
                n = self.grouped(size)
                return f"q // {n} {'==' if holds else '!='} k // {n}", 0
            case Both(left, right) | Either(left, right):
                symbol = "&" if isinstance(formula, Both) is holds else "|"
                sides = [self.formula(side, holds=holds) for side in (left, right)]
                texts = [t if p >= TIGHTNESS[symbol] else f"({t})" for t, p in sides]
                return f" {symbol} ".join(texts), TIGHTNESS[symbol]
            case Always():
                return ("q >= 0" if holds else "q < 0"), 0
            case Edge(bound):
                return self.edge(bound, holds), 0
            case Gate(before):
                return f"q {'<' if holds else '>='} {self.amount(before)}", 0
            case Stride(step):
                return f"(q - k) % {self.grouped(step)} {'==' if holds else '!='} 0", 0
            case Opaque(comparison):
                symbol = comparison.operator if holds else NEGATED[comparison.operator]
                pair = [self.arithmetic(s) for s in (comparison.left, comparison.right)]
                return f" {symbol} ".join(pair), 0
        raise AssertionError(formula)

    def edge(self, bound: Bound, holds: bool) -> str:
        """k < f(q), or its contrary; `k <= q` rather than `k < q + 1`."""
        if isinstance(bound, Lookup):
            name = ROW_INPUTS.get(bound.array) or OF_QUERY[bound.array]
            return f"k {'<' if holds else '>='} {name}"
        if isinstance(bound, BlockEdge):
            n, by = self.grouped(bound.size), bound.by
            if by == 1:
                return f"k // {n} {'<=' if holds else '>'} q // {n}"
            return f"k // {n} {'<' if holds else '>='} q // {n}{_added(by)}"
        limit = named("q") + bound.by if isinstance(bound, Shift) else Sum() + bound.value
        if limit.constant > 0 and limit.terms:
            return f"k {'<=' if holds else '>'} {self.amount(limit - 1)}"
        return f"k {'<' if holds else '>='} {self.amount(limit)}"

    def arithmetic(self, tree: Expression) -> str:
        """A side of a comparison; // and % round down as the spec language has them."""
        match tree:
            case Number(value):
                return str(value)
            case Name(name):
                return name
            case Unary(_, operand):
                return f"-({self.arithmetic(operand)})"
            case Binary(("//" | "%") as symbol, left, right):
                language = self.language if _may_be_negative(left) else PYTHON
                form = language.floor if symbol == "//" else language.remainder
                return f"({form(self.inner(left), self.inner(right))})"
            case Binary(symbol, left, right):
                return f"{self.inner(left)} {symbol} {self.inner(right)}"
        raise AssertionError(tree)

    def inner(self, tree: Expression) -> str:
        text = self.arithmetic(tree)
        return f"({text})" if isinstance(tree, Binary) and not text.startswith("(") else text


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
