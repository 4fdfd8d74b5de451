"""What people name in a command: a spec, a file of a package, or something that isn't there."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.small_project import edit, tgen, write_project


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project of two packages."""
    root = write_project(tmp_path_factory.mktemp("made") / "project", "small", "other")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        assert tgen("build", "--no-test").code == 0
    return root


@pytest.fixture
def project(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(made, tmp_path / "project")
    monkeypatch.chdir(tmp_path / "project")
    return tmp_path / "project"


IN_PACKAGES = (
    "generated/small",
    "generated/small/model.py",
    "generated/small/README.md",
    "generated/small/tgen.lock",
    "generated/small/deleted.py",
)


@pytest.mark.drawn
@pytest.mark.parametrize("path", IN_PACKAGES)
def test_a_path_in_a_package_stands_for_the_package(project: Path, path: str) -> None:
    edit(project / "specs/small.yaml", "layers: 2", "layers: 3")
    for command in (["check"], ["build", "--dry-run"], ["edits", "--names"], ["plan"], ["render"]):
        at_path, at_spec = tgen(*command, path), tgen(*command, "specs/small.yaml")
        said = [ran.out.partition(" in ")[0].splitlines()[:-1] for ran in (at_path, at_spec)]
        assert (at_path.code, said[0]) == (at_spec.code, said[1]), at_path.err
    assert tgen("check", path).code == 3
    assert tgen("check", "generated/other/model.py").code == 0


def test_files_of_several_packages_are_those_packages_once(project: Path) -> None:
    ran = tgen("check", "generated/small/model.py", "generated/other/train.py", "specs/small.yaml")
    assert (ran.code, ran.out) == (0, "2 of 2 packages are fresh\n")
    assert tgen("check", "generated", "generated/small/model.py").out == ran.out
    assert tgen("check", "generated/__init__.py").out == ran.out


def test_a_package_elsewhere_is_checked_where_it_is(project: Path) -> None:
    assert tgen("build", "specs/small.yaml", "--no-test", "--out", "try").code == 0
    edit(project / "specs/small.yaml", "layers: 2", "layers: 3")
    assert tgen("build", "specs/small.yaml", "--no-test").code == 0
    assert tgen("check", "generated/small/model.py").code == 0
    assert tgen("check", "try/small/model.py").code == 3
    ran = tgen("check", "try/small/model.py", "generated/other/model.py")
    assert ran.code == 2 and "packages of generated/ and try/ at once" in ran.err


def test_a_package_whose_spec_is_gone_says_so(project: Path) -> None:
    (project / "specs/small.yaml").unlink()
    for command in ("check", "build", "edits", "plan"):
        ran = tgen(command, "generated/small/model.py")
        assert ran.code == 2 and "specs/small.yaml" in ran.err and "is gone" in ran.err
    assert '"is gone' not in tgen("check", "generated/small/model.py", "--json").err


def test_other_files_are_no_specs(project: Path) -> None:
    (project / "notes.md").write_text("# Notes\n")
    ran = tgen("check", "pyproject.toml", "specs/small.yaml", "notes.md")
    assert ran.code == 2 and ran.err.count("is no spec") == 2 and "YAML" not in ran.err
    for command in ("plan", "render", "build", "kernels", "migrate"):
        assert "notes.md is no spec" in tgen(command, "notes.md").err


@pytest.mark.parametrize("name", ["small", "specs/smal.yaml", "generated/smal"])
@pytest.mark.parametrize("command", ["build", "plan", "check", "watch"])
def test_what_is_not_there_may_be_a_spec_that_is(project: Path, command: str, name: str) -> None:
    ran = tgen(command, name)
    assert ran.code == 2
    assert "did you mean `specs/small.yaml`?" in ran.out + ran.err


def test_an_empty_folder_is_told_of_init(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for command in (["build"], ["check"], ["plan", "my_model.yaml"]):
        assert "tgen init" in tgen(*command).err
    assert "tgen new my_llama --from llama" in tgen("plan", "llama").err
