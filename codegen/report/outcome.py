"""What a build and a check say alike: problems for people, outcomes for machines."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, Literal

import click

from codegen.exit_codes import ExitCode
from codegen.project import LOCK_NAME
from codegen.quoting import plain, plain_lines
from codegen.report.diagnostic import show_diagnostic
from codegen.report.page import paragraph

if TYPE_CHECKING:
    from codegen.build.outcome import Outcome
    from codegen.errors import Diagnostic
    from codegen.project import Project

JSON_VERSION = 1
State = Literal["fresh", "stale", "written", "merged", "conflict", "failed"]


def state_of(outcome: Outcome) -> State:
    """What became of a package, in a word; `stale` only where nothing was to be written."""
    if outcome.exit_code == ExitCode.HAND_EDIT or _is_disputed(outcome):
        return "conflict"
    if outcome.problems:
        return "failed"
    if outcome.changes:
        return "stale"
    if outcome.written and outcome.written.merged:
        return "merged"
    return "written" if outcome.written and _wrote(outcome) else "fresh"


def _is_disputed(outcome: Outcome) -> bool:
    return any(change.kind == "conflict" for change in outcome.changes)


def _wrote(outcome: Outcome) -> bool:
    return bool(outcome.written and (outcome.written.written or outcome.written.removed))


def written_names(names: Iterable[str]) -> list[str]:
    """Names of files for people: the lock's only if it stands alone."""
    named = list(names)
    return [name for name in named if name != LOCK_NAME] or named


def merged_text(merged: Mapping[str, Sequence[str]]) -> str:
    """Files, and what a person changed of each: `model.py (Block.forward); train.py (main)`."""
    return plain("; ".join(f"{name} ({', '.join(parts)})" for name, parts in merged.items()))


def dropped_text(dropped: Mapping[str, Sequence[str]]) -> str:
    """What a person's text was given up of: `your text of Config.layers in model.py`."""
    said = "; ".join(
        f"your text of {name if parts in (('the whole file',), ('the text',)) else within}"
        for name, parts in dropped.items()
        for within in [f"{', '.join(parts)} in {name}"]
    )
    return plain(said)


def show_problems(*outcomes: Outcome, around: Iterable[Diagnostic] = ()) -> None:
    """Findings on standard error; what pytest said of failed tests, once for all of them.

    `around` is what is in the way of all packages.
    """
    outputs = [o.tests.output for o in outcomes if o.tests and not o.tests.green]
    for output in dict.fromkeys(outputs):
        click.echo(plain_lines(output), err=True)
    for problem in around:
        show_diagnostic(replace(problem, position=None))  # it is of a file as a whole
    for outcome in outcomes:
        for warning in outcome.warnings:
            show_diagnostic(warning)
        if outcome.exit_code == ExitCode.HAND_EDIT:
            click.echo("\n".join(_conflict_lines(outcome)), err=True)
            continue
        for problem in outcome.in_the_way:
            show_diagnostic(replace(problem, position=None))  # it is of a file as a whole
        for problem in outcome.problems:
            show_diagnostic(problem)


def _conflict_lines(outcome: Outcome) -> Iterator[str]:
    """What only a person can decide in a package, and the commands for it."""
    name = click.style(plain(outcome.name), bold=True)
    said = click.style("conflict", fg="red", bold=True)
    yield paragraph(
        f"{said}: {name} is left as it was; it is for you to decide", "", "  ", err=True
    )
    for hint, problems in itertools.groupby(outcome.problems, lambda problem: problem.hint):
        for problem in problems:
            yield paragraph(plain(problem.message), "  ", "    ", err=True)
        for way in (hint or "").split("; "):
            yield paragraph(plain(way), "      ", "        ", err=True)


def outcome_json(outcome: Outcome, project: Project) -> dict[str, Any]:
    """What became of one spec, as plain data."""
    return {
        "name": outcome.name,
        "spec": project.shown(outcome.spec),
        "folder": project.shown(outcome.folder) if outcome.folder else None,
        "fresh": outcome.fresh,
        "changes": [asdict(change) for change in outcome.changes],
        "edits": [asdict(change) for change in outcome.edits],
        "recorded": outcome.settled,
        "in_the_way": [asdict(problem) for problem in outcome.in_the_way],
        "problems": [asdict(problem) for problem in outcome.problems],
        "warnings": [asdict(warning) for warning in outcome.warnings],
        "exit_code": int(outcome.exit_code),
    }


def print_json(document: dict[str, Any]) -> None:
    """One document, with the version of its form."""
    click.echo(json.dumps({"version": JSON_VERSION, **document}, indent=2))
