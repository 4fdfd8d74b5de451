"""Two commands at the same time: what comes out is what one of them alone would have made."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.projects import ROOT, command, environment, files_of, leftovers, tgen, write_specs

PACKAGES = 4
BUILD = ("build", "--no-test", "--jobs", "1")
WIDTHS = (40, 48)
Package = dict[str, bytes]
SLOW = """
import sys, time
EVENTS = ("os.mkdir", "os.link", "os.rename")
sys.addaudithook(lambda event, args: time.sleep(0.005) if event in EVENTS else None)
"""


def sets(width: int) -> tuple[str, str]:
    return ("--set", f"model.d_model={width}")


def packages(project: Path) -> list[Package]:
    return [files_of(project / "generated" / f"model_{index}") for index in range(PACKAGES)]


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[int, list[Package]]]:
    """A project, and its packages by the width that they were built with."""
    project = tmp_path_factory.mktemp("alone") / "project"
    write_specs(project, PACKAGES, width=32)
    found = {}
    for width in (*WIDTHS, 32):
        assert tgen(project, *BUILD, *sets(width)).returncode == 0
        found[width] = packages(project)
    return project, found


def run_both(project: Path, both: Sequence[Sequence[str]], pause: float) -> list[int]:
    """How two commands ended that write slowly, the second started a moment after the first."""
    site = project.parent / "site"
    site.mkdir(exist_ok=True)
    (site / "sitecustomize.py").write_text(SLOW)
    path = os.pathsep.join((str(site), str(ROOT)))
    running = []
    for arguments in both:
        running.append(
            subprocess.Popen(
                command(*arguments),
                cwd=project,
                env=environment(PYTHONPATH=path),
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        )
        time.sleep(pause)
    said = [process.communicate(timeout=300)[0] for process in running]
    assert not any("Traceback" in text or "error: " in text for text in said), said
    return [process.returncode for process in running]


def together(project: Path, found: dict[int, list[Package]], kind: str, seed: str) -> None:
    """One round, from packages of the first width to those of others."""
    draw = random.Random(seed)
    tgen(project, *BUILD, *sets(32))
    shutil.rmtree(project / ".tgen/verdicts", ignore_errors=True)
    pause = draw.choice((0.0, draw.uniform(0, 0.6)))
    one, other = WIDTHS if draw.random() < 0.5 else WIDTHS[::-1]
    if kind == "check":
        second = ("check", "--jobs", "1")
    else:
        second = (*BUILD, *sets(one if kind == "same" else other))
    ends = run_both(project, [(*BUILD, *sets(one)), second], pause)
    assert ends[0] == 0 and ends[1] in ((0, 3) if kind == "check" else (0,)), ends
    wanted = [found[one], found[other]] if kind == "different" else [found[one]]
    for index, package in enumerate(packages(project)):
        assert package in [form[index] for form in wanted], (seed, index)
    assert leftovers(project / "generated") == []


KINDS = ("same", "different", "check")


@pytest.mark.drawn
@pytest.mark.parametrize("seed", range(3))
def test_two_commands_at_once_come_to_what_one_alone_makes(
    alone: tuple[Path, dict[int, list[Package]]], seed: int
) -> None:
    together(*alone, KINDS[seed], f"few {seed}")


@pytest.mark.long
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(17))
def test_many_commands_at_once_come_to_what_one_alone_makes(
    alone: tuple[Path, dict[int, list[Package]]], kind: str, seed: int
) -> None:
    together(*alone, kind, f"many {seed}")
