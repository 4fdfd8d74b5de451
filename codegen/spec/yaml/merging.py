"""What is said higher over what is said lower: `extends`, `variants` and `--set`."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from codegen.errors import Position, SpecError
from codegen.spec.yaml.characters import word
from codegen.spec.yaml.named_items import by_place, is_other_kind
from codegen.spec.yaml.source import MAX_DEPTH, Key, Span, Tree, parse


def parse_override(text: str) -> Tree:
    """`model.attention.heads=16` as a tree of one value; SpecError if it is no such thing."""
    name, equals, value = text.partition("=")
    keys = tuple(name.strip().split("."))
    source = f"--set {name.strip()}"
    if not equals or not all(keys) or len(keys) > MAX_DEPTH:
        hint = "write --set model.attention.heads=16"
        raise SpecError(f"--set {word(text)}: expected field=value", hint=hint)
    parsed = parse(value.strip(), source)
    tree = Tree(data=parsed.data, spans={keys + key: span for key, span in parsed.spans.items()})
    name_position = Position(source, 1, 1, name.strip(), len(name.strip()))
    for end in range(len(keys), 0, -1):
        tree.data = {keys[end - 1]: tree.data}
        span = tree.spans.get(keys[:end], Span(name_position))
        tree.spans[keys[:end]] = replace(span, key=name_position)
    return tree


def merge(low: Tree, high: Tree) -> Tree:
    """`high` over `low`: mappings merge, lists and scalars replace.

    A mapping over a list whose items have names is of these names.
    """
    high = by_place(low.data, high)
    spans: dict[Key, Span] = {}

    def take(tree: Tree, value: Any, key: Key) -> Any:
        if key in tree.spans:
            spans[key] = tree.spans[key]
        if isinstance(value, dict | list):
            for step, inner in value.items() if isinstance(value, dict) else enumerate(value):
                take(tree, inner, (*key, step))
        return value

    def walk(a: Any, b: Any, key: Key) -> Any:
        if isinstance(a, list) and isinstance(b, dict) and any(isinstance(n, int) for n in b):
            return [
                over(item, b[n], (*key, n)) if n in b else take(low, item, (*key, n))
                for n, item in enumerate(a)
            ]
        if not isinstance(a, dict) or not isinstance(b, dict):
            return take(high, b, key)
        if span := low.spans.get(key) or high.spans.get(key):
            spans[key] = span
        merged: dict[str, Any] = {}
        for name in {**a, **b}:
            child = (*key, name)
            if name in a and name in b:
                merged[name] = walk(a[name], b[name], child)
            else:
                merged[name] = take(*((low, a[name]) if name in a else (high, b[name])), child)
        return merged

    def over(a: Any, b: Any, key: Key) -> Any:
        return take(high, b, key) if is_other_kind(a, b) else walk(a, b, key)

    data = walk(low.data, high.data, ())
    spans[()] = high.spans.get((), spans.get((), Span(Position("", 1, 1))))
    return Tree(data, spans)
