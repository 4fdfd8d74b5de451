"""A mapping over a list: what is said of its items by their names (`as: stem`)."""

from __future__ import annotations

from typing import Any

from codegen.errors import Diagnostic, Position, SpecError
from codegen.spec.close_words import suggestion
from codegen.spec.yaml.characters import word
from codegen.spec.yaml.source import Key, Tree

NAME = "as"


def places(items: list[Any]) -> dict[str, int]:
    """The items that have a name, by it: `{conv: {as: stem}}`, or `{conv: 64, as: stem}`."""
    found: dict[str, int] = {}
    for index, item in enumerate(items):
        if not isinstance(item, dict):
            continue
        for one in (item, *item.values()):
            if isinstance(one, dict) and isinstance(one.get(NAME), str):
                found[one[NAME]] = index
    return found


def by_place(low: Any, high: Tree) -> Tree:
    """`high` with indices in place of names, wherever a mapping stands over a list with names."""
    moved: dict[Key, Key] = {}

    def walk(a: Any, b: Any, key: Key, new: Key) -> Any:
        moved[key] = new
        if isinstance(a, list) and isinstance(b, dict) and (named := places(a)):
            made = {}
            for name, value in b.items():
                if name not in named:
                    hint = suggestion(name, named) or f"known: {', '.join(named)}"
                    where = high.position((*key, name), of_key=True)
                    raise SpecError(
                        Diagnostic(f"no layer below is `as: {word(name)}`", where, hint)
                    )
                index = named[name]
                item = walk(a[index], value, (*key, name), (*new, index))
                made[index] = _in_its_place(a[index], item, name)
            return made
        if isinstance(b, dict):
            inner = a if isinstance(a, dict) else {}
            return {n: walk(inner.get(n), v, (*key, n), (*new, n)) for n, v in b.items()}
        if isinstance(b, list):
            return [walk(None, v, (*key, i), (*new, i)) for i, v in enumerate(b)]
        return b

    data = walk(low, high.data, (), ())
    spans = {moved.get(key, key): span for key, span in high.spans.items()}
    return Tree(data, spans)


def _unknown(name: str, named: dict[str, int], where: Position | None) -> SpecError:
    hint = suggestion(name, named) or f"known: {', '.join(named)}"
    return SpecError(Diagnostic(f"no layer below is `as: {word(name)}`", where, hint))


def _in_its_place(low: Any, high: Any, name: str) -> Any:
    """An item of another kind keeps the name."""
    if isinstance(high, str):
        return {high: {NAME: name}}
    another = isinstance(high, dict) and isinstance(low, dict) and not (high.keys() & low.keys())
    return {**high, NAME: name} if another else high


def is_other_kind(low: Any, high: Any) -> bool:
    """Whether an item is to stand in another's place, not to be laid over it."""
    if not isinstance(low, dict) or not isinstance(high, dict):
        return True
    return not ((high.keys() & low.keys()) - {NAME, "when"})
