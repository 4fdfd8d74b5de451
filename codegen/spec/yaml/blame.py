"""Which value of a variant brought its mistakes about."""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace

from codegen.errors import Diagnostic, Position
from codegen.frozen import frozen
from codegen.spec.yaml.variants import Choice

Problems = Callable[[Sequence[Choice]], Collection[Diagnostic]]


@frozen
class Alone:
    """A spec without its variants: the places of what it says, and its mistakes."""

    places: frozenset[Position | None]
    problems: frozenset[Diagnostic]


def blamed(
    found: Sequence[Diagnostic],
    choices: Sequence[Choice],
    alone: Alone,
    problems: Problems,
) -> Iterator[Diagnostic]:
    """Each mistake of a variant, at the value without which it would not be there.

    What is not at a place of the spec alone is at a value already. `problems` are those of the spec
    with these choices only.
    """

    @functools.cache
    def without(index: int) -> Collection[Diagnostic]:
        return problems([*choices[:index], *choices[index + 1 :]])

    for problem in found:
        cause = None
        if problem.position in alone.places and problem not in alone.problems:
            cause = next((i for i in range(len(choices)) if problem not in without(i)), None)
        yield problem if cause is None else _moved(problem, choices[cause])


def _moved(problem: Diagnostic, choice: Choice) -> Diagnostic:
    at = problem.position
    assert at, problem
    together = f"it does not go with {at.path}:{at.line}:{at.column}"
    hint = f"{problem.hint}; {together}" if problem.hint else together
    return replace(problem, position=choice.tree.position(choice.field), hint=hint)
