"""What `tgen build` says of one package, of many, and of what only a person can decide."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from codegen import verify
from codegen.build.outcome import Outcome
from codegen.emit import Change, Written
from codegen.errors import Diagnostic
from codegen.exit_codes import ExitCode
from codegen.project import Project
from codegen.report import build_text
from tests.report.outcomes import bad, outcome, project_at
from tests.small_project import SPEC, edit, tgen, write_project

NAMES = ("a", "b", "c", "d")
Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project of four packages, all fresh."""
    project = write_project(tmp_path_factory.mktemp("many") / "project", *NAMES)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(project)
        assert tgen("build", "--no-test", "--jobs", "1").code == 0
    return project


@pytest.fixture
def project(built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(built, tmp_path / "project")
    monkeypatch.chdir(tmp_path / "project")
    return tmp_path / "project"


def change_all(project: Path) -> None:
    """a is merged, b in conflict, c has a broken spec, d stays fresh."""
    for name in "ab":
        edit(project / f"specs/{name}.yaml", "layers: 2", "layers: 3")
    edit(project / "generated/a/train.py", "import os\n", "import os  # mine\n")
    edit(project / "generated/b/model.py", "layers: int = 2", "layers: int = 5")
    edit(project / "specs/c.yaml", "model:", "modell:")


def test_many_packages_get_a_line_each_then_a_table(project: Path) -> None:
    change_all(project)
    theirs = (project / "generated/b/model.py").read_bytes()
    ran = tgen("build", "--no-test", "--jobs", "1")
    assert ran.code == ExitCode.HAND_EDIT
    lines, table = ran.out.split("\n\n")
    told = {line.split()[0]: line.split()[1] for line in lines.splitlines()}
    assert told == {"a": "merged", "b": "conflict", "c": "failed"}
    assert "merged    train.py (" in lines and "4 files written" in lines
    head, *rows, fresh, summed_up = table.splitlines()
    assert head.split() == ["package", "state", "parameters", "FLOPs"]
    assert [row.split()[:2] for row in rows] == [
        ["a", "merged"],
        ["b", "conflict"],
        ["c", "failed"],
    ]
    assert "50.2 k" in rows[0]
    assert fresh == "and 1 more, fresh already"
    assert summed_up.startswith("built 1 package in ")
    assert summed_up.endswith(", 1 fresh already, 1 in conflict, 1 failed")
    assert (project / "generated/b/model.py").read_bytes() == theirs


def test_a_conflict_is_one_block_that_says_what_where_why_and_what_to_do(project: Path) -> None:
    change_all(project)
    err = tgen("build", "--no-test", "--jobs", "1").err
    assert "specs/c.yaml:2:1: error: unknown field `modell`" in err
    block = err[err.index("conflict: b ") :]
    assert "generated/b/model.py: Config.layers: you changed it" in block
    for command in (
        "tgen resolve specs/b.yaml",
        "tgen build specs/b.yaml --keep-mine",
        "--take-new",
    ):
        assert block.count(command) == 1
    assert "mend generated/b/model.py.merge" in block
    assert (project / "generated/b/model.py.merge").exists()


def test_few_packages_get_a_paragraph_with_the_edits_that_were_merged(project: Path) -> None:
    change_all(project)
    out = tgen("build", "specs/a.yaml", "--no-test").out.splitlines()
    assert out[0] == "a  generated/a/"
    assert out[1].startswith("  merged     train.py (")
    assert out[2].startswith("  written    README.md __init__.py")
    assert "train.py" not in out[2] + out[3]
    assert tgen("build", "specs/a.yaml", "--no-test").out.startswith(
        "a  generated/a/ is fresh, with edits in train.py\n1 package is fresh ("
    )


def test_programs_see_states_merges_edits_and_orphans(project: Path) -> None:
    change_all(project)
    (project / "specs/c.yaml").write_text(SPEC.replace("small", "c"))
    (project / "specs/d.yaml").unlink()
    document: Any = tgen("build", "--no-test", "--json", "--jobs", "1").json
    packages = {package["name"]: package for package in document["packages"]}
    assert {name: package["state"] for name, package in packages.items()} == {
        "a": "merged",
        "b": "conflict",
        "c": "fresh",
    }
    assert list(packages["a"]["merged"]) == ["train.py"]
    assert packages["a"]["edits"][0]["path"] == "generated/a/train.py"
    (orphan,) = document["orphans"]
    assert orphan["folder"] == "generated/d" and "model.py" in orphan["removed"]
    assert not (project / "generated/d").exists()


def test_a_build_of_nothing_new_says_so_in_a_line(project: Path) -> None:
    ran = tgen("build", "--no-test")
    assert ran.code == 0 and ran.out.startswith("4 packages are fresh (")
    assert ran.out.count("\n") == 1 and ran.err == ""


def failed_tests(project: Project, name: str) -> Outcome:
    report = verify.TestReport(11, 1, 0, 2.5, "cpu", "what pytest said of both")
    problem = Diagnostic(f"the smoke tests of {name} failed (1 of 12)")
    written = Written(("model.py",), (), ())
    code = ExitCode.TESTS_FAILED
    made = outcome(
        project, name, written=written, tests=report, problems=(problem,), exit_code=code
    )
    return made


def test_what_pytest_said_is_shown_once_for_all_packages(tmp_path: Path, capsys: Capture) -> None:
    project = project_at(tmp_path)
    outcomes = [failed_tests(project, name) for name in NAMES]
    build_text(outcomes, [], project, dry_run=False, seconds=1)
    out, err = capsys.readouterr()
    assert err.count("what pytest said of both") == 1
    assert err.count("error: the smoke tests of ") == 4
    assert out.count("11 passed, 1 failed") == 4
    assert out.splitlines()[-1] == "built 0 packages in 1.0 s, 4 failed"


def test_a_dry_run_says_what_a_person_would_have_to_decide(tmp_path: Path, capsys: Capture) -> None:
    project = project_at(tmp_path)
    change = Change("generated/gpt/model.py", "conflict", "", troubles=("Block: both changed",))
    made = outcome(project, changes=(change,))
    build_text([made, bad(project, "modell: 1", "modell")], [], project, dry_run=True, seconds=1)
    lines = capsys.readouterr().out.splitlines()
    assert lines == [
        "gpt  generated/gpt/",
        "  conflict generated/gpt/model.py",
        "           Block: both changed",
        "would build 0 packages in 1.0 s, 1 in conflict, 1 failed",
    ]


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
@pytest.mark.parametrize("piped", [False, True], ids=["on a terminal", "into a file"])
def test_a_bar_runs_on_terminals_and_leaves_nothing_in_files(
    project: Path, tmp_path: Path, piped: bool
) -> None:
    import pty

    change_all(project)
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "codegen", "build", "--no-test", "--jobs", "1"]
    with (tmp_path / "out.txt").open("wb") as file:
        running = subprocess.Popen(
            command,
            stdout=file if piped else theirs,
            stderr=theirs,
            env={**os.environ, "TERM": "xterm", "COLUMNS": "100"},
        )
    os.close(theirs)
    said = b""
    try:
        while data := os.read(ours, 65536):
            said += data
    except OSError:  # how Linux says that the other end is closed
        pass
    os.close(ours)
    assert running.wait() == ExitCode.HAND_EDIT
    assert b"rendering" in said
    screen = re.sub(rb"\x1b\[[0-9;?]*[A-Za-z]", b"", said)
    if not piped:  # each line stands alone, above the bar
        assert re.search(rb"[\r\n] *a {24}merged", screen)
        assert not re.search(rb"rendering \w+conflict", screen)
    written = (tmp_path / "out.txt").read_bytes()
    assert (b"in conflict, 1 failed" in written) is piped
    assert b"\x1b" not in written and b"rendering" not in written
