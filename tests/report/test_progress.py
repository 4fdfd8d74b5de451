"""Those who wait hear of each step, in order."""

from __future__ import annotations

from pathlib import Path

import pytest

from codegen import verify
from codegen.build.outcome import Outcome
from codegen.build.progress import Progress
from codegen.commands.build import build_packages
from tests.report.outcomes import project_at
from tests.small_project import write_project


def test_a_run_of_tests_tells_whose_tests_are_run(tmp_path: Path) -> None:
    packages = {}
    for name in ("one", "two"):
        packages[name] = tmp_path / name
        packages[name].mkdir()
        pause = "import time\n\ndef test_it() -> None:\n    time.sleep(0.3)\n"
        (packages[name] / f"test_{name}.py").write_text(pause)
    heard: list[tuple[int, int, str]] = []
    reports = verify.run_tests(packages, lambda *moved: heard.append(moved))
    assert heard == [(0, 2, ""), (0, 2, "one"), (1, 2, "two")]
    assert all(report.green and "2 passed" in report.output for report in reports.values())


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_build_tells_of_every_spec_and_package(tmp_path: Path, jobs: int) -> None:
    root = write_project(tmp_path / "project", "a", "b", "c", "d")
    (root / "specs/b.yaml").write_text("name: b\n")
    project, specs = project_at(root), sorted((root / "specs").iterdir())
    rendered: list[tuple[int, int, str]] = []
    done: list[Outcome] = []
    progress = Progress(rendered=lambda *moved: rendered.append(moved), done=done.append)
    outcomes = build_packages(
        specs, project, out=project.generated, jobs=jobs, test=False, progress=progress
    )
    assert rendered == [(0, 4, ""), (1, 4, "a"), (2, 4, "b"), (3, 4, "c"), (4, 4, "d")]
    assert sorted(outcome.name for outcome in done) == ["a", "b", "c", "d"]
    assert {outcome.name: outcome for outcome in done} == {o.name: o for o in outcomes}
