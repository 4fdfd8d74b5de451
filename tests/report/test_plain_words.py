"""What a name or a text of a file may hold, no report does anything with but show it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click
import pytest

from codegen.build.outcome import Orphan, Outcome
from codegen.emit import Change, Recovered, Written
from codegen.errors import Diagnostic, Position
from codegen.exit_codes import ExitCode
from codegen.project import Project
from codegen.quoting import plain, plain_lines, short
from codegen.report import build_text, check_report, edits_text
from codegen.report.build_table import done_line, table
from codegen.report.outcome import show_problems
from codegen.verify import TestReport as Verdict
from tests.plain import EVIL, forged
from tests.report.outcomes import checked, project_at

Captured = pytest.CaptureFixture[str]
LINES = f"--- a/x\n+++ b/x\n@@ -1 +1 @@\n-{EVIL}\n+{EVIL}\n ::error::forged\n"
CHANGE = Change(f"generated/{EVIL}/{EVIL}.py", "changed", LINES, (EVIL,), (EVIL,))
PROBLEM = Diagnostic(EVIL, Position(f"specs/{EVIL}.yaml", 1, 5, EVIL, 9), f"{EVIL}; {EVIL}")
WRITTEN = Written((EVIL,), (), (EVIL,), {EVIL: (EVIL,)}, {EVIL: (EVIL,)})


def everything(project: Project) -> list[Outcome]:
    """What may become of a spec, with one text as each of the names."""
    path, folder = project.specs / f"{EVIL}.yaml", project.generated / EVIL
    report = Verdict(1, 1, 0, 1.0, "cpu", LINES)
    conflict = ExitCode.HAND_EDIT
    return [
        Outcome(path, EVIL, folder, changes=(CHANGE,)),
        Outcome(path, EVIL, folder, edits=(CHANGE,), written=WRITTEN, tests=report),
        Outcome(path, EVIL, folder, problems=(PROBLEM,), warnings=(PROBLEM,), exit_code=2),
        Outcome(path, EVIL, folder, problems=(PROBLEM,), exit_code=conflict),
        Outcome(path, EVIL, folder, report={"targets": {EVIL: {EVIL: f"{EVIL}; {EVIL}"}}}),
    ]


def built(project: Project, dry_run: bool = False) -> None:
    orphan = Orphan(project.generated / EVIL)
    for outcome in everything(project):
        build_text([outcome], [orphan], project, dry_run=dry_run, seconds=1.0)


def check(project: Project, form: str) -> None:
    orphans, recovered = [Orphan(project.generated / EVIL)], [Recovered(EVIL, "undone")]
    seen = checked(project, *everything(project), orphans=orphans, interrupted=recovered)
    check_report(seen, form)


def listed(project: Project) -> None:
    table(everything(project))
    click.echo("\n".join(done_line(outcome) or "" for outcome in everything(project)))


REPORTS: dict[str, Callable[[Project], None]] = {
    "build": built,
    "build --dry-run": lambda project: built(project, dry_run=True),
    "build of many": listed,
    "check": lambda project: check(project, "text"),
    "check --format github": lambda project: check(project, "github"),
    "check --format json": lambda project: check(project, "json"),
    "check --format sarif": lambda project: check(project, "sarif"),
    "edits": lambda project: edits_text(everything(project), diffs=True),
    "problems": lambda project: show_problems(*everything(project)),
}


@pytest.mark.parametrize("name", REPORTS)
def test_a_report_shows_every_text_as_it_is_written(
    name: str, tmp_path: Path, capsys: Captured
) -> None:
    project = project_at(tmp_path)
    project.specs.mkdir()
    (project.specs / f"{EVIL}.yaml").write_text("name: x\n")
    REPORTS[name](project)
    said = capsys.readouterr()
    assert said.out + said.err
    if not said.out.startswith("{"):  # JSON quotes in its own way
        lines = [line for line in said.out.split("\n") if not line.startswith(GITHUBS)]
        assert not forged("\n".join(lines))
    assert not forged(said.err)
    assert not [c for c in said.out if not c.isprintable() and c not in "\n\t"]


GITHUBS = ("::error file=", "::error title=", "::warning file=", "::notice file=")


def test_a_text_is_shown_in_one_line() -> None:
    assert not forged(plain(EVIL)) and "\n" not in plain(EVIL)
    assert plain("déjà vu, 数, `a::b`, x[0]") == "déjà vu, 数, `a::b`, x[0]"
    assert plain_lines("a\n\tb\n") == "a\n\tb\n"
    assert not forged(plain_lines(LINES)) and plain_lines(LINES).count("\n") > 4
    assert len(short("x" * 10**6)) < 2_000
