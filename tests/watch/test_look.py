"""What is found on the disk, and where to wait for changes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from codegen.commands.watch.look import (
    Watched,
    folders_of,
    list_specs,
    list_templates,
    scope_of,
    states,
)
from codegen.project import Project, templates_folder
from codegen.spec.yaml.sources import sources_of


@pytest.fixture
def scope(tmp_path: Path) -> Watched:
    for name in ("specs/a.yaml", "specs/more/b.yml", "specs/notes.txt", "templates/m.py.jinja"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    return Watched((tmp_path / "specs",), (tmp_path / "templates",), tmp_path / "generated")


def names(paths: object) -> list[str]:
    assert isinstance(paths, list)
    return sorted(path.name for path in paths)


def test_specs_are_found_in_all_folders_below_but_for_hidden_ones_and_packages(
    scope: Watched, tmp_path: Path
) -> None:
    for folder in (".git", "generated"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "c.yaml").touch()
    assert names(list_specs(scope)) == ["a.yaml", "b.yml"]
    assert names(list_specs(Watched((tmp_path,), (), scope.out))) == ["a.yaml", "b.yml"]


def test_what_editors_leave_beside_a_file_is_not_taken_for_one(scope: Watched) -> None:
    specs, templates = scope.specs[0], scope.templates[0]
    (specs / ".#a.yaml").symlink_to("someone@somewhere.1234")
    for name in ("a.yaml~", ".a.yaml.swp", "#a.yaml#", "4913"):
        (specs / name).touch()
    for name in (".m.py.jinja.swp", "m.py.jinja~", ".m.py.jinja", "4913"):
        (templates / name).touch()
    assert names(list_specs(scope)) == ["a.yaml", "b.yml"]
    assert names(list_templates(scope)) == ["m.py.jinja"]


def test_a_spec_that_is_named_alone_counts_while_it_is_there(scope: Watched) -> None:
    spec = scope.specs[0] / "a.yaml"
    alone = Watched((spec, spec.parent / "none.yaml"), (), scope.out)
    assert list_specs(alone) == [spec]
    spec.unlink()
    assert list_specs(alone) == []


def test_a_state_differs_after_every_save_even_of_the_same_bytes(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("a")
    first = states([path, tmp_path / "none"])
    assert list(first) == [path] and states([path]) == first
    path.write_text("b")
    assert states([path]) != first
    second = states([path])
    os.utime(path, ns=(1, 1))
    assert states([path]) != second


def test_every_folder_that_matters_is_waited_for(scope: Watched, tmp_path: Path) -> None:
    base = tmp_path / "shared/base.yaml"
    base.parent.mkdir()
    waited = {path for path, _ in folders_of(scope, [base])}
    assert waited >= {tmp_path / n for n in ("specs", "specs/more", "templates", "shared")}
    assert tmp_path / "generated" not in waited


def test_a_folder_that_is_gone_is_waited_for_around_it_and_one_made_anew_is_another(
    scope: Watched, tmp_path: Path
) -> None:
    before = folders_of(scope, [])
    (tmp_path / "templates").rename(tmp_path / "kept")
    assert tmp_path in {path for path, _ in folders_of(scope, [])}
    (tmp_path / "templates").mkdir()
    assert folders_of(scope, []) != before


def test_the_templates_of_a_project_are_watched_beside_tgens_own(tmp_path: Path) -> None:
    project = Project(tmp_path, tmp_path / "specs", tmp_path / "generated")
    assert scope_of([], project, project.generated).templates == (templates_folder(),)
    object.__setattr__(project, "templates", tmp_path / "ours")
    found = scope_of([], project, project.generated)
    assert found.templates == (tmp_path / "ours", templates_folder())
    assert list_templates(found)  # the folder that is not there yet is no error


def test_sources_go_as_far_as_they_can_be_told(tmp_path: Path) -> None:
    def write(name: str, text: str) -> Path:
        (tmp_path / name).write_text(text)
        return tmp_path / name

    low = write("low.yaml", "model: {layers: 2}\n")
    middle = write("middle.yaml", "extends: low.yaml\n")
    top = write("top.yaml", "extends: middle.yaml\n")
    assert sources_of(top, tmp_path) == (top, middle, low)
    middle.write_text("extends: [\n")
    assert sources_of(top, tmp_path) == (top, middle)
    middle.unlink()
    assert sources_of(top, tmp_path) == (top, middle)
    write("middle.yaml", "extends: top.yaml\n")
    assert sources_of(top, tmp_path) == (top, middle)
    write("middle.yaml", "extends: ../outside.yaml\n")
    outside = tmp_path.parent / "outside.yaml"
    assert sources_of(top, tmp_path) == (top, middle, outside)
