"""ruff over all files of a build: two calls, however many files."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from codegen.errors import Diagnostic, Position, TgenError

OPTIONS = ("--isolated", "--no-cache", "--quiet", "--line-length=100", "--target-version=py310")
FINDING = re.compile(r"^(.+?):(\d+):(\d+): (.+)$", re.MULTILINE)
LINT = ("check", "--fix", "--select=I,F", "--force-exclude")


def format_files(files: Mapping[str, str]) -> dict[str, str]:
    """Imports sorted, code formatted; TgenError where a text is no clean Python."""
    python = {path: text for path, text in files.items() if path.endswith(".py")}
    done = dict(files)
    with tempfile.TemporaryDirectory(prefix="tgen-") as folder:
        root = Path(folder)
        for path, text in python.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text, encoding="utf-8", newline="\n")
        if python:
            _ruff(*LINT, *OPTIONS, "--output-format=concise", ".", cwd=root)
            _ruff("format", *OPTIONS, ".", cwd=root)
        for path in python:
            done[path] = (root / path).read_text(encoding="utf-8")
    return done


def _ruff(*arguments: str, cwd: Path) -> None:
    try:
        done = subprocess.run([_binary(), *arguments], cwd=cwd, capture_output=True, text=True)
    except OSError as error:
        raise TgenError(f"ruff can't run: {error}", hint="pip install ruff==0.17.5") from None
    if done.returncode:
        report = (done.stdout + done.stderr).strip()
        findings = [_diagnostic(found, cwd) for found in FINDING.finditer(report)]
        raise TgenError(findings or f"a generated file is not clean; ruff says:\n{report}")


def _diagnostic(found: re.Match[str], folder: Path) -> Diagnostic:
    """One of ruff's findings, with the line it is about."""
    path, line, column = Path(found[1]), int(found[2]), int(found[3])
    text = (folder / path).read_text(encoding="utf-8").split("\n")[line - 1]
    return Diagnostic(found[4], Position(path.as_posix(), line, column, text))


def _binary() -> str:
    """ruff's executable beside this Python, as pip installs it, or on the PATH."""
    name = "ruff.exe" if sys.platform == "win32" else "ruff"
    beside = Path(sys.executable).parent / name
    return str(beside) if beside.exists() else name
