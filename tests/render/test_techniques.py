"""A technique puts lines into the places of train.py that it marks, in the plan's order."""

from __future__ import annotations

import ast
from dataclasses import replace
from pathlib import Path

from codegen.build.rendering import make_plan
from codegen.plan.techniques import PLACES, TechniquePlan
from codegen.project import Project, find_project
from codegen.render import render_package

ROOT = Path(__file__).parents[2]


def test_each_place_takes_the_lines_of_every_technique_in_order(tmp_path: Path) -> None:
    (tmp_path / "ours").mkdir()
    said = {}
    for technique in ("first", "second"):
        for place in PLACES:
            indents = {"imports": 0, "functions": 0, "batch": 8, "loss": 12, "saved": 8}
            indent = indents.get(place, 4)
            text = f'{" " * indent}"{technique} {place}"\n'
            (tmp_path / f"ours/{technique}_{place}.jinja").write_text(text)
        said[technique] = {place: f"{technique}_{place}.jinja" for place in PLACES}
    plan = make_plan(ROOT / "specs/gpt_char.yaml", find_project(ROOT))
    project = Project(tmp_path, tmp_path, tmp_path, templates=tmp_path / "ours")
    techniques = tuple(TechniquePlan(name, parts) for name, parts in said.items())
    names = ("run.py", "train.py")
    texts = render_package(replace(plan, techniques=techniques), project, names)
    for name in names:
        ast.parse(texts[name])
    made = "\n".join(texts[name] for name in names)
    found = [
        line.strip().strip('"')
        for line in made.splitlines()
        if line.strip()[:6] in ('"first', '"secon')
    ]
    before = ("imports", "state", "built", "ready", "saved", "loaded", "functions")
    order = (*before, "batches", "batch", "loss", "step", "measuring", "measured", "ended")
    assert sorted(order) == sorted(PLACES)
    assert [*dict.fromkeys(found)] == [f"{name} {place}" for place in order for name in said]


def test_without_a_technique_no_place_leaves_a_trace() -> None:
    plan = make_plan(ROOT / "specs/gpt_char.yaml", find_project(ROOT))
    one = replace(plan, techniques=(TechniquePlan("idle", {}),))
    files = ("train.py",)
    assert render_package(one, only=files) == render_package(plan, only=files)
