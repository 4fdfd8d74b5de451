"""Source in the making: a piece of text with what it reads and how tightly it holds together."""

from __future__ import annotations

from collections.abc import Callable

from codegen.frozen import frozen

Ends = tuple[str, str]  # an array that is looked up, and the end of a tile: first or last

# How tightly Python, and Triton, bind the outermost operator; what is whole needs no parentheses.
CHOICE, COMPARISON, EITHER, BOTH, ADDED, MULTIPLIED, WHOLE = range(7)


@frozen
class Fragment:
    """A piece of source. `reads` are what it takes: numbers of the mask and inputs by their names
    there, positions and `h`; `edges` what it looks up of them at a tile's ends.
    """

    text: str
    reads: frozenset[str] = frozenset()
    edges: frozenset[Ends] = frozenset()
    binds: int = WHOLE

    def __str__(self) -> str:
        """The text."""
        return self.text

    def inside(self, binds: int) -> Fragment:
        """The same as an operand of what binds so tightly: in parentheses where it must be."""
        if self.binds >= binds:
            return self
        return Fragment(f"({self.text})", self.reads, self.edges)


def made(form: Callable[..., str], *parts: Fragment, binds: int = WHOLE) -> Fragment:
    """A piece made of others: `form` takes their texts."""
    return Fragment(
        form(*(part.text for part in parts)),
        frozenset[str]().union(*(part.reads for part in parts)),
        frozenset[Ends]().union(*(part.edges for part in parts)),
        binds,
    )
