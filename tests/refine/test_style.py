"""All files of a build are formatted in one go, and formatting again changes nothing."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from codegen.errors import TgenError
from codegen.refine import format_files

UGLY = "import sys\nimport os\ndef f( x ):\n    return {\"a\":os.name,'b' :sys.path}\n"
CLEAN = """\
import os
import sys


def f(x):
    return {"a": os.name, "b": sys.path}
"""


def test_imports_are_sorted_and_code_is_formatted() -> None:
    assert format_files({"gpt/model.py": UGLY})["gpt/model.py"] == CLEAN


def test_formatting_twice_changes_nothing() -> None:
    assert format_files({"model.py": CLEAN}) == {"model.py": CLEAN}


def test_the_order_of_files_stays_and_other_files_are_left_alone() -> None:
    files = {"b.py": UGLY, "README.md": "#  x\n", "a/c.py": UGLY, "a/d.lock": "{ }"}
    done = format_files(files)
    assert list(done) == list(files)
    assert done == {"b.py": CLEAN, "README.md": "#  x\n", "a/c.py": CLEAN, "a/d.lock": "{ }"}


def test_ruff_runs_twice_for_any_number_of_files(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    run = subprocess.run

    def counted(command: list[str], **options: Any) -> Any:
        calls.append(command[1])
        return run(command, **options)

    monkeypatch.setattr(subprocess, "run", counted)
    format_files({f"p{i}/model.py": UGLY for i in range(40)})
    assert calls == ["--version", "check", "format"]
    format_files({"README.md": ""})
    assert len(calls) == 3


def test_unused_imports_go_and_undefined_names_are_errors() -> None:
    assert format_files({"m.py": "import os\n\nx = 1\n"})["m.py"] == "x = 1\n"
    with pytest.raises(TgenError, match=r"m\.py:3"):
        format_files({"m.py": "def f():\n    x = 1\n    return undefined_name\n"})


def test_broken_python_is_an_error_that_names_file_and_line() -> None:
    with pytest.raises(TgenError, match=r"deep/broken\.py:2"):
        format_files({"fine.py": "x = 1\n", "deep/broken.py": "x = 1\ndef f(:\n"})


def test_lines_end_with_a_newline_only() -> None:
    assert format_files({"m.py": "x = 1\r\ny = 2\r\n"})["m.py"] == "x = 1\ny = 2\n"


def test_a_missing_ruff_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("codegen.refine.style._binary", lambda: "/nowhere/ruff")
    with pytest.raises(TgenError, match="ruff can't run"):
        format_files({"m.py": ""})


def test_another_ruff_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    other = tmp_path / "ruff"
    other.write_text("#!/bin/sh\necho ruff 0.1.2\n")
    other.chmod(0o755)
    monkeypatch.setattr("codegen.refine.style._binary", lambda: str(other))
    with pytest.raises(TgenError, match=r"formatted with ruff 0\.17\.5; here is ruff 0\.1\.2"):
        format_files({"m.py": ""})
