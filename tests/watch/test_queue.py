"""Tests in the background: one package at a time, ended by newer saves, remembered if green."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest

from codegen.build import freshness
from codegen.build.outcome import Outcome
from codegen.commands.watch.queue import TestQueue
from codegen.project import Project

PASSES = "def test_that_passes() -> None:\n    assert 1 == 1\n"
FAILS = "def test_that_fails() -> None:\n    assert 1 == 2\n"
STAYS = """\
import os, subprocess, sys, time

def test_that_stays() -> None:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    with open({path!r} + ".part", "w") as file:
        file.write(f"{{os.getpid()}} {{child.pid}}")
    os.replace({path!r} + ".part", {path!r})
    time.sleep(600)
"""
DEADLINE = 120  # seconds; a busy machine


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path, tmp_path / "specs", tmp_path / "generated")


@pytest.fixture
def queue(project: Project) -> Iterator[TestQueue]:
    queue = TestQueue(project, project.generated)
    yield queue
    queue.close()


@pytest.fixture
def package(project: Project) -> Callable[[str, str], Outcome]:
    def write(name: str, test: str) -> Outcome:
        folder = project.generated / name
        folder.mkdir(parents=True)
        (project.generated / "__init__.py").touch()
        (folder / f"test_{name}.py").write_text(test)
        spec = project.specs / f"{name}.yaml"
        spec.parent.mkdir(exist_ok=True)
        spec.write_text(f"name: {name}\n")
        return Outcome(spec, name, folder)

    return write


Package = Callable[[str, str], Outcome]


def until(what: Callable[[], object]) -> object:
    end = time.monotonic() + DEADLINE
    while time.monotonic() < end:
        found = what()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError("it took too long")


def next_result(queue: TestQueue) -> Outcome:
    found = until(queue.poll)
    assert isinstance(found, Outcome)
    return found


def alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{process}/stat")  # one that nobody has waited for is dead all the same
    return not (state.exists() and state.read_text().rpartition(")")[2].split()[0] == "Z")


def test_the_newest_go_first_and_each_tells_its_own_result(
    queue: TestQueue, package: Package
) -> None:
    queue.add([package("a", PASSES), package("b", FAILS)])
    queue.add([package("c", PASSES)])
    results = [next_result(queue) for _ in range(3)]
    assert [outcome.name for outcome in results] == ["c", "a", "b"]
    assert [outcome.exit_code for outcome in results] == [0, 0, 5]
    assert results[2].tests and "test_that_fails" in results[2].tests.output
    assert queue.poll() is None and queue.running is None


def test_a_save_ends_the_tests_of_its_package_with_all_that_they_started(
    queue: TestQueue, package: Package, tmp_path: Path
) -> None:
    noted = tmp_path / "processes"
    stays, other = package("a", STAYS.format(path=str(noted))), package("b", PASSES)
    queue.add([stays, other])
    assert queue.poll() is None and queue.running == "a"
    until(noted.exists)
    assert queue.cancel({other.spec}) == [other] and queue.running == "a"
    assert queue.cancel({stays.spec}) == [stays] and queue.running is None
    for process in noted.read_text().split():
        until(lambda process=process: not alive(int(process)))
    assert queue.poll() is None


def test_a_package_built_twice_before_its_turn_is_tested_once(
    queue: TestQueue, package: Package
) -> None:
    built = package("a", PASSES)
    queue.add([built])
    queue.add([replace(built)])
    assert next_result(queue).name == "a"
    assert queue.poll() is None and queue.running is None


def test_green_tests_are_remembered_of_what_was_tested_only(
    queue: TestQueue, package: Package, project: Project
) -> None:
    def keep(outcome: Outcome) -> None:
        assert outcome.folder is not None
        name = f"test_{outcome.name}.py"
        outputs = {name: sha256((outcome.folder / name).read_bytes()).hexdigest()}
        sources = {project.shown(outcome.spec): sha256(outcome.spec.read_bytes()).hexdigest()}
        verdict = freshness.Verdict(sources, [freshness.FreshPackage(outcome.name, outputs)])
        freshness.remember_fresh(outcome.spec, project, project.generated, (), verdict)

    def remembered(outcome: Outcome) -> object:
        verdict = freshness.recall_fresh(outcome.spec, project, project.generated)
        return verdict and verdict.packages[0].tests

    green, red, edited = package("a", PASSES), package("b", FAILS), package("c", PASSES)
    for outcome in (green, red, edited):
        keep(outcome)
    queue.add([edited, green, red])
    queue.poll()
    assert queue.running == "c" and edited.folder is not None
    (edited.folder / "test_c.py").write_text(PASSES + "\n")
    keep(edited)
    for _ in range(3):
        next_result(queue)
    assert remembered(green) == {"passed": 1}
    assert remembered(red) is None and remembered(edited) is None
    assert freshness.recall_fresh(edited.spec, project, project.generated)  # what was kept last
