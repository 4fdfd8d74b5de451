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
LEFT_OUT = ("pooler.", "bert.pooler.", "cls.seq_relationship.")  # of models that predict tokens


def told(path: Path) -> None:
    row = tried(path)
    assert ROWS[row.model] == (row.model_type, row.outcome, ", ".join(row.passed_over))


def test_the_table_has_a_row_for_each_file() -> None:
    assert len(FILES) == len(ROWS)
    assert len(HUB) >= 120  # as published


@pytest.mark.parametrize("path", SAMPLE, ids=lambda path: path.stem)
def test_a_file_is_imported_or_refused_as_the_table_says(path: Path) -> None:
    told(path)


@pytest.mark.long
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_file_is_imported_or_refused_as_the_table_says(path: Path) -> None:
    told(path)


@pytest.mark.drawn
@pytest.mark.parametrize("path", IMPORTED, ids=lambda path: path.stem)
def test_a_file_as_published_has_the_parameters_of_transformers(path: Path) -> None:
    fields = json.loads(path.read_text(encoding="utf-8"))
    fields.pop("quantization_config", None)
    if "text_config" in fields:
        pytest.skip("only its text model is imported")
    if fields["model_type"] not in transformers.CONFIG_MAPPING or "architectures" not in fields:
        pytest.skip("transformers does not say which model that is")
    if fields["architectures"] == ["BartModel"]:
        pytest.skip("imported with the head that it lacks")
    config = transformers.AutoConfig.for_model(**fields)
    with torch.device("meta"):
        model: Any = getattr(transformers, fields["architectures"][0])(config)
    buffers = [buffer for name, buffer in model.named_buffers() if name.endswith(BUFFERS)]
    learned = [  # which sinusoids are not
        parameter
        for name, parameter in model.named_parameters()
        if parameter.requires_grad and not name.startswith(LEFT_OUT)
    ]
    counted = sum(tensor.numel() for tensor in (*learned, *buffers))
    assert f"{counted:,}" in tried(path).outcome
