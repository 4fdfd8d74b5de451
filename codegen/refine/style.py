"""ruff over all files of a build: two calls, however many files."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from codegen.errors import Diagnostic, OutputError, Position, TgenError

VERSION = "0.17.5"  # its output drifts between releases; pyproject.toml pins the same
INSTALL = f"pip install ruff=={VERSION}"
COLUMNS = "--line-length=100"
OPTIONS = ("--isolated", "--no-cache", "--quiet", "--target-version=py310")
FINDING = re.compile(r"^(.+?):(\d+):(\d+): (.+)$", re.MULTILINE)
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
        check_ruff()
        _ruff(*LINT, *OPTIONS, COLUMNS, "--output-format=concise", ".", cwd=root)
        _ruff("format", *OPTIONS, COLUMNS, ".", cwd=root)
        return {path: (root / path).read_text(encoding="utf-8") for path in python}


def format_code(code: str) -> str:
    """A piece of Python, formatted."""
    done = _run("format", *OPTIONS, COLUMNS, "-", given=code)
    return code if done.returncode else done.stdout


def check_ruff() -> None:
    """TgenError unless ruff is there in the version that packages are formatted with."""
    found = _run("--version").stdout.split()
    if found[1:2] != [VERSION]:
        message = f"packages are formatted with ruff {VERSION}; here is {' '.join(found) or 'none'}"
        raise TgenError(message, hint=INSTALL)


def _ruff(*arguments: str, cwd: Path) -> None:
    done = _run(*arguments, cwd=cwd)
    if done.returncode:
        report = (done.stdout + done.stderr).strip()
        findings = [_diagnostic(found, cwd) for found in FINDING.finditer(report)]
        raise TgenError(findings or f"a generated file is not clean; ruff says:\n{report}")


def _diagnostic(found: re.Match[str], folder: Path) -> Diagnostic:
    """One of ruff's findings, with the line it is about."""
    path, line, column = Path(found[1]), int(found[2]), int(found[3])
    text = (folder / path).read_text(encoding="utf-8").split("\n")[line - 1]
    return Diagnostic(found[4], Position(path.as_posix(), line, column, text))


def _run(
    *arguments: str, cwd: Path | None = None, given: str = ""
) -> subprocess.CompletedProcess[str]:
    command = [_binary(), *arguments]
    try:
        return subprocess.run(command, cwd=cwd, input=given, capture_output=True, encoding="utf-8")
    except OSError as error:
        raise TgenError(f"ruff can't run: {error}", hint=INSTALL) from None


def _binary() -> str:
    """ruff's executable beside this Python, as pip installs it, or on the PATH."""
    name = "ruff.exe" if sys.platform == "win32" else "ruff"
    beside = Path(sys.executable).parent / name
    return str(beside) if beside.exists() else name
