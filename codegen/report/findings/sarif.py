"""A check as SARIF 2.1.0, which code scanning services read."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

import click

from codegen import __version__
from codegen.errors import Position
from codegen.report.findings.checked import Checked
from codegen.report.findings.finding import RULES, Finding
from codegen.report.findings.places import path_in_repository

VERSION = "2.1.0"
SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
ROOT = "%SRCROOT%"


def sarif(checked: Checked, findings: Sequence[Finding]) -> None:
    """One log of one run."""
    log = {"$schema": SCHEMA, "version": VERSION, "runs": [_run(checked, findings)]}
    click.echo(json.dumps(log, indent=2))


def _run(checked: Checked, findings: Sequence[Finding]) -> dict[str, Any]:
    root = {"description": {"text": "The root of the repository."}}
    return {
        "tool": {"driver": _driver()},
        "columnKind": "utf16CodeUnits",
        "originalUriBaseIds": {ROOT: root},
        "invocations": [_invocation(checked, findings)],
        "results": [_result(found, checked) for found in findings if found.place],
    }


def _driver() -> dict[str, Any]:
    rules = [
        {
            "id": name,
            "shortDescription": {"text": rule.meaning},
            "help": {"text": rule.remedy},
            "defaultConfiguration": {"level": rule.level},
        }
        for name, rule in RULES.items()
    ]
    return {"name": "tgen", "version": __version__, "rules": rules}


def _invocation(checked: Checked, findings: Sequence[Finding]) -> dict[str, Any]:
    """What has no place in a file is told of the run itself."""
    notes = [
        {"level": found.level, "message": _message(found), "associatedRule": {"id": found.rule}}
        for found in findings
        if not found.place
    ]
    return {
        "executionSuccessful": not checked.errors,
        "exitCode": int(checked.exit_code),
        "toolExecutionNotifications": notes,
    }


def _result(found: Finding, checked: Checked) -> dict[str, Any]:
    assert found.place is not None
    uri = quote(path_in_repository(found.place, checked.project))
    location = {
        "artifactLocation": {"uri": uri, "uriBaseId": ROOT},
        "region": _region(found.place, checked),
    }
    return {
        "ruleId": found.rule,
        "ruleIndex": list(RULES).index(found.rule),
        "level": found.level,
        "message": _message(found),
        "locations": [{"physicalLocation": location}],
    }


def _message(found: Finding) -> dict[str, str]:
    return {"text": found.message + (f"\n{found.hint}" if found.hint else "")}


def _region(place: Position, checked: Checked) -> dict[str, int]:
    """Lines and columns from 1, columns in UTF-16 code units, the end one past the last."""
    line = _line(place, checked)
    start = place.column - 1
    return {
        "startLine": place.line,
        "startColumn": 1 + _units(line[:start].ljust(start)),
        "endLine": place.line,
        "endColumn": 1 + _units(line[: start + place.length].ljust(start + place.length)),
    }


def _line(place: Position, checked: Checked) -> str:
    """The line as it lies on the disk, where it can be read; else as people are shown it."""
    try:
        text = (checked.project.root / place.path).read_text(encoding="utf-8-sig")
        return text.split("\n")[place.line - 1]
    except (OSError, ValueError, IndexError):
        return place.text


def _units(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2
