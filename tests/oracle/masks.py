"""Masks, read from their text."""

from __future__ import annotations

import ast
import functools
import itertools
import re
from collections.abc import Callable

import numpy as np

from tests.oracle.arrays import Array, Inputs


def visible(mask: str, time: int, heads: int, inputs: Inputs) -> Array:
    """(batch or 1, heads, query, key): the mask's text as the spec language defines it.

    Python reads the text: its `and`, `or` and `not` bind as the language's `&`, `|` and `~` do.
    """
    text = mask.replace("&", " and ").replace("|", " or ").replace("~", " not ")
    text = re.sub(r"\bglobal\b", "global_", text)  # a keyword of Python
    q, k = np.arange(time)[:, None], np.arange(time)[None, :]
    h = np.arange(heads)[:, None, None]

    def see(tree: ast.expr) -> Array:
        match tree:
            case ast.BoolOp(operator, parts):
                join = np.logical_and if isinstance(operator, ast.And) else np.logical_or
                return functools.reduce(join, map(see, parts))
            case ast.UnaryOp(ast.Not(), operand):
                return ~see(operand)
            case ast.Compare(left, [relation], [right]):
                return np.asarray(RELATIONS[type(relation)](number(left), number(right)))
            case ast.Name(name):
                return atom(name)
            case ast.Call(ast.Name(name), arguments):
                return atom(name, *(int(ast.literal_eval(n)) for n in arguments))
        raise ValueError(f"no mask: {mask}")

    def atom(name: str, *n: int) -> Array:
        match name, n:
            case "prefix", ():
                return k < inputs["prefix_lengths"][:, None, None, None]
            case "padding", ():
                lengths = inputs["lengths"]
                return k < lengths.reshape(len(lengths), 1, -1, 1)
            case "document", ():
                ids = inputs["document_ids"]
                return ids[:, None, :, None] == ids[:, None, None, :]
        return np.asarray(ATOMS[name](q, k, *n))

    def number(tree: ast.expr) -> Array:
        match tree:
            case ast.Name(name):
                return {"q": q, "k": k, "h": h}[name]
            case ast.Constant(int(value)):
                return np.asarray(value)
            case ast.UnaryOp(ast.USub(), operand):
                return -number(operand)
            case ast.BinOp(left, operator, right):
                return ARITHMETIC[type(operator)](number(left), number(right))
        raise ValueError(f"no mask: {mask}")

    seen = see(ast.parse(f"({text})", mode="eval").body)
    seen = seen.reshape((1,) * (4 - seen.ndim) + seen.shape)
    return np.broadcast_to(seen, (len(seen), heads, time, time))


def inputs_read(masks: list[str]) -> set[str]:
    """What callers must say of each row."""
    said = {
        "document_ids": r"document",
        "prefix_lengths": r"prefix(?!\s*\()",
        "lengths": r"padding",
    }
    return {name for name, word in said.items() if re.search(rf"\b{word}\b", " ".join(masks))}


@functools.cache
def shows_later_keys(mask: str, time: int) -> bool:
    """Whether a query of any head may see a key after it, whatever the rows are like."""
    documents = [np.zeros((1, time), np.int64), np.arange(time)[None], np.arange(time)[None] // 4]
    lengths = [np.array([n]) for n in (0, time // 2, time)]
    for ids, prefix, length in itertools.product(documents, lengths, lengths):
        row = {"document_ids": ids, "prefix_lengths": prefix, "lengths": length}
        if np.triu(visible(mask, time, 8, row), 1).any():
            return True
    return False


RELATIONS: dict[type[ast.cmpop], Callable[[Array, Array], Array]] = {
    ast.Lt: np.less,
    ast.LtE: np.less_equal,
    ast.Gt: np.greater,
    ast.GtE: np.greater_equal,
    ast.Eq: np.equal,
    ast.NotEq: np.not_equal,
}

ARITHMETIC: dict[type[ast.operator], Callable[[Array, Array], Array]] = {
    ast.Add: np.add,
    ast.Sub: np.subtract,
    ast.Mult: np.multiply,
    ast.FloorDiv: np.floor_divide,
    ast.Mod: np.mod,
}

ATOMS: dict[str, Callable[..., Array]] = {
    "causal": lambda q, k: k <= q,
    "full": lambda q, k: (q == q) & (k == k),
    "window": lambda q, k, left, right=2**60: (q - left < k) & (k < q + right),
    "prefix": lambda q, k, n: (q == q) & (k < n),
    "block": lambda q, k, n: q // n == k // n,
    "sink": lambda q, k, n: (q == q) & (k < n),
    "global_": lambda q, k, n: (k < n) | (q < n),
    "dilated": lambda q, k, n: (q - k) % n == 0,
}
