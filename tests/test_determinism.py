"""The same spec gives the same bytes, wherever and however tgen runs."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A project elsewhere with the specs of this one."""
    shutil.copytree(ROOT / "specs", tmp_path / "specs")
    (tmp_path / "pyproject.toml").write_text("[tool.tgen]\n")
    return tmp_path


def built(project: Path, cwd: Path, out: str, seed: str) -> dict[str, str]:
    """The digest of every file of a cold build in a fresh process."""
    shutil.rmtree(project / ".tgen", ignore_errors=True)
    command = [sys.executable, "-m", "codegen", "build", str(project / "specs")]
    command += ["--no-test", "--out", str(project / out)]
    environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    files = sorted(path for path in (project / out).rglob("*") if path.is_file())
    return {
        str(path.relative_to(project / out)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
    }


def test_hash_seed_and_working_directory_change_no_byte(copy: Path, tmp_path: Path) -> None:
    first = built(copy, copy, "first", "0")
    assert len(first) > 50
    assert built(copy, copy, "second", "1") == first
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    assert built(copy, elsewhere, "third", "0") == first


def test_the_committed_packages_are_what_the_specs_say() -> None:
    command = [sys.executable, "-m", "codegen", "check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_nothing_generated_names_a_path_of_this_machine_or_a_time() -> None:
    for path in (ROOT / "generated").rglob("*"):
        if path.is_file() and path.suffix in (".py", ".md", ".lock"):
            text = path.read_text(encoding="utf-8")
            assert str(ROOT) not in text and "202" + "6-" not in text, path
