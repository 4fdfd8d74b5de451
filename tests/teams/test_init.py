"""`tgen init` makes a project of a folder, all or not at all, and over nothing."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import pytest

from codegen.commands import init as new_project
from codegen.spec.tasks import TASKS
from tests.conftest import Run

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

WRITTEN = {
    "pyproject.toml",
    "specs/small_gpt.yaml",
    "generated/__init__.py",
    ".github/workflows/tgen.yml",
    ".gitattributes",
    ".gitignore",
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, and the current one."""
    path = tmp_path / "empty"
    path.mkdir()
    monkeypatch.chdir(path)
    return path


def files(folder: Path) -> dict[str, bytes]:
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def test_an_empty_folder_becomes_a_project_that_builds_and_is_fresh(
    folder: Path, tgen: Run
) -> None:
    code, out, _ = tgen("init")
    assert code == 0 and set(files(folder)) == WRITTEN
    assert all(f"wrote {name}" in out for name in WRITTEN)
    assert out.endswith("next:\n  tgen build\n  tgen check\n")
    assert tgen("build", "--no-test")[0] == 0
    assert tgen("check")[0] == 0


def test_the_first_spec_and_the_help_of_new_name_every_task(folder: Path, tgen: Run) -> None:
    tgen("init")
    spec = (folder / "specs/small_gpt.yaml").read_text()
    _, shown, _ = tgen("new", "--help")
    for text in (spec, shown):
        whole = re.sub(r"-\s+", "-", text)  # help is broken at dashes, too
        assert {*TASKS} <= {word.strip(".,:") for word in whole.split()}


def test_a_task_may_differ_from_that_of_the_spec_that_is_extended(folder: Path, tgen: Run) -> None:
    tgen("init")
    given = ("new", "twins", "--from", "specs/small_gpt.yaml", "--set", "task=embedding")
    assert tgen(*given)[0] == 2  # tied heads are of tokens that are predicted
    (folder / "specs/plain.yaml").write_text("name: plain\ndata: {tokenizer: byte}\n")
    given = ("new", "twins", "--from", "specs/plain.yaml", "--set", "task=embedding")
    assert tgen(*given)[0] == 0
    assert "task: embedding" in (folder / "specs/twins.yaml").read_text()


def test_a_second_time_there_is_nothing_to_do(folder: Path, tgen: Run) -> None:
    tgen("init")
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    code, out, _ = tgen("init")
    assert code == 0 and "nothing to do" in out
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


def test_another_folder_is_made_and_named(folder: Path, tgen: Run) -> None:
    code, out, _ = tgen("init", "deep/inside")
    assert code == 0 and f"next, in {folder / 'deep/inside'}:" in out
    assert set(files(folder / "deep/inside")) == WRITTEN


@pytest.mark.parametrize(
    "text",
    [b'[project]\nname = "x"\n', b"# no end of line", b"a = 1\r\n[b]\r\nc = 2\r\n", b"", b"\n\n"],
)
def test_what_pyproject_says_is_kept_to_the_byte(folder: Path, tgen: Run, text: bytes) -> None:
    path = folder / "pyproject.toml"
    path.write_bytes(text)
    assert tgen("init")[0] == 0
    made = path.read_bytes()
    assert made.startswith(text)
    tables = tomllib.loads(made.decode())
    assert tables.pop("tool") == {"tgen": {"specs": "specs", "generated": "generated"}}
    assert tables == tomllib.loads(text.decode())
    assert (b"\n" in made.replace(b"\r\n", b"")) == (b"\r\n" not in text)


def test_lines_are_added_to_what_git_is_told_already_and_none_twice(
    folder: Path, tgen: Run
) -> None:
    (folder / ".gitignore").write_text("out/\n*.pyc")
    (folder / ".gitattributes").write_text("generated/** linguist-generated\n")
    assert tgen("init")[0] == 0
    assert (
        folder / ".gitignore"
    ).read_text() == "out/\n*.pyc\n.tgen/\n.tgen-*\n*.merge\nweights/\n"
    assert (folder / ".gitattributes").read_text() == "generated/** linguist-generated\n"


def test_specs_that_are_there_need_no_first_one(folder: Path, tgen: Run) -> None:
    (folder / "specs").mkdir()
    (folder / "specs/mine.yaml").write_text("name: mine\n")
    assert tgen("init")[0] == 0
    assert set(files(folder / "specs")) == {"mine.yaml"}


@pytest.mark.parametrize(
    ("path", "text", "message"),
    [
        (".github/workflows/tgen.yml", "mine", "tgen.yml is in the way"),
        ("specs", "mine", "specs is in the way: it isn't a folder"),
        ("generated", "mine", "generated is in the way: it isn't a folder"),
        (".gitignore/mine", "", ".gitignore"),
        ("pyproject.toml", "tool = {", "is no TOML"),
        ("pyproject.toml", "\xff", "is no TOML"),
        ("pyproject.toml", "tool = {}", "can't be appended"),
        ("pyproject.toml", "tool.tgen = 3", "tool.tgen is no table"),
        ("pyproject.toml", "[tool.tgen]\n", "has [tool.tgen] already"),
        ("pyproject.toml", "[tool]\ntgen = {}\n", "has [tool.tgen] already"),
    ],
)
def test_what_is_in_the_way_is_named_and_nothing_is_written(
    folder: Path, tgen: Run, path: str, text: str, message: str
) -> None:
    (folder / path).parent.mkdir(parents=True, exist_ok=True)
    (folder / path).write_text(text, encoding="latin-1")
    before = files(folder)
    code, _, err = tgen("init")
    assert code == 2 and message in err and "Traceback" not in err
    assert files(folder) == before


def test_a_project_that_lacks_something_is_told_what(folder: Path, tgen: Run) -> None:
    tgen("init")
    (folder / ".gitattributes").unlink()
    code, _, err = tgen("init")
    assert code == 2 and "would add: .gitattributes" in err


@pytest.mark.parametrize("failing", range(len(WRITTEN)))
def test_a_disk_that_fills_up_on_the_way_takes_everything_back(
    folder: Path, tgen: Run, monkeypatch: pytest.MonkeyPatch, failing: int
) -> None:
    (folder / ".gitignore").write_text("mine\n")
    replace, calls = os.replace, iter(range(99))

    def full(source: Path, target: Path) -> None:
        if next(calls) == failing:
            raise OSError(28, "No space left on device", str(target))
        replace(source, target)

    monkeypatch.setattr(new_project.os, "replace", full)
    code, _, err = tgen("init")
    assert code == 2 and "No space left on device; nothing was changed" in err
    assert files(folder) == {".gitignore": b"mine\n"}
    assert [path.name for path in folder.iterdir()] == [".gitignore"]


def test_inside_a_repository_the_workflow_is_left_to_its_root(folder: Path, tgen: Run) -> None:
    (folder / ".git").mkdir()
    code, out, _ = tgen("init", "ml")
    assert code == 0 and "working-directory: ml" in out
    assert set(files(folder / "ml")) == WRITTEN - {".github/workflows/tgen.yml"}
    assert "nothing to do" in tgen("init", "ml")[1]


def test_settings_written_in_another_way_are_settings(project: Path, tgen: Run) -> None:
    (project / "pyproject.toml").write_text('[tool]\ntgen = {generated = "g"}\n')
    assert tgen("build", "--no-test")[0] == 0
    assert (project / "g/small/model.py").exists()
