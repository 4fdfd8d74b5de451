"""Names and links can't lead out of the output folder."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from codegen.emit import Package, compare, recover, write
from codegen.errors import OutputError
from codegen.exit_codes import ExitCode
from tests.emit.conftest import Make

BAD_FILES = ["../a.py", "a/b.py", "/a.py", "a\\b.py", "..", ".", "", ".hidden", "C:a.py", "a.py\n"]


@pytest.mark.parametrize("name", ["../gpt", "gpt/x", "/gpt", "..", "", "Gpt", "1gpt", "gpt\n"])
def test_a_package_name_that_leads_elsewhere_is_refused(make: Make, name: str) -> None:
    with pytest.raises(OutputError, match="name of a package"):
        make({}, name=name)


@pytest.mark.parametrize("name", [*BAD_FILES, "tgen.lock", "TGEN.lock"])
def test_a_file_name_that_leads_elsewhere_is_refused(make: Make, name: str) -> None:
    with pytest.raises(OutputError, match="name of a generated file"):
        make({name: ""})


def test_two_names_that_differ_only_in_case_are_refused(make: Make) -> None:
    with pytest.raises(OutputError, match="same file"):
        make({"Model.py": "", "model.py": ""})


def test_a_folder_that_is_not_named_like_the_package_is_refused(root: Path) -> None:
    with pytest.raises(OutputError, match="can't be written to"):
        Package("gpt", root / "other", {}, "d", "specs/gpt.yaml")


@pytest.mark.parametrize("path", ["/specs/gpt.yaml", "C:/gpt.yaml", "specs\\gpt.yaml", ""])
def test_a_spec_path_that_means_another_file_elsewhere_is_refused(make: Make, path: str) -> None:
    with pytest.raises(OutputError, match="relative"):
        make({}, spec_path=path)


@pytest.mark.parametrize("act", [write, compare])
def test_a_package_folder_that_is_a_link_is_refused(
    make: Make, root: Path, tmp_path: Path, act: Callable[[Package], object]
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    root.mkdir()
    (root / "gpt").symlink_to(outside)
    with pytest.raises(OutputError, match="symbolic link") as caught:
        act(make({"model.py": "new\n"}))
    assert caught.value.exit_code == ExitCode.BAD_SPEC
    assert os.listdir(outside) == []


@pytest.mark.parametrize("act", [write, compare])
@pytest.mark.parametrize("name", ["model.py", "tgen.lock"])
def test_a_file_that_is_a_link_is_refused_and_its_target_left_alone(
    make: Make, root: Path, tmp_path: Path, act: Callable[[Package], object], name: str
) -> None:
    write(make({"model.py": "old\n"}))
    target = tmp_path / "target"
    (root / "gpt" / name).rename(target)
    (root / "gpt" / name).symlink_to(target)
    before = target.read_bytes()
    with pytest.raises(OutputError, match="symbolic link"):
        act(make({"model.py": "new\n"}))
    assert target.read_bytes() == before


def test_a_generated_folder_that_is_a_link_is_the_users_choice(
    make: Make, root: Path, tmp_path: Path
) -> None:
    (tmp_path / "scratch").mkdir()
    root.symlink_to(tmp_path / "scratch")
    write(make({"model.py": "new\n"}))
    assert (tmp_path / "scratch" / "gpt" / "model.py").read_text() == "new\n"


def test_a_planted_staging_link_is_not_followed(root: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious.txt").touch()
    root.mkdir()
    (root / ".tgen-gpt").symlink_to(outside)
    with pytest.raises(OutputError, match="symbolic link"):
        recover(root)
    assert os.listdir(outside) == ["precious.txt"]


def test_a_planted_journal_can_not_name_files_elsewhere(root: Path, tmp_path: Path) -> None:
    (root / ".tgen-gpt" / "new").mkdir(parents=True)
    (root / ".tgen-gpt" / "new" / "x").write_text("x")
    for name in ("../../precious.txt", str(tmp_path / "precious.txt")):
        journal = f'[{{"name": "{name}", "old": null, "new": "0"}}]'
        (root / ".tgen-gpt" / "journal.json").write_text(journal)
        with pytest.raises(OutputError, match="damaged"):
            recover(root)
    assert not (tmp_path / "precious.txt").exists()


@pytest.mark.parametrize("place", ["generated", "generated/gpt", "generated/gpt/model.py"])
def test_what_is_in_the_way_and_of_another_kind_is_a_clear_error(
    make: Make, tmp_path: Path, place: str
) -> None:
    way = tmp_path / place
    if way.suffix:
        way.mkdir(parents=True)
    else:
        way.parent.mkdir(parents=True, exist_ok=True)
        way.touch()
    with pytest.raises(OutputError, match="generated"):
        write(make({"model.py": "new\n"}))
