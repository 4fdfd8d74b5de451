"""Whether a query sees a key: a formula tried on one pair, and rows to try it on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

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
from codegen.spec.masks.solve import arithmetic

Inputs = Mapping[str, "Sequence[int] | int"]  # a value for each query, or one for the row


def bound_at(bound: Bound, query: int, inputs: Inputs) -> int:
    """f(query)."""
    match bound:
        case Shift(by):
            return query + int(by)
        case Constant(value):
            return int(value)
        case BlockEdge(size, by):
            return (query // int(size) + by) * int(size)
        case Lookup(array):
            values = inputs[array]
            return values if isinstance(values, int) else values[query]


def shows(formula: Formula, query: int, key: int, inputs: Inputs, head: int = 0) -> bool:
    """Whether the head's query sees the key: the formula itself, pair by pair."""
    match formula:
        case Both(left, right):
            return all(shows(f, query, key, inputs, head) for f in (left, right))
        case Either(left, right):
            return any(shows(f, query, key, inputs, head) for f in (left, right))
        case Other(operand):
            return not shows(operand, query, key, inputs, head)
        case Always():
            return True
        case Edge(bound):
            return key < bound_at(bound, query, inputs)
        case Gate(before):
            return query < int(before)
        case Stride(step):
            return (query - key) % int(step) == 0
        case Opaque(comparison):
            return bool(arithmetic(comparison, {"q": query, "k": key, "h": head}))


def example_inputs(length: int) -> dict[str, Sequence[int] | int]:
    """Three documents, a prefix of a quarter and a row filled to seven eighths."""
    ends = [length * 3 // 8, length * 5 // 8, length]
    document = [next(i for i, end in enumerate(ends) if q < end) for q in range(length)]
    return {
        "document_starts": [0 if i == 0 else ends[i - 1] for i in document],
        "document_ends": [ends[i] for i in document],
        "prefix_lengths": length // 4,
        "lengths": max(1, length * 7 // 8),
    }
