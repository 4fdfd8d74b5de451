"""Tables with light rules that fit the page: words wrap between words, nothing is cut."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Collection, Iterator, Sequence

import click

from codegen.frozen import frozen
from codegen.report.page import columns, wide, wrapped

GAP = 2
RULE = "\u2500"


@frozen
class Table:
    """Rows under the names of their columns; those in `left` are of words, the others of numbers.

    A row that is a text alone stands across all columns. `colour` gives a cell its style.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...] | str, ...]
    left: Collection[str] = ()
    title: str = ""
    headed: bool = True
    colour: Callable[[str], str | None] = lambda cell: None

    @property
    def cells(self) -> list[tuple[str, ...]]:
        """The rows that have columns."""
        return [row for row in self.rows if not isinstance(row, str)]


def show(table: Table, *, ruled: bool) -> None:
    """Prints it as wide as the page; `ruled` draws a line below the names of columns."""
    for line in lines_of(table, columns(), ruled=ruled):
        click.echo(line)


def lines_of(table: Table, width: int, *, ruled: bool = False) -> Iterator[str]:
    """Its lines: side by side where that fits, else each row below its first cell."""
    if table.title:
        yield click.style(table.title, bold=True)
    widths = fitted(table, width)
    if widths:
        yield from _side_by_side(table, widths, width, ruled)
    else:
        yield from _below(table, width, ruled)


def fitted(table: Table, width: int) -> list[int] | None:
    """How wide each column is, if all of them fit beside each other.

    Where it is tight the names of columns wrap first, and then the widest words.
    """
    bodies = [[row[index] for row in table.cells] for index in range(len(table.columns))]
    heads = table.columns if table.headed else [""] * len(table.columns)
    own = [max(map(wide, cells), default=0) for cells in bodies]
    widths = [max(one, wide(head)) for one, head in zip(own, heads, strict=True)]
    least = [
        max(_longest_word(head), max(map(_longest_word, cells), default=0) if loose else one)
        for head, cells, one, loose in zip(
            heads, bodies, own, [name in table.left for name in table.columns], strict=True
        )
    ]
    room = width - GAP * (len(widths) - 1)
    if sum(least) > room:
        return None
    while sum(widths) > room:
        loose = [index for index, wide_one in enumerate(widths) if wide_one > least[index]]
        widths[max(loose, key=lambda index: (widths[index] > own[index], widths[index]))] -= 1
    return widths


def _longest_word(cell: str) -> int:
    """With the spaces that a cell begins with."""
    indent = len(cell) - len(cell.lstrip(" "))
    return indent + max(map(wide, cell.split(" ")))


def _side_by_side(table: Table, widths: Sequence[int], width: int, ruled: bool) -> Iterator[str]:
    if table.headed:
        for line in _row(table, table.columns, widths):
            yield click.style(line, bold=True)
        if ruled:
            yield _rule(sum(widths) + GAP * (len(widths) - 1))
    for row in table.rows:
        if isinstance(row, str):
            yield from wrapped(row, width)
        else:
            yield from _row(table, row, widths)


def _rule(width: int) -> str:
    """A light line, or dashes where standard output has no such character."""
    unicode = (sys.stdout.encoding or "utf-8").lower().startswith("utf")
    return click.style((RULE if unicode else "-") * width, dim=True)


def _row(table: Table, cells: Sequence[str], widths: Sequence[int]) -> Iterator[str]:
    """The lines of a row, each cell wrapped to its column."""
    made = []
    for name, cell, width in zip(table.columns, cells, widths, strict=True):
        indent = " " * (len(cell) - len(cell.lstrip(" ")))
        texts = list(wrapped(cell[len(indent) :], width, indent, indent))
        made.append([_placed(text, width, name in table.left, table) for text in texts])
    for parts in itertools.zip_longest(*made):
        padded = (
            " " * width if part is None else part for part, width in zip(parts, widths, strict=True)
        )
        yield (" " * GAP).join(padded).rstrip()


def _placed(text: str, width: int, left: bool, table: Table) -> str:
    space = " " * (width - wide(text))
    colour = table.colour(text)
    shown = click.style(text, fg=colour) if colour else text
    return shown + space if left else space + shown


def _below(table: Table, width: int, ruled: bool) -> Iterator[str]:
    """Each row's first cell on a line of its own, the others side by side or one by one below."""
    inner = Table(
        table.columns[1:], tuple(row[1:] for row in table.cells), table.left, "", table.headed
    )
    widths = fitted(inner, width - GAP)
    if table.headed:
        yield click.style(table.columns[0], bold=True)
        for line in _row(inner, inner.columns, widths) if widths else ():
            yield " " * GAP + click.style(line, bold=True)
        if ruled:
            yield _rule(width)
    for row in table.rows:
        if isinstance(row, str):
            yield from wrapped(row, width)
            continue
        yield from wrapped(row[0], width)
        if widths:
            for line in _row(inner, row[1:], widths) if any(row[1:]) else ():
                yield " " * GAP + line
            continue
        for name, cell in zip(table.columns[1:], row[1:], strict=True):
            label = f"{' ' * GAP}{name}: " if table.headed else " " * GAP
            if cell:
                yield from wrapped(cell, width, label, " " * (2 * GAP))
