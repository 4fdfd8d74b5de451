"""Pictures of a mask: in the terminal, and as a PNG with its tiles coloured."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from codegen.errors import OutputError
from codegen.frozen import frozen
from codegen.plan.masks.ranges import AxisTile, Ranges, key_ranges
from codegen.plan.masks.words import sentence
from codegen.quoting import plain
from codegen.report.diagnostic import warn
from codegen.report.page import columns, paragraph
from codegen.spec.masks.formula import formula_of
from codegen.spec.masks.picture import asks_heads, drawn, seen_rows
from codegen.spec.masks.seen import Inputs, example_inputs
from codegen.spec.masks.tree import Mask

EMPTY, PARTIAL, FULL = 0, 1, 2
COLOURS = {EMPTY: None, PARTIAL: "yellow", FULL: "green"}
PNG_COLOURS = ("#f4f4f4", "#f2b84b", "#3b9c63")


@frozen
class Picture:
    """Who sees whom among `length` positions, and what each tile of queries visits."""

    text: str
    mask: Mask
    length: int
    tile: int
    inputs: Inputs
    tiles: tuple[Ranges, ...]

    @property
    def skipped(self) -> float:
        """The share of all pairs that no tile visits."""
        return 1 - sum(map(self._work, self.tiles, self._heights())) / self.length**2

    @property
    def unmasked(self) -> float:
        """The share of the visited pairs that needs no mask."""
        full = sum(
            height * (high - low)
            for ranges, height in zip(self.tiles, self._heights(), strict=True)
            for low, high in ranges.full
        )
        return full / max(1, sum(map(self._work, self.tiles, self._heights())))

    def _heights(self) -> list[int]:
        starts = range(0, self.length, self.tile)
        return [min(self.tile, self.length - start) for start in starts]

    @staticmethod
    def _work(ranges: Ranges, height: int) -> int:
        return ranges.visited * height

    def kind(self, query: int, key: int) -> int:
        """Whether the pair's tile is empty, masked inside or full."""
        ranges = self.tiles[query // self.tile]
        for kind, intervals in ((FULL, ranges.full), (PARTIAL, ranges.partial)):
            if any(low <= key < high for low, high in intervals):
                return kind
        return EMPTY


def draw(text: str, mask: Mask, length: int, tile: int) -> Picture:
    """The picture of a mask; run-time inputs are made up (three documents, a prefix, padding)."""
    inputs = example_inputs(length)
    starts = range(0, length, tile)
    tiles = tuple(
        key_ranges(mask, AxisTile(start, min(start + tile, length), length, inputs))
        for start in starts
    )
    return Picture(text, mask, length, tile, inputs, tiles)


def show(picture: Picture) -> None:
    """Two queries per line of text, a key per column; then what it comes to.

    On a page with fewer columns than there are keys, a block stands for several of both.
    """
    rows = seen_rows(picture.mask, picture.length)
    step = -(-picture.length // columns())
    coarse = _coarse(rows, step)
    for line, marks in enumerate(drawn(coarse)):
        kinds = (picture.kind(2 * line * step, key * step) for key in range(len(coarse)))
        painted = (click.style(m, fg=COLOURS[k]) for m, k in zip(marks, kinds, strict=True))
        click.echo("".join(painted).rstrip())
    if step > 1:
        of = f"{step} queries by {step} keys"
        click.echo(paragraph(f"Each half of a block is {of}, filled where any of them is visible."))
    click.echo(paragraph(plain(_capitalised(sentence(picture.mask, picture.text)))))
    if asks_heads(picture.mask):
        said = "Heads see different keys; this is what the first one sees (h is 0)."
        click.echo(paragraph(said))
    said = f"Tiles of {picture.tile} queries skip {picture.skipped:.0%} of the work; "
    click.echo(paragraph(f"{said}{picture.unmasked:.0%} of the rest needs no mask."))
    blind = [str(q) for q, row in enumerate(rows) if not any(row)]
    if blind:
        some = ", ".join(blind[:8]) + (", ..." if len(blind) > 8 else "")
        warn(f"these queries see nothing: {some}")


def _capitalised(words: str) -> str:
    return f"{words[:1].upper()}{words[1:]}."


def _coarse(rows: Sequence[Sequence[bool]], step: int) -> list[list[bool]]:
    """Whether any pair of each square of `step` by `step` is visible."""
    starts = range(0, len(rows), step)
    bands = [[any(seen) for seen in zip(*rows[q : q + step], strict=True)] for q in starts]
    return [[any(band[k : k + step]) for k in starts] for band in bands]


def show_code(picture: Picture) -> None:
    """The predicate of a pair and the ranges of a tile, as packages have them."""
    from codegen.plan.masks.code import PYTHON, TRITON, mask_code

    languages = (("Python: torch, numpy", PYTHON), ("Triton", TRITON))
    for title, language in languages:
        code = mask_code(formula_of(picture.mask), language, most=8)
        click.echo(f"\n{title}\n{paragraph(code.predicate, '  ', '    ')}")
        click.echo("  queries first..last visit keys")
        for r in code.keys:
            said = f"{r.low} to {r.high}; all see {r.full_low} to {r.full_high}"
            click.echo(paragraph(said, "    ", "      "))


def save_png(picture: Picture, path: Path) -> None:
    """The same as an image: tiles coloured empty, partial and full, visible pairs darker."""
    try:
        from matplotlib.colors import ListedColormap
        from matplotlib.figure import Figure
        from matplotlib.patches import Patch
    except ImportError:
        raise OutputError("--png needs matplotlib", hint="pip install matplotlib") from None
    positions = range(picture.length)
    kinds = [[picture.kind(q, k) for k in positions] for q in positions]
    rows = seen_rows(picture.mask, picture.length)
    seen = [[0.0 if sees else 0.55 for sees in row] for row in rows]
    figure: Any = Figure(figsize=(7, 7.4), layout="constrained")
    axes = figure.subplots()
    axes.imshow(kinds, cmap=ListedColormap(PNG_COLOURS), vmin=0, vmax=2)
    axes.imshow([[1.0] * picture.length] * picture.length, cmap="gray", vmin=0, vmax=1, alpha=seen)
    edges = [start - 0.5 for start in range(0, picture.length + 1, picture.tile)]
    axes.hlines(edges, -0.5, picture.length - 0.5, colors="white", linewidths=0.6)
    labels = ("empty", "partial: masked inside", "full: no mask")
    patches = [Patch(color=c, label=x) for c, x in zip(PNG_COLOURS, labels, strict=True)]
    axes.legend(handles=patches, loc="upper right", fontsize=8)
    axes.set(xlabel="key", ylabel="query", title=f"{picture.text}\n{picture.skipped:.0%} skipped")
    try:
        figure.savefig(path, dpi=150)
    except (OSError, ValueError) as error:
        raise OutputError(f"{path} can't be written: {error}") from None
