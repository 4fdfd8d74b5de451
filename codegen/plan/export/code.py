"""Python over a package's `config` that may give a value, the simplest first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import permutations
from types import SimpleNamespace
from typing import Any

Values = Mapping[str, Any]
Number = int | float
ALL = 2**30  # a window that sees everything
MOST_APART = 16  # how far a number may be from a field's, as a difference or a factor
NO_VALUE = (ArithmeticError, LookupError, TypeError, ValueError, AttributeError)


def whole(number: float) -> int:
    """A number that has to be a whole one, but for rounding; ValueError if it isn't."""
    if abs(number - round(number)) > 1e-6 * abs(number):
        raise ValueError(f"{number} is no whole number")
    return round(number)


BUILTINS = {one.__name__: one for one in (len, min, max, float, list, tuple, whole)}


def value_of(text: str, config: Values) -> Any:
    """What code comes to: our own, as it will stand in the package. NO_VALUE where it has none."""
    return eval(text, {"__builtins__": BUILTINS, "config": SimpleNamespace(**config)})


def same(one: Any, other: Any) -> bool:
    """Whether two values are equal, numbers but for rounding, and of one kind."""
    if isinstance(one, float) and isinstance(other, float | int):
        return abs(one - other) <= 1e-9 * max(abs(one), abs(other))
    return type(one) is type(other) and bool(one == other)


def numbers_of(config: Values, value: Number) -> Iterator[str]:
    """Code that gives a number: a field, what a list has of it, or two of them joined."""
    scalars = {n: v for n, v in config.items() if type(v) in (int, float)}
    lists = {n: v for n, v in config.items() if isinstance(v, tuple) and v}
    yield from (f"config.{name}" for name, own in scalars.items() if same(own, value))
    for name, own in lists.items():
        yield from _of_list(name, own)
    for name, number in scalars.items():
        yield from _changed(f"config.{name}", number, value)
    for name, own in lists.items():
        if not isinstance(own[0], str):
            yield from _changed(f"min(config.{name})", min(own), value)
            yield from _changed(f"max(config.{name})", max(own), value)
    for (one, a), (other, b) in permutations(scalars.items(), 2):
        yield from _joined(f"config.{one}", a, f"config.{other}", b, value)


def _of_list(name: str, own: tuple[Any, ...]) -> Iterator[str]:
    yield f"len(config.{name})"
    if isinstance(own[0], str):
        yield from (f"config.{name}.count({word!r})" for word in dict.fromkeys(own))
    else:
        yield from (f"min(config.{name})", f"max(config.{name})")
        yield from (f"config.{name}[0]", f"config.{name}[-1]")


def _changed(text: str, own: Number, value: Number) -> Iterator[str]:
    """One number and another that stays what it is."""
    if isinstance(own, int) and isinstance(value, int):
        yield from _whole(text, own, value)
    elif isinstance(own, int):
        yield f"float({text})"
        yield f"{value * own**0.5!r} * {text} ** -0.5"
    elif isinstance(value, int):
        yield from (f"whole({text})", f"whole(1 / {text})", f"whole({text} ** -2)")
    elif own:
        yield from (f"1 / {text}", f"{text} ** -2")


def _whole(text: str, own: int, value: int) -> Iterator[str]:
    for times in (1, 2, 4):
        more = value - times * own
        whole = text if times == 1 else f"{times} * {text}"
        if more and abs(more) <= MOST_APART:
            yield f"{whole} + {more}" if more > 0 else f"{whole} - {-more}"
    if own and value % own == 0 and 1 < value // own <= MOST_APART:
        yield f"{value // own} * {text}"
    if value and own % value == 0 and 1 < own // value <= MOST_APART:
        yield f"{text} // {own // value}"


def _joined(one: str, a: Number, other: str, b: Number, value: Number) -> Iterator[str]:
    """Two numbers joined to one."""
    if isinstance(a, int) and isinstance(b, int) and isinstance(value, int):
        if b and a % b == 0 and a // b == value:
            yield f"{one} // {other}"
        if one < other and a * b == value:
            yield f"{one} * {other}"
        if one < other and a + b == value:
            yield f"{one} + {other}"
    elif isinstance(value, int):
        if one < other and same(float(a * b), value):
            yield f"whole({one} * {other})"
    else:
        if b and same(float(a / b), value):
            yield f"{one} / {other}"
        if b > 0 and same(float(a * b**0.5), value):
            yield f"{one} * {other} ** 0.5"


def lists_of(config: Values, value: list[Any]) -> Iterator[str]:
    """Code that gives a list: a field's own, or one with an entry for each layer."""
    lists = {n: v for n, v in config.items() if isinstance(v, tuple)}
    yield from (f"list(config.{name})" for name, own in lists.items() if [*own] == value)
    for name, own in lists.items():
        if len(own) == len(value):
            yield from _by_window(name, own, value)
            table: dict[Any, Any] = {}
            for entry, one in zip(value, own, strict=True):
                table.setdefault(one, entry)
            yield f"[{table!r}[kind] for kind in config.{name}]"
    if value and all(entry == value[0] for entry in value) and "layers" in config:
        count = "len(config.layers)" if "layers" in lists else "config.layers"
        yield f"[{value[0]!r}] * {count}"


def made_again(config: Values, name: str, codes: str) -> Iterator[str]:
    """What a list has to be where codes don't read all that it says; nothing where they do."""
    own = config[name]
    if f"for kind in config.{name}]" in codes or f"list(config.{name})" in codes:
        return
    if isinstance(own[0], str):
        parts = (f"({word!r},) * config.{name}.count({word!r})" for word in dict.fromkeys(own))
        yield " + ".join(parts)
    elif ALL in own:
        every = f"window if window == 2**30 else min(config.{name})"
        yield f"tuple({every} for window in config.{name})"
    elif len(set(own)) <= 2:
        yield from _of_two(config, name, own)
    yield repr(own)


def _of_two(config: Values, name: str, own: tuple[Any, ...]) -> Iterator[str]:
    """The smaller or the larger number, by what another list says of a layer."""
    ends = {min(own): f"min(config.{name})", max(own): f"max(config.{name})"}
    for other, said in config.items():
        if other == name or not isinstance(said, tuple) or len(said) != len(own):
            continue
        if ALL in said:
            whole = own[said.index(ALL)]
            part = min(own) if whole > min(own) else max(own)
            test = f"{ends[whole]} if window == 2**30 else {ends[part]}"
            yield f"tuple({test} for window in config.{other})"
        elif isinstance(said[0], str):
            table = {word: ends[own[said.index(word)]] for word in dict.fromkeys(said)}
            words = ", ".join(f"{word!r}: {code}" for word, code in table.items())
            yield f"tuple({{{words}}}[kind] for kind in config.{other})"


def _by_window(name: str, own: tuple[Any, ...], value: list[Any]) -> Iterator[str]:
    """Of layers that see all and of those that don't."""
    pairs = [*zip(value, own, strict=True)]
    whole = dict.fromkeys(entry for entry, one in pairs if one == ALL)
    part = dict.fromkeys(entry for entry, one in pairs if one != ALL)
    if len(whole) == len(part) == 1:
        (seeing_all,), (other,) = whole, part
        test = f"{seeing_all!r} if window == 2**30 else {other!r}"
        yield f"[{test} for window in config.{name}]"
