"""`tgen check` as it is run: its diffs apply, edits are told of, formats hold when all fails."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.small_project import SPEC, edit, tgen, write_project

EDIT = ("import os\n", "import os  # mine\n")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project in a part of a git repository, its package fresh."""
    repository = tmp_path_factory.mktemp("repository")
    subprocess.run(["git", "init", "-q", str(repository)], check=True)
    project = write_project(repository / "part")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(project)
        assert tgen("build", "--no-test").code == 0
    return repository


@pytest.fixture
def project(built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(built, tmp_path / "repository")
    monkeypatch.chdir(tmp_path / "repository/part")
    return tmp_path / "repository/part"


def git_apply(diff: str) -> None:
    subprocess.run(["git", "apply"], input=diff, text=True, check=True)


def test_the_diffs_alone_make_stale_packages_fresh(project: Path) -> None:
    package = project / "generated/small"
    edit(project / "specs/small.yaml", "layers: 2", "layers: 3")
    edit(package / "train.py", *EDIT)
    (package / "sample.py").unlink()
    edit(package / "tgen.lock", '"files": {', '"files": {"old.py": ' + entry("x = 1\n") + ",")
    (package / "old.py").write_text("x = 1\n")
    ran = tgen("check", "--diff-only")
    assert ran.code == 3
    assert "run: tgen build specs/small.yaml" in ran.err and "run:" not in ran.out
    git_apply(ran.out)
    assert not (package / "old.py").exists() and (package / "sample.py").exists()
    after = tgen("check")
    assert after.code == 0, after.out + after.err
    assert (
        after.out
        == "small: fresh, with edits in train.py\n1 of 1 packages are fresh, 1 with edits\n"
    )
    assert "import os  # mine" in (package / "train.py").read_text()


def entry(text: str) -> str:
    import hashlib
    import json

    blob = subprocess.run(
        ["git", "hash-object", "--stdin"], input=text.encode(), capture_output=True, check=True
    )
    sha256 = hashlib.sha256(text.encode()).hexdigest()
    return json.dumps({"sha256": sha256, "blob": blob.stdout.decode().strip()})


@pytest.mark.parametrize("above", [False, True])
def test_the_diffs_make_a_package_where_there_is_none(
    project: Path, monkeypatch: pytest.MonkeyPatch, above: bool
) -> None:
    shutil.rmtree(project / "generated")
    if above:
        monkeypatch.chdir(project.parent)
    specs = ["part/specs"] if above else []
    git_apply(tgen("check", "--diff-only", *specs).out)
    assert tgen("check", *specs).code == 0


def test_a_package_in_conflict_gets_no_diffs_that_would_hide_it(project: Path) -> None:
    edit(project / "generated/small/model.py", "layers: int = 2", "layers: int = 5")
    edit(project / "specs/small.yaml", "layers: 2", "layers: 3")
    ran = tgen("check", "--diff-only")
    assert (ran.code, ran.out) == (3, "")
    assert "small: no diffs, as it has a conflict" in ran.err
    assert "conflict: generated/small/model.py" in tgen("check").out


def test_edits_are_fresh_unless_none_are_wanted(project: Path) -> None:
    edit(project / "generated/small/train.py", *EDIT)
    assert tgen("check").code == 0
    assert tgen("build", "--no-test").code == 0
    for _ in range(2):  # worked out, and from a verdict
        assert tgen("check").code == 0
        ran = tgen("check", "--no-edits")
        assert ran.code == 4
        assert "edited: generated/small/train.py" in ran.out and "+import os  # mine" in ran.out
    ran = tgen("check", "--no-edits", "--format", "github")
    assert ran.code == 4 and "file=part/generated/small/train.py,line=" in ran.out


def test_an_edit_that_the_lock_does_not_know_is_a_note_until_it_is_built(project: Path) -> None:
    edit(project / "generated/small/train.py", *EDIT)
    ran = tgen("check", "--json")
    (finding,) = ran.json["findings"]
    assert (ran.code, finding["rule"], finding["level"]) == (0, "unrecorded-edit", "note")
    tgen("build", "--no-test")
    assert tgen("check", "--json").json["findings"] == []


def test_programs_see_an_edits_diff_even_if_a_verdict_proves_the_package_fresh(
    project: Path,
) -> None:
    edit(project / "generated/small/train.py", *EDIT)
    tgen("build", "--no-test")
    first, second = (tgen("check", "--json").json for _ in range(2))
    assert first == second
    assert "+import os  # mine" in first["packages"][0]["edits"][0]["diff"]


def test_asking_for_edits_forgets_no_tests(project: Path) -> None:
    edit(project / "generated/small/train.py", *EDIT)
    assert "passed" in tgen("build").out
    tgen("check", "--json")
    assert "passed" not in tgen("build").out


@pytest.mark.parametrize("form", ["json", "github", "sarif"])
def test_an_error_that_stops_the_check_is_told_in_the_format_asked_for(
    project: Path, form: str
) -> None:
    shutil.rmtree(project / "specs")
    ran = tgen("check", "--format", form)
    assert ran.code == 2 and "no folder specs/ here" in ran.out
    assert ran.err == ""
    if form == "json":
        (finding,) = ran.json["findings"]
        assert finding["rule"] == "not-checked" and finding["path"] is None
    if form == "github":
        assert ran.out.startswith("::error title=tgen check%2C not-checked::no folder specs/ here")


def test_a_warning_does_not_fail_the_check_and_is_told_every_time(project: Path) -> None:
    (project / "specs/small.yaml").write_text(
        SPEC.replace("kv_heads: 2", "kv_heads: 2, mask: causal & ~window(1)")
    )
    tgen("build", "--no-test")
    for _ in range(2):
        ran = tgen("check", "--format", "github")
        assert ran.code == 0, ran.out
        assert ran.out.startswith("::warning file=part/specs/small.yaml,line=7,col=")


def test_diffs_alone_are_for_people(project: Path) -> None:
    ran = tgen("check", "--diff-only", "--format", "sarif")
    assert ran.code == 2 and "--diff-only prints diffs, not sarif" in ran.err


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
@pytest.mark.parametrize("no_color", [False, True])
def test_colours_are_for_terminals_and_for_those_who_want_them(
    project: Path, no_color: bool
) -> None:
    import pty

    (project / "generated/small/sample.py").unlink()
    environment = {**os.environ, "TERM": "xterm", "NO_COLOR": "1" if no_color else ""}
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "codegen", "check"]
    with subprocess.Popen(command, stdout=theirs, env=environment) as running:
        os.close(theirs)
        said = b""
        try:
            while data := os.read(ours, 65536):
                said += data
        except OSError:  # how Linux says that the other end is closed
            pass
    os.close(ours)
    assert running.returncode == 3 and b"missing: generated/small/sample.py" in said
    assert (b"\x1b[32m" in said) is not no_color
    plain = subprocess.run(command, capture_output=True, env=environment)
    assert b"\x1b" not in plain.stdout
