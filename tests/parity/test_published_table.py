"""The table of published config.json files says what `tgen import` makes of each."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from benchmarks.published import PAGE, files, tried
from tests.parity.test_published import BUFFERS

ROW = re.compile(r"^\| (\S+) \| (\S*) \| (.+?) \| (.*?) \|$", re.MULTILINE)
ROWS = {row[0]: row[1:] for row in ROW.findall(PAGE.read_text(encoding="utf-8"))[2:]}
FILES = files()
SAMPLE = FILES[::10]
HUB = [path for path in FILES if path.parent.name == "hub"]
IMPORTED = [p for p in HUB if ROWS[p.stem.replace("--", "/", 1)][1].startswith("imported")]


def told(path: Path) -> None:
    row = tried(path)
    assert ROWS[row.model] == (row.model_type, row.outcome, ", ".join(row.passed_over))


def test_the_table_has_a_row_for_each_file() -> None:
    assert len(FILES) == len(ROWS) >= 120


@pytest.mark.parametrize("path", SAMPLE, ids=lambda path: path.stem)
def test_a_file_is_imported_or_refused_as_the_table_says(path: Path) -> None:
    told(path)


@pytest.mark.long
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_file_is_imported_or_refused_as_the_table_says(path: Path) -> None:
    told(path)


@pytest.mark.parametrize("path", IMPORTED[::5], ids=lambda path: path.stem)
def test_a_file_as_published_has_the_parameters_of_transformers(path: Path) -> None:
    fields = json.loads(path.read_text(encoding="utf-8"))
    fields.pop("quantization_config", None)
    if "text_config" in fields:
        pytest.skip("only its text model is imported")
    config = transformers.AutoConfig.for_model(**fields)
    with torch.device("meta"):
        model: Any = getattr(transformers, fields["architectures"][0])(config)
    buffers = [buffer for name, buffer in model.named_buffers() if name.endswith(BUFFERS)]
    counted = sum(tensor.numel() for tensor in (*model.parameters(), *buffers))
    assert f"{counted:,}" in tried(path).outcome
