"""The rooms of the toolchain: who may import whom, and that a name stands for one thing."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

CODEGEN = Path(__file__).parent.parent / "codegen"
STAGES = ("spec", "plan", "render", "refine", "prove", "emit", "verify")
JOINED = (
    "build",
    "capture",
    "commands",
    "report",
    "cli",
)  # they join the stages, and no stage knows them
OPEN = ("counted", "errors", "exit_codes", "project", "quoting", "targets", "importers")  # to all
FILES = sorted(CODEGEN.rglob("*.py"))


def imported(path: Path) -> Iterator[str]:
    """The rooms of codegen/ that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("codegen"):
            parts = (node.module or "").split(".")
            yield from [parts[1]] if len(parts) > 1 else (alias.name for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (a.name.split(".")[1] for a in node.names if a.name.startswith("codegen."))


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_imports_no_later_stage_and_nothing_that_joins_them(stage: str) -> None:
    later = {*STAGES[STAGES.index(stage) + 1 :], *JOINED}
    wrong = [
        f"{path.relative_to(CODEGEN)} imports {room}"
        for path in (CODEGEN / stage).rglob("*.py")
        for room in imported(path)
        if room in later
    ]
    assert not wrong


@pytest.mark.parametrize("axis", ["tasks", "techniques"])
def test_what_serves_every_family_imports_none(axis: str) -> None:
    families = [path.parent.name for path in CODEGEN.glob("plan/*/family.py")]
    wrong = [
        f"{path.relative_to(CODEGEN)} names {family}"
        for path in (CODEGEN / "plan" / axis).glob("*.py")
        for family in families
        if f"codegen.plan.{family}." in path.read_text(encoding="utf-8")
    ]
    assert families and not wrong


def test_every_room_is_known() -> None:
    rooms = {path.name for path in CODEGEN.iterdir() if path.is_dir() and any(path.glob("*.py"))}
    assert rooms <= {*STAGES, *JOINED, *OPEN}


def test_no_class_name_stands_for_two_things() -> None:
    places: dict[str, list[str]] = defaultdict(list)
    for path in FILES:
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places[node.name].append(str(path.relative_to(CODEGEN)))
    assert not {name: where for name, where in places.items() if len(where) > 1}
