"""Where two specs differ, knob by knob, in words."""

from __future__ import annotations

from codegen.frozen import frozen
from codegen.spec.families import language
from codegen.spec.head import SpecHead

NONE = "none"


@frozen
class Difference:
    """A knob that two models have in different positions."""

    knob: str
    one: str
    other: str


def differences(one: SpecHead, other: SpecHead) -> tuple[Difference, ...]:
    """Every knob that differs, as docs/spec.md has them in order; names and targets are none."""
    first, second = _knobs(one), _knobs(other)
    order = [*first, *(name for name in second if name not in first)]
    pairs = ((name, first.get(name, NONE), second.get(name, NONE)) for name in order)
    return tuple(Difference(*pair) for pair in pairs if pair[1] != pair[2])


def _knobs(spec: SpecHead) -> dict[str, str]:
    """Each knob of a model and its position, as its family says them."""
    about = {"family": spec.family, "task": spec.task}
    return {**about, **language(spec.family).knobs(spec)}
