"""Writes a benchmark's table into benchmarks/README.md, between its markers."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from pathlib import Path

README = Path(__file__).parent / "README.md"


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]], text: int = 1) -> str:
    """A Markdown table; its first `text` columns are text, the others are numbers."""
    lines = [header, ["---"] * text + ["---:"] * (len(header) - text), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def machine() -> str:
    """What the figures were measured on, without naming the machine."""
    import torch

    python = f"Python {platform.python_version()}"
    return f"{platform.machine()}, {platform.system()}, {python}, torch {torch.__version__}"


def replace_section(name: str, text: str) -> None:
    """Puts `text` between `<!-- name -->` and `<!-- /name -->`."""
    page = README.read_text(encoding="utf-8")
    start, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    before, _, rest = page.partition(start)
    _, _, after = rest.partition(end)
    README.write_text(f"{before}{start}\n{text}\n{end}{after}", encoding="utf-8", newline="\n")
