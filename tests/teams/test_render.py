"""`tgen render` prints what `tgen build` writes, and writes nothing."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import Run
from tests.teams.conftest import ROOT, SPEC, Shell


def texts(folder: Path) -> dict[str, str]:
    found = (path for path in folder.iterdir() if path.name != "tgen.lock")
    return {path.name: path.read_text() for path in found if path.is_file()}


def left(project: Path) -> set[str]:
    return {path.name for path in project.iterdir()} - {".tgen"}


def test_the_texts_are_those_of_a_build_and_nothing_is_written(project: Path, tgen: Run) -> None:
    code, out, err = tgen("render", "specs/small.yaml")
    assert (code, err) == (0, "") and left(project) == {"pyproject.toml", "specs"}
    tgen("build", "--no-test")
    parts = re.split(r"^# ---- small/(\S+) ----\n", out, flags=re.MULTILINE)
    assert parts[0] == ""
    assert dict(zip(parts[1::2], parts[2::2], strict=True)) == texts(project / "generated/small")
    document = json.loads(tgen("render", "specs/small.yaml", "--json")[1])
    assert document["version"] == 1 and document["name"] == "small"
    assert document["files"] == texts(project / "generated/small")


def test_one_file_comes_alone_and_as_the_settings_ask(project: Path, tgen: Run) -> None:
    code, out, _ = tgen(
        "render", "specs/small.yaml", "--file", "model.py", "--set", "model.layers=7"
    )
    assert code == 0 and out.startswith("# Made from specs/small.yaml")
    assert "layers: int = 7" in out and "----" not in out
    compile(out, "model.py", "exec")


def test_a_file_that_there_is_not_is_an_error_with_a_guess(project: Path, tgen: Run) -> None:
    code, out, err = tgen("render", "specs/small.yaml", "--file", "modle.py")
    assert (code, out) == (2, "") and "did you mean `model.py`?" in err


def test_a_broken_spec_is_shown_as_a_build_shows_it(project: Path, tgen: Run) -> None:
    (project / "specs/small.yaml").write_text("name: small\nmodle: {}\n")
    code, out, err = tgen("render", "specs/small.yaml")
    assert (code, out) == (2, "") and err.startswith("specs/small.yaml:2:1: error: unknown field")


def piped(project: Path, text: bytes, *options: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "codegen", "render", "-", *options],
        input=text,
        cwd=project,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
    )


def test_a_spec_from_a_pipe_gives_the_same_package(project: Path, tgen: Run) -> None:
    whole = piped(project, SPEC.encode())
    assert whole.stdout.decode() == tgen("render", "specs/small.yaml")[1]
    variant = piped(project, b"name: v\nextends: specs/small.yaml\nmodel: {layers: 5}\n")
    assert b"# ---- v/model.py ----\n# Made from specs/v.yaml" in variant.stdout
    assert b"layers: int = 5" in variant.stdout and left(project) == {"pyproject.toml", "specs"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"name: v\nmodle: {}\n", b"<stdin>:2:1: error: unknown field `modle`"),
        (b"\xff", b"<stdin>:1:1: error: the spec is not UTF-8 text"),
        (b"", b"<stdin>:1:1: error: a spec is a mapping of fields"),
        (b"name: v\nextends: ../up.yaml\n", b"leads outside the project"),
    ],
)
def test_a_mistake_in_a_pipe_is_shown_at_its_place(
    project: Path, text: bytes, message: bytes
) -> None:
    done = piped(project, text)
    assert (done.returncode, done.stdout) == (2, b"") and message in done.stderr


@pytest.mark.parametrize("command", ["render specs/small.yaml", "schema", "plan specs/small.yaml"])
def test_a_reader_that_goes_away_ends_it_quietly(project: Path, shell: Shell, command: str) -> None:
    done = shell(f"set +e +o pipefail; tgen {command} | true; echo ${{PIPESTATUS[0]}}", project)
    assert (done.stdout, done.stderr) == ("141\n", "")
