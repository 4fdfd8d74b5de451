# Made from specs/linear_regression.yaml; make it again: tgen build specs/linear_regression.yaml
"""What a trained model says: in a table, as JSON lines, as CSV, or as an array in .npy."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from .process import plain

COLUMNS = 80  # of a table
CELL = 20  # most columns of all but the last cell of a row


def aligned(rows: Sequence[Sequence[str]], left: int = 0) -> Iterator[str]:
    """Cells in columns, the first `left` of them to the left; of the last as much as fits."""
    widths = [min(CELL, max(map(len, column))) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [
            cut(cell, width).ljust(width) if place < left else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row[:-1], widths, strict=False))
        ]
        before = "".join(f"{cell}  " for cell in cells)
        yield (before + cut(row[-1], COLUMNS - len(before))).rstrip()


def cut(text: str, width: int) -> str:
    """A text in one line, and of a longer one its beginning."""
    line = plain(text[: width + 1])
    return line if len(line) <= width else line[: max(0, width - 3)] + "..."
