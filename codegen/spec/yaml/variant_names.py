"""What a variant is called: the spec's name, then each varied field with its value."""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from codegen.spec.yaml.source import Key

NOT_IN_NAMES = re.compile(r"[^a-z0-9]+")


def labels(fields: Sequence[Key]) -> list[str]:
    """The last name of each field, with those before it as far as it takes to tell them apart.

    `model.norm.kind` is called as `model.norm` is.
    """
    paths = [tuple(map(str, field)) for field in fields]
    paths = [path[:-1] if path[-1] == "kind" and len(path) > 1 else path for path in paths]
    found = []
    for path in paths:
        others = [other for other in paths if other is not path]
        count = 1
        while count < len(path) and any(o[-count:] == path[-count:] for o in others):
            count += 1
        found.append("_".join(path[-count:]))
    return found


def word_of(label: str, value: Any) -> str:
    """A field with its value: `heads4`, `normlayer`, `mlpplain_d_ff3072`, `attention_heads4`."""
    named = isinstance(value, dict) and value and "kind" not in value
    return f"{label}_{text_of(value)}" if named else label + text_of(value)


def text_of(value: Any) -> str:
    """A value in lower-case letters, digits and `_`; the same for the same value."""
    if isinstance(value, dict):
        kind = [text_of(value["kind"])] if "kind" in value else []
        rest = [word_of(_plain(str(key)), value[key]) for key in sorted(value) if key != "kind"]
        return "_".join([*kind, *rest]) or "empty"
    if isinstance(value, list):
        return "_".join(map(text_of, value)) or "empty"
    if value is None:
        return "none"
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _plain(("minus" if value < 0 else "") + _digits(abs(value)))
    return _plain(str(value)) or "empty"


def _digits(value: int | float) -> str:
    """A whole number in full; another plain or with an exponent, whichever is shorter."""
    exact = Decimal(repr(value))
    if not exact.is_finite():
        return str(value)
    if exact == exact.to_integral_value():
        return f"{exact:.0f}"
    _, digits, exponent = exact.normalize().as_tuple()
    first, *rest = map(str, digits)
    point = f".{''.join(rest)}" if rest else ""
    scientific = f"{first}{point}e{int(exponent) + len(rest)}"
    return min(f"{exact:f}", scientific, key=len)


def _plain(text: str) -> str:
    return NOT_IN_NAMES.sub("_", text.lower()).strip("_")
