"""A project to work in, and commands as a shell sees them."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.small_project import SPEC

ROOT = Path(__file__).parents[2]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with one spec, and the current folder."""
    folder = tmp_path / "project"
    (folder / "specs").mkdir(parents=True)
    (folder / "pyproject.toml").write_text("[tool.tgen]\n")
    (folder / "specs/small.yaml").write_text(SPEC)
    monkeypatch.chdir(folder)
    return folder


@dataclass(frozen=True)
class Shell:
    """bash with this checkout's tgen on its PATH."""

    path: str

    def __call__(
        self, script: str, cwd: Path, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Runs a script as GitHub runs a step; its end, output and errors."""
        clean = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
        return subprocess.run(
            ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", "-c", script],
            cwd=cwd,
            env={**clean, "PATH": self.path, "PYTHONPATH": str(ROOT), **environment},
            capture_output=True,
            text=True,
        )


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """A shell that finds tgen."""
    bin_folder = tmp_path / "bin"
    bin_folder.mkdir()
    script = bin_folder / "tgen"
    script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m codegen "$@"\n')
    script.chmod(0o755)
    return Shell(f"{bin_folder}{os.pathsep}{os.environ['PATH']}")
