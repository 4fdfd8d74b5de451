"""ruff over all files of a build: two calls, however many files."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from codegen.errors import OutputError, TgenError

OPTIONS = ("--isolated", "--no-cache", "--quiet", "--line-length=100", "--target-version=py310")
LINT = ("check", "--fix", "--select=I,F", "--force-exclude")


def format_files(files: Mapping[str, str]) -> dict[str, str]:
    """Imports sorted, code formatted; TgenError where a text is no clean Python.

    OutputError if there is no room for temporary files.
    """
    python = {path: text for path, text in files.items() if path.endswith(".py")}
    try:
        return {**files, **_formatted(python)} if python else dict(files)
    except OSError as error:
        reason = error.strerror or str(error)
        hint = "free some space there, or set TMPDIR to another folder"
        message = f"can't write temporary files for ruff: {reason}"
        raise OutputError(message, hint=hint) from error


def _formatted(python: Mapping[str, str]) -> dict[str, str]:
    with tempfile.TemporaryDirectory(prefix="tgen-") as folder:
        root = Path(folder)
        for path, text in python.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text, encoding="utf-8", newline="\n")
        _ruff(*LINT, *OPTIONS, ".", cwd=root)
        _ruff("format", *OPTIONS, ".", cwd=root)
        return {path: (root / path).read_text(encoding="utf-8") for path in python}


def _ruff(*arguments: str, cwd: Path) -> None:
    try:
        done = subprocess.run([_binary(), *arguments], cwd=cwd, capture_output=True, text=True)
    except OSError as error:
        raise TgenError(f"ruff can't run: {error}", hint="pip install ruff==0.17.5") from None
    if done.returncode:
        report = (done.stdout + done.stderr).strip()
        raise TgenError(f"a generated file is not clean; ruff says:\n{report}")


def _binary() -> str:
    """ruff's executable beside this Python, as pip installs it, or on the PATH."""
    name = "ruff.exe" if sys.platform == "win32" else "ruff"
    beside = Path(sys.executable).parent / name
    return str(beside) if beside.exists() else name
