"""The findings of a check, worked out once for all formats."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from codegen.project import LOCK_NAME
from codegen.report.findings.checked import Checked
from codegen.report.findings.finding import RULES, Finding, Level
from codegen.report.findings.places import first_change, name_line
from codegen.report.recovered import recovered_line

if TYPE_CHECKING:
    from codegen.build.outcome import Outcome
    from codegen.emit import Change, Recovered
    from codegen.errors import Diagnostic

MOST_NAMED = 8  # specs in a command; for more it is the command for all


def findings_of(checked: Checked) -> list[Finding]:
    """All that is to be told, in the order of the specs."""
    found = [_of_problem(problem, "not-checked") for problem in checked.errors]
    found += [_interrupted(one, checked) for one in checked.interrupted]
    for outcome in checked.outcomes:
        found += _of_outcome(outcome, checked)
    found += _of_around(checked)  # the last: to `git apply` what follows an empty file is of it
    for orphan in checked.orphans:
        shown = checked.project.shown(orphan.folder)
        hint = "restore its spec; or `tgen build` removes what tgen wrote there"
        place = first_change(f"{shown}/{LOCK_NAME}", "")
        name = orphan.folder.name
        found.append(Finding("orphan-package", f"{shown} has no spec any more", place, hint, name))
    return found


def file_names(changes: Iterable[Change]) -> list[str]:
    """The names of files, the lock's only if it stands alone."""
    paths = [change.path for change in changes]
    names = [path[path.rstrip("/").rfind("/") + 1 :] for path in paths]  # folders end in a slash
    return [name for name in names if name != LOCK_NAME] or names


def summary(checked: Checked) -> str:
    """How many packages are fresh, and how many of these are edited."""
    fresh = [outcome for outcome in checked.outcomes if outcome.fresh]
    edited = sum(bool(outcome.edits) for outcome in fresh)
    tail = f", {edited} with edits" if edited else ""
    count = len(checked.outcomes)
    return f"{len(fresh)} of {count} packages are fresh{tail}"


def command(checked: Checked) -> str | None:
    """What to run to have everything fresh, from the current folder; None if nothing helps."""
    stale = list(dict.fromkeys(o.spec for o in checked.outcomes if o.changes))
    if checked.around and checked.around.missing and not stale:
        stale = [outcome.spec for outcome in checked.outcomes]
    if not stale and not checked.orphans:
        settled = any(found.outcome != "discarded" for found in checked.interrupted)
        return "tgen check" if settled else None
    words = ["tgen", "build"]
    if not checked.orphans and len(stale) <= MOST_NAMED:
        words += map(typed, stale)
    if checked.out:
        words += ["--out", typed(checked.out)]
    return shlex.join(words)


def typed(path: Path) -> str:
    """A path as it is typed in the current folder."""
    try:
        return Path(os.path.relpath(path)).as_posix()
    except ValueError:  # another drive
        return path.as_posix()


def _of_outcome(outcome: Outcome, checked: Checked) -> Iterator[Finding]:
    place, name = name_line(outcome.spec, checked.project), outcome.name
    build = f"tgen build {checked.project.shown(outcome.spec)}"
    rule = "not-checked" if outcome.folder else "bad-spec"
    for problem in outcome.problems:
        yield _of_problem(problem, rule, outcome, checked)
    for warning in outcome.warnings:
        yield _of_problem(warning, "doubtful-spec", outcome, checked)
    stale = tuple(change for change in outcome.changes if change.kind != "conflict")
    if stale:
        message = f"{_folder(outcome, checked)} is stale: {_by_kind(stale)}"
        yield Finding("stale-package", message, place, f"run: {build}", name, changes=stale)
    for change in outcome.changes:
        if change.kind == "conflict":
            message = f"{change.path}: {'; '.join(change.troubles)}"
            marks = f"`{build}` marks it in {change.path}.merge"
            hint = f"{marks}, `--keep-mine` or `--take-new` decides it"
            yield Finding("edit-conflict", message, place, hint, name, changes=(change,))
    for problem in outcome.in_the_way:
        yield replace(_of_problem(problem, "misleading-file", outcome, checked), exact=False)
    for edit in outcome.edits:
        if edit.kind == "added":
            message = f"{edit.path} is no file of tgen's"
            yield _of_added(edit, message, checked, name)
        elif checked.no_edits:
            where = first_change(edit.path, edit.diff)
            hint = f"move the change into the spec, or delete {edit.path}, then {build}"
            message = f"{edit.path} was edited by hand"
            yield Finding("hand-edit", message, where, hint, name, exact=True, changes=(edit,))
    if outcome.fresh and not outcome.settled:
        message = f"{_folder(outcome, checked)}/{LOCK_NAME} doesn't say what is edited now"
        yield Finding("unrecorded-edit", message, place, f"run: {build}", name, "note")


def _of_around(checked: Checked) -> Iterator[Finding]:
    """What is wrong in the folder of the packages, and in those above it."""
    around = checked.around
    if around is None:
        return
    for problem in around.in_the_way:
        yield Finding("misleading-file", problem.message, problem.position, problem.hint)
    for change in around.missing:
        message, place = f"{change.path} is missing", first_change(change.path, "")
        yield Finding("stale-package", message, place, "run: tgen build", changes=(change,))
    for edit in around.edits:
        yield _of_added(edit, f"{edit.path} has a text, which runs before each package", checked)


def _of_added(edit: Change, message: str, checked: Checked, package: str = "") -> Finding:
    """What a person put among the generated files: an error where nobody may."""
    hint, level = f"move it away, or delete {edit.path}", RULES["added-file"].level
    if checked.no_edits:
        level = "error"
    else:
        hint += "; --no-edits refuses it"
    place = first_change(edit.path, "")
    return Finding("added-file", message, place, hint, package, level)


def _folder(outcome: Outcome, checked: Checked) -> str:
    assert outcome.folder is not None
    return checked.project.shown(outcome.folder)


def _by_kind(changes: Sequence[Change]) -> str:
    """Such as `changed model.py, train.py; missing sample.py`."""
    kinds = list(dict.fromkeys(change.kind for change in changes))
    names = {kind: [c for c in changes if c.kind == kind] for kind in kinds}
    alone = all(change.path.endswith(f"/{LOCK_NAME}") for change in changes)
    said = [
        f"{kind} {', '.join(file_names(found))}"
        for kind, found in names.items()
        if alone or file_names(found) != [LOCK_NAME]
    ]
    return "; ".join(said)


def _of_problem(
    problem: Diagnostic,
    rule: str,
    outcome: Outcome | None = None,
    checked: Checked | None = None,
) -> Finding:
    """A diagnostic, shown on its spec's first words if it has no place of its own."""
    place = problem.position
    if place is None and outcome and checked:
        place = name_line(outcome.spec, checked.project)
    return Finding(
        rule,
        problem.message,
        place,
        problem.hint,
        outcome.name if outcome else "",
        level="warning" if rule == "doubtful-spec" else "error",
        exact=problem.position is not None,
    )


def _interrupted(found: Recovered, checked: Checked) -> Finding:
    """On its spec, where there is one; a build that had changed nothing yet is only a note."""
    specs = [outcome.spec for outcome in checked.outcomes if outcome.name == found.name]
    place = name_line(specs[0], checked.project) if specs else None
    level: Level = "note" if found.outcome == "discarded" else "error"
    return Finding(
        "interrupted-build", recovered_line(found), place, package=found.name, level=level
    )
