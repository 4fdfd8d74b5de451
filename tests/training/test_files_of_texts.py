"""Tasks of whole texts read several files, patterns and what gzip has packed, like one file."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from tests.packages import import_package
from tests.training.conftest import MODEL

CLASSES = [("good", "yes"), ("bad", "no"), ("fine", "yes"), ("sad", "no")] * 3
TASKS: dict[str, tuple[dict[str, Any], tuple[str, str], str]] = {
    "sequence-classification": ({"classes": 2}, ("text", "label"), "texts"),
    "embedding": ({}, ("anchor", "positive"), "pairs"),
    "tagging": ({"classes": 2}, ("", ""), "sentences"),
}


def write(task: str, path: Path, rows: list[tuple[str, str]]) -> Path:
    """Of the task's form that the name says."""
    columns = TASKS[task][1]
    if ".jsonl" in path.name:
        lines = [json.dumps(dict(zip(columns, row, strict=True))) for row in rows]
    else:
        lines = ["\t".join(row) for row in rows]
    text = ("\n\n" if task == "tagging" else "\n").join(lines) + "\n"
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


@pytest.mark.parametrize("task", TASKS)
def test_several_files_are_read_as_one(task: str, tmp_path: Path) -> None:
    fields, _, _ = TASKS[task]
    model = {**MODEL, "attention": {"heads": 2, "mask": "full & padding"}, **fields}
    data, options = import_package(
        tmp_path, {"name": "of_files", "task": task, "model": model}, "data", "options"
    )
    whole = write(task, tmp_path / "whole.tsv", CLASSES)
    parts = [("a.tsv.gz", CLASSES[:5]), ("b.tsv", CLASSES[5:])]
    if task != "tagging":
        parts = [("a.jsonl.gz", CLASSES[:5]), ("b.jsonl", CLASSES[5:])]
    files = [str(write(task, tmp_path / name, rows)) for name, rows in parts]

    def read(*said: str) -> Any:
        given = ["--tokenizer", "char", "--validation", "0.25", "--context-length", "8"]
        parsed = options.parse_options(["--data", *said, *given])
        found = data.read_data(parsed, data.Config())[0]
        return repr((found.train, found.validation))

    assert read(*files) == read(str(tmp_path / "[ab].*")) == read(str(whole))
    (tmp_path / "a.tsv.gz").write_bytes(gzip.compress(b"some")[:-3])
    with pytest.raises(ValueError, match="is damaged, or nothing that gzip has made"):
        read(str(tmp_path / "a.tsv.gz"))
    with pytest.raises(ValueError, match=r"there is no .*gone"):
        read(str(tmp_path / "gone*"))
