"""Model types that can be imported, by benchmarks/coverage.md, and those that nothing exports."""

from __future__ import annotations

import re
from pathlib import Path

PAGE = Path(__file__).parents[2] / "benchmarks" / "coverage.md"
ROW = re.compile(r"\| (\S+) \| passed \|")


def passed() -> list[tuple[str, str]]:
    """Task and type of each row that passed."""
    found, task = [], ""
    for line in PAGE.read_text().splitlines():
        if line.startswith("## "):
            task = line[3:].strip()
        if row := ROW.match(line):
            found.append((task, row[1]))
    return found


PASSED = passed()
REFUSED: set[tuple[str, ...] | tuple[str, str, int]] = set()
