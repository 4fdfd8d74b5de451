"""Packages with merged edits pass their smoke tests wherever both sides' packages do."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest

from codegen.build.outcome import Outcome
from codegen.commands.build import build_packages
from codegen.project import Project
from codegen.verify import run_tests
from tests.merge.scripts import GENTLE, edited

MODEL = "vocab_size: 67, context_length: 32, d_model: 32, layers: 2, attention: {heads: 4}"
SPEC = "name: {name}\nmodel: {{{model}}}\ntrain: {{batch: 4}}\ndata: {{tokenizer: char}}\n"
CHANGES = (
    (MODEL, MODEL.replace("layers: 2", "layers: 3")),
    (MODEL, MODEL + ", norm: {kind: layer}"),
    (MODEL, MODEL.replace("heads: 4", "heads: 4, kv_heads: 2, qk_norm: rms")),
    (MODEL + ", mlp: {kind: plain, activation: gelu}", MODEL),
    (MODEL, MODEL.replace("heads: 4", "heads: 4, mask: causal & window(8)")),
)


def build(project: Project, model: str, name: str) -> Outcome:
    spec = project.specs / f"{name}.yaml"
    spec.parent.mkdir(parents=True, exist_ok=True)
    spec.write_text(SPEC.format(name=name, model=model))
    (outcome,) = build_packages([spec], project, out=project.generated, test=False)
    return outcome


def edit(folder: Path, seed: int) -> None:
    """A few edits in each of two files."""
    chance = random.Random(seed)
    for name in ("model.py", chance.choice(("train.py", "data.py", "options.py"))):
        path = folder / name
        path.write_text(edited(path.read_text(), chance.randrange, GENTLE)[0])


def failing(project: Project, names: list[str]) -> list[str]:
    """Which of these packages don't pass their tests."""
    if not names:
        return []
    reports = run_tests({name: project.generated / name for name in names})
    return [name for name, report in reports.items() if not report.green]


def judge(root: Path, seeds: range) -> int:
    """How many merged packages pass; if one doesn't, one of its sides doesn't either."""
    sides = {side: Project(root / side, root / side / "specs", root / side / "generated")
             for side in ("mine", "new", "merged")}  # fmt: skip
    merged = []
    for seed in seeds:
        name, (before, after) = f"edit{seed}", CHANGES[seed % len(CHANGES)]
        assert not build(sides["mine"], before, name).problems
        edit(sides["mine"].generated / name, seed)
        assert not build(sides["new"], after, name).problems
        shutil.copytree(sides["mine"].root, sides["merged"].root, dirs_exist_ok=True)
        if not build(sides["merged"], after, name).problems:
            merged.append(name)
    lost = red = failing(sides["merged"], merged)
    for side in ("mine", "new"):
        lost = [name for name in lost if name not in failing(sides[side], lost)]
    assert not lost, f"both sides pass, and merged they don't: {lost}"
    return len(merged) - len(red)


def test_merged_packages_pass_where_both_sides_do(tmp_path: Path) -> None:
    assert judge(tmp_path, range(1)) == 1


@pytest.mark.long
def test_fifteen_merged_packages_pass_where_both_sides_do(tmp_path: Path) -> None:
    assert judge(tmp_path, range(100, 130)) >= 15
