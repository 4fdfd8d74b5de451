"""A check as one JSON document; docs/check.md says what its keys mean."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from codegen.report.findings.checked import Checked
from codegen.report.findings.collect import command
from codegen.report.findings.finding import Finding
from codegen.report.outcome import outcome_json, print_json


def document(checked: Checked, findings: Sequence[Finding]) -> None:
    """Outcomes in full, and the findings that other formats show."""
    project, outcomes = checked.project, checked.outcomes
    files = [change.kind for outcome in outcomes for change in (*outcome.changes, *outcome.edits)]
    print_json(
        {
            "kind": "check",
            "exit_code": int(checked.exit_code),
            "packages": [outcome_json(outcome, project) for outcome in outcomes],
            "orphans": [project.shown(orphan.folder) for orphan in checked.orphans],
            "interrupted": [asdict(found) for found in checked.interrupted],
            "kinds": dict(sorted(Counter(files).items())),
            "findings": [_finding(found) for found in findings],
            "run": command(checked),
        }
    )


def _finding(found: Finding) -> dict[str, Any]:
    place = found.place
    return {
        "rule": found.rule,
        "level": found.level,
        "package": found.package or None,
        "message": found.message,
        "hint": found.hint,
        "path": place.path if place else None,
        "line": place.line if place else None,
        "column": place.column if place else None,
        "end_column": place.column + place.length if place else None,
    }
