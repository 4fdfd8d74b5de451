"""Packages of known networks pass the tests that are made with them, as `tgen build` runs them."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ZOO = sorted((Path(__file__).parent.parent / "zoo").glob("*.yaml"))


@pytest.mark.long
@pytest.mark.parametrize("path", ZOO, ids=lambda path: path.stem)
def test_a_package_of_the_zoo_passes_its_own_tests(path: Path, tmp_path: Path) -> None:
    shutil.copytree(path.parent, tmp_path / "specs")  # all of them: some extend others
    command = [sys.executable, "-m", "codegen", "build", f"specs/{path.name}", "--no-prove"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
