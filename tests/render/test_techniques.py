"""A technique puts lines into the places of train.py that it marks, in the plan's order."""

from __future__ import annotations

import ast
from dataclasses import replace
from pathlib import Path

from codegen.build.rendering import make_plan
from codegen.plan.files import COMPRESS
from codegen.plan.techniques import PLACES, PLACES_ELSEWHERE, TechniquePlan
from codegen.project import Project, find_project
from codegen.render import render_package

ROOT = Path(__file__).parents[2]


def marked_in(
    spec: str, names: tuple[str, ...], places: tuple[str, ...], folder: Path
) -> list[str]:
    """What of two techniques, which put a line into each place, files of a package have."""
    (folder / "ours").mkdir()
    said = {}
    for technique in ("first", "second"):
        for place in places:
            indents = {"imports": 0, "functions": 0, "beside": 0, "batch": 8, "saved": 8}
            indents |= {"objective": 12, "loss": 12}
            indent = 0 if place.endswith(("_imports", "_functions")) else indents.get(place, 4)
            text = f'{" " * indent}"{technique} {place}"\n'
            (folder / f"ours/{technique}_{place}.jinja").write_text(text)
        said[technique] = {place: f"{technique}_{place}.jinja" for place in places}
    plan = make_plan(ROOT / f"specs/{spec}.yaml", find_project(ROOT))
    project = Project(folder, folder, folder, templates=folder / "ours")
    techniques = tuple(TechniquePlan(name, parts) for name, parts in said.items())
    files = (*plan.files, *COMPRESS)
    texts = render_package(replace(plan, techniques=techniques, files=files), project, names)
    for name in names:
        ast.parse(texts[name])
    lines = (line.strip() for name in names for line in texts[name].splitlines())
    return [*dict.fromkeys(x.strip('"') for x in lines if x[:6] in ('"first', '"secon'))]


def test_each_place_takes_the_lines_of_every_technique_in_order(tmp_path: Path) -> None:
    found = marked_in("gpt_char", ("run.py", "train.py"), PLACES, tmp_path)
    order = (
        *("imports", "state", "built", "ready", "written", "kept", "saved", "loaded"),
        "functions",
        "batches",
        "batch",
        "objective",
        "loss",
        "gradients",
        "step",
        "measuring",
        "measured",
        "reported",
        "ended",
    )
    assert sorted(order) == sorted(PLACES)
    assert found == [f"{name} {place}" for place in order for name in ("first", "second")]


def test_so_does_each_place_of_other_files(tmp_path: Path) -> None:
    beside = ("checkpoint.py", "load.py", "start.py", "weights.py", "export.py")
    names = (*beside, "compress.py", "test_llama.py")
    found = marked_in("llama", names, PLACES_ELSEWHERE, tmp_path)
    assert found == [f"{n} {place}" for place in PLACES_ELSEWHERE for n in ("first", "second")]


def test_without_a_technique_no_place_leaves_a_trace() -> None:
    plan = make_plan(ROOT / "specs/gpt_char.yaml", find_project(ROOT))
    one = replace(plan, techniques=(TechniquePlan("idle", {}),))
    files = ("train.py",)
    assert render_package(one, only=files) == render_package(plan, only=files)
