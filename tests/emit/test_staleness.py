"""`compare` tells how the disk differs from a rendering, and `find_orphans` what has no spec."""

import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from codegen.emit import Package, compare, find_orphans, write
from tests.emit.conftest import Make


def kinds(package: Package) -> dict[str, str]:
    return {
        change.path.removeprefix("generated/gpt/"): change.kind
        for change in compare(package).changes
    }


def test_a_fresh_package_has_no_changes(make: Make) -> None:
    write(make({"model.py": "a\n"}))
    assert compare(make({"model.py": "a\n"})).changes == ()


def test_a_package_that_was_never_written_is_missing_and_stays_so(make: Make, root: Path) -> None:
    assert kinds(make({"model.py": "a\n"})) == {"model.py": "missing", "tgen.lock": "missing"}
    assert not root.exists()


def test_each_kind_of_change_is_told_apart(make: Make, root: Path) -> None:
    write(make({"same.py": "a\n", "model.py": "a\n", "train.py": "a\n", "gone.py": "a\n"}))
    (root / "gpt" / "train.py").write_text("mine\n")
    new = make({"same.py": "a\n", "model.py": "b\n", "train.py": "b\n", "sample.py": "b\n"})
    assert kinds(new) == {
        "gone.py": "extra",
        "model.py": "changed",
        "sample.py": "missing",
        "train.py": "conflict",
        "tgen.lock": "changed",
    }


def test_an_edit_alone_is_fresh_and_told_of(make: Make, root: Path) -> None:
    write(make({"model.py": "a\n"}))
    (root / "gpt" / "model.py").write_text("mine\n")
    found = compare(make({"model.py": "a\n"}))
    assert found.changes == () and not found.settled
    (edit,) = found.edits
    assert (edit.path, edit.kind) == ("generated/gpt/model.py", "edited")
    assert edit.diff.endswith("@@ -1 +1 @@\n-a\n+mine\n")
    write(make({"model.py": "a\n"}))
    assert compare(make({"model.py": "a\n"})).settled


def test_what_a_build_would_merge_is_shown_merged(make: Make, root: Path) -> None:
    write(make({"model.py": "X = 1\nY = 1\n"}))
    (root / "gpt" / "model.py").write_text("X = 1\nY = 3\n")
    found = compare(make({"model.py": "X = 2\nY = 1\n"}))
    assert [(change.kind, change.diff.split("@@")[2]) for change in found.changes[:1]] == [
        ("changed", "\n-X = 1\n+X = 2\n Y = 3\n")
    ]
    assert [edit.diff.split("@@")[2] for edit in found.edits] == ["\n X = 1\n-Y = 1\n+Y = 3\n"]


def test_without_a_lock_nobody_can_tell_an_edit_from_an_old_rendering(
    make: Make, root: Path
) -> None:
    write(make({"model.py": "a\n"}))
    (root / "gpt" / "tgen.lock").unlink()
    assert kinds(make({"model.py": "b\n"})) == {"model.py": "conflict", "tgen.lock": "missing"}


def test_another_spec_digest_alone_makes_only_the_lock_stale(make: Make) -> None:
    write(make({"model.py": "a\n"}))
    assert kinds(make({"model.py": "a\n"}, spec_digest="e" * 64)) == {"tgen.lock": "changed"}


def test_an_extra_file_that_is_gone_already_is_no_change_of_its_own(make: Make, root: Path) -> None:
    write(make({"model.py": "a\n", "gone.py": "a\n"}))
    (root / "gpt" / "gone.py").unlink()
    assert kinds(make({"model.py": "a\n"})) == {"tgen.lock": "changed"}


def test_a_checkout_with_crlf_is_fresh(make: Make, root: Path) -> None:
    write(make({"model.py": "a\nb\n"}))
    for name in ("model.py", "tgen.lock"):
        path = root / "gpt" / name
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert compare(make({"model.py": "a\nb\n"})).changes == ()
    assert kinds(make({"model.py": "c\n"}))["model.py"] == "changed"


def test_a_diff_goes_from_the_disk_to_the_rendering(make: Make) -> None:
    write(make({"model.py": "a\nb\n"}))
    (change, _) = compare(make({"model.py": "a\nc\n"})).changes
    assert change.diff == (
        "--- a/generated/gpt/model.py\n+++ b/generated/gpt/model.py\n@@ -1,2 +1,2 @@\n a\n-b\n+c\n"
    )


def test_paths_are_relative_to_the_project_from_wherever_it_is_looked_at(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = make({"model.py": "a\n"})
    monkeypatch.chdir("/")
    assert compare(package).changes[0].path == "generated/gpt/model.py"
    package = replace(package, root=tmp_path.parent)
    assert compare(package).changes[0].path == f"{tmp_path.name}/generated/gpt/model.py"


def test_git_apply_makes_the_diffs_true(make: Make, root: Path, tmp_path: Path) -> None:
    old = {"model.py": "a\x0cb\nc", "gone.py": "a\n", "empty_gone.py": "", "tail.py": "x\n"}
    new = {"model.py": "a\x0cb\nd\n", "empty.py": "", "sample.py": "new", "tail.py": "x"}
    write(make(old))
    patch = "".join(change.diff for change in compare(make(new)).changes)
    subprocess.run(["git", "apply", "-"], input=patch.encode(), cwd=tmp_path, check=True)
    assert compare(make(new)).changes == ()
    assert sorted(os.listdir(root / "gpt")) == sorted([*new, "tgen.lock"])


def test_an_edit_that_is_not_utf8_is_still_shown(make: Make, root: Path) -> None:
    write(make({"model.py": "a\n"}))
    (root / "gpt" / "model.py").write_bytes(b"\xff\n")
    assert "+\ufffd\n" in compare(make({"model.py": "a\n"})).edits[0].diff


def test_orphans_are_packages_without_a_spec_and_nothing_else(
    make: Make, root: Path, tmp_path: Path
) -> None:
    for name in ("gpt", "b_orphan", "a_orphan"):
        write(make({}, name=name))
    (root / "by_hand").mkdir()
    (root / "link").symlink_to(root / "gpt")
    assert find_orphans(root, {"gpt"}) == (root / "a_orphan", root / "b_orphan")
    assert find_orphans(tmp_path / "nowhere", set()) == ()
