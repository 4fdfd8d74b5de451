"""`tgen new`: where a spec is written, and what it may start from."""

from __future__ import annotations

from pathlib import Path

import pytest

from codegen.project import examples_folder
from codegen.spec import load_spec
from tests.projects import files_of
from tests.small_project import tgen, write_project

EXAMPLES = sorted(path.stem for path in examples_folder().glob("*.yaml"))


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = write_project(tmp_path / "here")
    monkeypatch.chdir(folder)
    return folder


def test_a_spec_of_another_project_starts_one_of_this(here: Path, tmp_path: Path) -> None:
    there = write_project(tmp_path / "there", "theirs")
    (there / "specs/wide.yaml").write_text("name: wide\nextends: theirs.yaml\nmodel: {layers: 3}\n")
    before = files_of(there)
    for name, start in (("mine", "theirs"), ("wider", "wide")):
        ran = tgen("new", name, "--from", str(there / f"specs/{start}.yaml"), "--set", "d_model=48")
        assert (ran.code, ran.out.splitlines()[0]) == (0, f"wrote specs/{name}.yaml"), ran.err
        made = load_spec(here / f"specs/{name}.yaml", here).spec
        other = load_spec(there / f"specs/{start}.yaml", there, ["model.d_model=48"]).spec
        assert made == other.model_copy(update={"name": name})
    assert files_of(there) == before


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_example_starts_a_spec_anywhere(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert tgen("new", "mine", "--from", name).code == 0
    made = load_spec(tmp_path / "specs/mine.yaml", tmp_path).spec
    source = examples_folder() / f"{name}.yaml"
    assert made == load_spec(source, source.parent).spec.model_copy(update={"name": "mine"})
    comment = source.read_text().splitlines()[0]
    assert (tmp_path / "specs/mine.yaml").read_text().startswith(comment)


def test_a_copy_keeps_its_comments_where_a_value_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert tgen("new", "mine", "--from", "llama", "--set", "layers=4").code == 0
    old = (examples_folder() / "llama.yaml").read_text()
    new = old.replace("name: llama", "name: mine").replace("layers: 16", "layers: 4")
    assert (tmp_path / "specs/mine.yaml").read_text() == new


def test_the_projects_own_specs_come_before_those_of_tgen(here: Path) -> None:
    (here / "specs/llama.yaml").write_text((here / "specs/small.yaml").read_text())
    assert tgen("new", "mine", "--from", "llama").code == 0
    assert "extends: llama.yaml" in (here / "specs/mine.yaml").read_text()


@pytest.mark.parametrize(
    ("start", "hint"),
    [
        ("smal", "did you mean `small`?"),
        ("lama", "did you mean `llama`?"),
        ("specs/smal.yaml", "did you mean `specs/small.yaml`?"),
        ("specs/resnet18.yaml", "--from resnet18"),
        ("qqqq", "tgen's own are"),
    ],
)
def test_a_start_that_is_not_there_may_be_another(here: Path, start: str, hint: str) -> None:
    before = files_of(here)
    ran = tgen("new", "mine", "--from", start)
    assert ran.code == 2 and hint in ran.err
    assert files_of(here) == before


def test_what_is_refused_leaves_nothing_in_an_empty_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert tgen("new", "mine", "--from", "llama", "--set", "heads=7").code == 2
    assert tgen("new", "9mine", "--from", "llama").code == 2
    assert not list(tmp_path.iterdir())
