"""What docs/spec.md says of masks, from the atoms themselves."""

from __future__ import annotations

import textwrap

from codegen.spec.masks.atoms import ATOMS, Pattern
from codegen.spec.masks.expression import LEVELS
from codegen.spec.masks.picture import drawn, seen_rows
from codegen.spec.masks.tree import Atom

LENGTH = 16  # positions of a picture
WIDTH = 100  # columns of the text

ABOUT = """\
## Masks

A mask says which keys k a query q may see. It is made of the atoms below, of comparisons, and of
`&` (both), `|` (either), `~` (not) and parentheses. `causal & window(256)` shows a token itself and
the 255 before it. `tgen mask 'causal & window(256)'` draws a mask, says it in words, and tells how
much work its tiles skip: attention visits only the tiles of keys that a mask shows.

| atom | q may see k where |
|---|---|
"""

TIGHTEST_FIRST = (("-x",), *LEVELS[:2:-1], LEVELS[2], ("~",), *LEVELS[1::-1])
PRECEDENCE = ", then ".join(
    " ".join(f"`{one}`" for one in row if one != "/") for row in TIGHTEST_FIRST
)
COMPARISONS = f"""\
A comparison is of `q`, `k`, `h` (the number of the head, from 0) and whole numbers, by `<`, `<=`,
`>`, `>=`, `==` or `!=`. They are joined by `+`, `-`, `*`, and by `//` (the quotient rounded down)
and `%` (its remainder), both with a whole number above zero behind them: `q - k < 256`,
`q // 64 >= k // 64`, `(q - k) % 4 == h`. Comparisons don't chain: `0 <= q - k & q - k < 256`.

What binds most tightly comes first:

{PRECEDENCE}.

So `causal & (q - k < 128 | k < 4)` needs its parentheses, and `causal & q - k < 128 | k < 4` shows
the first four tokens to all. Operators that bind alike go from left to right. Unlike in Python, `&`
and `|` bind less tightly than comparisons.

### Pictures

{LENGTH} queries from top to bottom, two to a line, and as many keys from left to right: `█` is seen
by both queries of its line, `▀` by the upper one, `▄` by the lower one, `·` by none. What is said
when a model is called is made up: a prefix of {LENGTH // 4}, {LENGTH * 7 // 8} tokens before the
padding, documents of 6, 4 and 6 tokens.
"""


def mask_notes() -> str:
    """A table of the atoms, how they are joined, and what each shows."""
    rows = [f"| {_names(atom)} | {atom.shows} |\n" for atom in ATOMS.values()]
    return "\n".join([ABOUT + "".join(rows), COMPARISONS, *(_section(name) for name in ATOMS)])


def summary() -> list[tuple[str, str]]:
    """The atoms and what each shows, in a few words each, for people in a terminal."""
    rows = [(", ".join(atom.written), atom.shows.replace("`", "")) for atom in ATOMS.values()]
    return [
        *rows,
        ("a comparison", "of q, k, h and whole numbers by + - * // %, as in q - k < 256"),
        ("& | ~ ( )", "both, either, not; ~ binds tighter than &, and & tighter than |"),
    ]


def _names(atom: Pattern) -> str:
    return ", ".join(f"`{one}`" for one in atom.written)


def _section(name: str) -> str:
    atom = ATOMS[name]
    parts = [f"### {_names(atom)}\n", f"{textwrap.fill(atom.meaning, WIDTH)}\n"]
    for numbers in atom.examples:
        text = f"{name}({', '.join(map(str, numbers))})" if numbers else name
        lines = drawn(seen_rows(Atom(name, numbers), LENGTH))
        command = f"    $ tgen mask '{text}' --length {LENGTH}\n"
        parts.append(command + "".join(f"    {''.join(line)}\n" for line in lines))
    return "\n".join(parts)
