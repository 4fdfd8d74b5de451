"""Packages whose spec is gone: only what tgen wrote, and nobody edited, is ever removed."""

import os
from pathlib import Path

import pytest

from codegen.emit import find_orphans, remove_orphan, specs_of_packages, write
from codegen.errors import HandEditError
from tests.emit.conftest import Make

FILES = {"model.py": "x = 1\n", "train.py": "y = 1\n"}


def test_all_that_tgen_wrote_is_removed(make: Make, root: Path, tmp_path: Path) -> None:
    write(make(FILES))
    (root / "gpt" / "__pycache__").mkdir()
    (root / "gpt" / "__pycache__" / "model.cpython-311.pyc").touch()
    assert remove_orphan(root / "gpt", tmp_path) == ("model.py", "train.py", "tgen.lock")
    assert os.listdir(root) == ["__init__.py"]


def test_an_edited_package_stays_whole(make: Make, root: Path, tmp_path: Path) -> None:
    write(make(FILES))
    (root / "gpt" / "train.py").write_text("y = 2\n")
    with pytest.raises(HandEditError, match=r"generated/gpt/train\.py was changed by hand"):
        remove_orphan(root / "gpt", tmp_path)
    assert sorted(os.listdir(root / "gpt")) == ["model.py", "tgen.lock", "train.py"]


def test_files_of_a_persons_own_stay_and_so_does_their_folder(
    make: Make, root: Path, tmp_path: Path
) -> None:
    write(make(FILES))
    (root / "gpt" / "notes.md").write_text("mine")
    remove_orphan(root / "gpt", tmp_path)
    assert os.listdir(root / "gpt") == ["notes.md"]
    assert find_orphans(root, ()) == ()


def test_a_folder_without_a_lock_is_nobodys_orphan(root: Path, tmp_path: Path) -> None:
    (root / "gpt").mkdir(parents=True)
    (root / "gpt" / "model.py").write_text("mine")
    assert find_orphans(root, ()) == ()
    assert remove_orphan(root / "gpt", tmp_path) == ()
    assert (root / "gpt" / "model.py").read_text() == "mine"


def test_the_specs_of_packages_are_those_that_exist_inside_the_project(
    make: Make, root: Path, tmp_path: Path
) -> None:
    for name, path in (("a", "specs/a.yaml"), ("b", "else/b.yaml"), ("c", "../c.yaml")):
        write(make(FILES, name=name, spec_path=path))
    (tmp_path / "else").mkdir()
    (tmp_path / "else" / "b.yaml").touch()
    (tmp_path.parent / "c.yaml").touch()
    assert specs_of_packages(root, tmp_path) == (tmp_path / "else" / "b.yaml",)
