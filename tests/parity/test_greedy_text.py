"""Every type that decodes writes the text that transformers writes: the table leaves none out."""

from __future__ import annotations

import pytest

from benchmarks.coverage import quieten
from benchmarks.coverage_compare import compare
from benchmarks.coverage_table import PAGE
from benchmarks.coverage_types import OTHER_POSITIONS
from benchmarks.tiny_models import settings

DECODERS = ("causal-lm", "seq2seq-lm")
ENCODERS = ("xlm",)  # its one class of language models decodes nothing


def without_text() -> list[tuple[str, str]]:
    """The types that pass, of tasks that decode, with no figure in the column of greedy text."""
    found, task, column = [], "", 0
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("## "):
            task = line.removeprefix("## ")
        elif "greedy text" in cells:
            column = cells.index("greedy text")
        elif task in DECODERS and cells[1:2] == ["passed"] and not cells[column]:
            found.append((task, cells[0]))
    return found


def test_the_table_compares_the_text_of_every_type_that_decodes() -> None:
    assert {name for _, name in without_text()} <= set(ENCODERS)


@pytest.mark.parametrize("model_type", OTHER_POSITIONS[2:3])
def test_types_that_generate_at_other_positions_write_what_their_forward_says(
    model_type: str,
) -> None:
    quieten()
    found = compare(next(settings("causal-lm", model_type, 1)))
    assert found.passed and found.written > 0
