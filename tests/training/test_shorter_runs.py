"""A warm-up that nobody asked for follows the length of the run; one that was asked for stays."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest

from codegen.errors import SpecError
from codegen.plan import lower
from codegen.spec import load_spec
from codegen.spec.families import language
from tests.projects import ROOT

PACKAGES = sorted(
    path.parent.name
    for path in ROOT.glob("generated/*/options.py")
    if "    warmup: " in path.read_text()
)


@pytest.mark.parametrize(
    ("family", "task"),
    [(family, task) for family in ("transformer", "recurrent") for task in language(family).tasks],
)
def test_steps_alone_are_no_mistake(family: str, task: str, tmp_path: Path) -> None:
    text = f"name: brief\nfamily: {family}\ntask: {task}\ntrain: {{steps: 50}}\n"
    (tmp_path / "brief.yaml").write_text(text)
    plan = lower(load_spec(tmp_path / "brief.yaml", tmp_path))
    assert plan.train.schedule.warmup == 5
    for schedule in ("constant", "linear", "{min_lr_ratio: 0.2}"):
        said = load_spec(tmp_path / "brief.yaml", tmp_path, [f"train.schedule={schedule}"])
        assert lower(said).train.schedule.warmup == 5


def test_a_warm_up_that_is_said_is_kept_or_refused() -> None:
    path = ROOT / "specs/gpt_char.yaml"
    long = ["train.steps=120", "train.schedule.warmup=100"]
    assert lower(load_spec(path, ROOT, long)).train.schedule.warmup == 100
    with pytest.raises(SpecError, match="100 steps of warm-up in a run of 99"):
        load_spec(path, ROOT, ["train.steps=99"])
    with pytest.raises(SpecError, match="say `steps` too"):
        load_spec(ROOT / "specs/gpt2.yaml", ROOT, ["train.schedule.warmup=20000"])


@pytest.mark.parametrize("name", PACKAGES)
def test_the_command_line_goes_by_the_same_rule(name: str) -> None:
    options: Any = importlib.import_module(f"generated.{name}.options")
    usual = options.Options()
    given = ["--data", "some"]

    def warmup(*more: str) -> int:
        made: int = options.parse_options([*given, *more]).warmup
        return made

    assert warmup() == usual.warmup
    assert warmup("--steps", "60") == min(usual.warmup, 6)
    assert warmup("--steps", "1") == 0
    assert warmup("--steps", "60", "--warmup", "60") == 60
    with pytest.raises(ValueError, match="--warmup 61 is longer than the run of 60 steps"):
        warmup("--steps", "60", "--warmup", "61")
