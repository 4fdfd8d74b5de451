"""A check for people: diffs of what is stale, what is edited, how many are fresh, what to run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from codegen.emit.around import NEW_AND_EMPTY
from codegen.errors import Diagnostic, Position
from codegen.project import LOCK_NAME
from codegen.quoting import plain
from codegen.report.coloured import coloured
from codegen.report.diagnostic import show_diagnostic
from codegen.report.findings.checked import Checked
from codegen.report.findings.collect import command, file_names, summary, typed
from codegen.report.findings.finding import Finding
from codegen.report.findings.places import path_in_repository
from codegen.report.page import command as typed_command
from codegen.report.page import paragraph
from codegen.report.recovered import recovered_text

if TYPE_CHECKING:
    from codegen.build.outcome import Outcome
    from codegen.emit import Change
    from codegen.project import Project


def text(
    checked: Checked,
    findings: Sequence[Finding],
    *,
    diff_only: bool = False,
    names: bool = False,
) -> None:
    """Diffs on standard output, problems on standard error, a summary last.

    With `names` files are named, and no diff is shown. With `diff_only` standard output holds what
    `git apply` makes the packages fresh with, and standard error all the rest.
    """
    recovered_text(checked.interrupted)
    for found in findings:
        _say(found, diff_only)
        if diff_only:
            _patches(found, findings, checked.project)
        else:
            _show_changes(found, checked.project, names)
    for outcome in checked.outcomes:
        if line := _edits_line(outcome):
            click.echo(line, err=diff_only)
    click.echo(summary(checked), err=diff_only)
    if to_run := command(checked):
        click.echo(typed_command(plain(to_run), "run: ", err=diff_only), err=diff_only)


def _say(found: Finding, diff_only: bool) -> None:
    """What no diff tells, problems on standard error."""
    if found.rule in ("interrupted-build", "stale-package"):
        return
    if found.rule == "added-file" and found.level == "note" and found.package:
        return  # the line on its package says it
    if found.rule == "orphan-package":
        line = paragraph(f"orphan: {plain(found.message)}; {found.hint}", "", "  ", err=diff_only)
        click.echo(line, err=diff_only)
        return
    place = found.place if found.exact else None
    show_diagnostic(Diagnostic(found.message, place, found.hint, found.level))


def _patches(found: Finding, findings: Sequence[Finding], project: Project) -> None:
    """The diffs of a package that is stale; with a conflict in it, half of them would harm it."""
    if found.rule != "stale-package":
        return
    if any(other.package == found.package for other in findings if other.rule == "edit-conflict"):
        click.echo(f"{plain(found.package)}: no diffs, as it has a conflict", err=True)
        return
    for change in found.changes:
        click.echo(_patch(change, project), nl=False)


def _patch(change: Change, project: Project) -> str:
    """A diff with paths from the current folder on, as `git apply` takes them in any folder.

    It would take those of git's own headers from the repository's root, and skip what is not below
    the current folder without a word; for an empty file there is no other way.
    """
    if "\n@@ " not in change.diff:
        return NEW_AND_EMPTY.format(path=path_in_repository(Position(change.path, 1, 1), project))
    path = typed(project.root / change.path)
    old = "/dev/null" if change.kind == "missing" else f"a/{path}"
    new = "/dev/null" if change.kind == "extra" else f"b/{path}"
    hunks = change.diff[change.diff.find("\n@@ ") + 1 :]
    return f"--- {old}\n+++ {new}\n{hunks}"


def _show_changes(found: Finding, project: Project, names: bool) -> None:
    """A line a file and its diff, or a line for a package of which nothing is there."""
    count = len(found.changes)
    folder = found.changes[0].path.rpartition("/")[0] if count > 1 else "."
    missing = all(change.kind == "missing" for change in found.changes)
    if missing and not (project.root / folder).exists():
        _name(f"missing: {plain(folder)}/ ({count} files)")
        return
    for change in found.changes:
        _show(change, names, alone=count == 1)


def _show(change: Change, names: bool, *, alone: bool) -> None:
    """One file: a line, and its diff; a lock's digests tell people nothing beside others."""
    _name(f"{change.kind}: {plain(change.path)}")
    if not names and (alone or not change.path.endswith(f"/{LOCK_NAME}")):
        click.echo(coloured(change.diff), nl=False)


def _name(said: str) -> None:
    click.echo(click.style(paragraph(said, "", "  "), bold=True))


def _edits_line(outcome: Outcome) -> str | None:
    if not outcome.edits or outcome.problems:
        return None
    edited = file_names(edit for edit in outcome.edits if edit.kind == "edited")
    added = file_names(edit for edit in outcome.edits if edit.kind == "added")
    said = [f"with edits in {', '.join(edited)}"] if edited else []
    if edited and not outcome.fresh:
        said[0] += " that a build carries over"
    said += [f"with {', '.join(added)} added"] if added else []
    state = "fresh" if outcome.fresh else "stale"
    return paragraph(plain(f"{outcome.name}: {state}, {' and '.join(said)}"), "", "  ")
