"""Builds of twenty packages that are killed: each package stays the old one or becomes the new.

The command is the real one, in a process group that gets SIGKILL at a random moment. Half of the
moments are drawn from the whole build, half from the time in which packages are written.
"""

from __future__ import annotations

import itertools
import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.projects import command, environment, files_of, leftovers, tgen, write_specs

PACKAGES, KILLS = 20, 20
BUILD = ("build", "--no-test", "--jobs", "2")
WIDTHS = (32, 48)  # of the two states of the specs
Files = dict[str, bytes]


@dataclass
class Bench:
    """A project whose specs go back and forth between two states, and both as they are built."""

    project: Path
    whole: dict[int, dict[str, Files]] = field(default_factory=dict)
    seconds: float = 0.0  # that a build takes
    writing: float = 0.0  # that of them packages are written

    def packages(self) -> dict[str, Files]:
        generated = self.project / "generated"
        return {name: files_of(generated / name) for name in self.names}

    @property
    def names(self) -> list[str]:
        return [f"model_{index}" for index in range(PACKAGES)]

    def start(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            command(*BUILD),
            cwd=self.project,
            env=environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def adjust(self, seconds: float) -> None:
        """A build takes so long now."""
        self.writing *= seconds / self.seconds
        self.seconds = seconds

    def forget(self) -> None:
        """No verdict is kept: what is fresh is found by comparing it."""
        shutil.rmtree(self.project / ".tgen/verdicts", ignore_errors=True)

    def wait_for_writing(self, build: subprocess.Popen[bytes]) -> None:
        """Until the first package is staged, or the build is over."""
        while build.poll() is None and not leftovers(self.project / "generated"):
            time.sleep(0.0005)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    made = Bench(tmp_path_factory.mktemp("killed"))
    for width in WIDTHS:
        write_specs(made.project, PACKAGES, width)
        started = time.monotonic()
        build = made.start()
        made.wait_for_writing(build)
        staged = time.monotonic()
        assert build.wait() == 0
        made.seconds, made.writing = time.monotonic() - started, time.monotonic() - staged
        made.whole[width] = made.packages()
    assert made.whole[WIDTHS[0]].keys() == made.whole[WIDTHS[1]].keys()
    return made


def kill_sometime(bench: Bench, draw: random.Random) -> int:
    """Starts a build and kills it and all its children; how it ended."""
    build = bench.start()
    if draw.random() < 0.5:
        time.sleep(draw.uniform(0, bench.seconds))
    else:
        bench.wait_for_writing(build)
        time.sleep(draw.uniform(0, bench.writing))
    if build.poll() is None:
        os.killpg(build.pid, signal.SIGKILL)
    return build.wait()


def new_packages(bench: Bench, old: int, new: int) -> set[str]:
    """Which packages are the new ones; AssertionError if one is neither old nor new."""
    found = set()
    for name, files in bench.packages().items():
        assert files in (bench.whole[old][name], bench.whole[new][name]), f"{name} is a mix"
        if files == bench.whole[new][name]:
            found.add(name)
    return found


def survive(bench: Bench, seed: int) -> Iterator[tuple[int, int]]:
    """Kills a build a turn, or finds it done; how it ended and how many packages it made new."""
    draw = random.Random(seed)
    tgen(bench.project, *BUILD)
    now = WIDTHS[-1]
    for turn in itertools.count():
        old, now = now, WIDTHS[turn % 2]
        write_specs(bench.project, PACKAGES, now)
        bench.forget()
        end = kill_sometime(bench, draw)
        cut = leftovers(bench.project / "generated")
        check = tgen(bench.project, "check")
        made = new_packages(bench, old, now)
        assert leftovers(bench.project / "generated") == []
        if cut:  # what that check settled, it may tell of by its code
            check = tgen(bench.project, "check")
        assert check.returncode == (0 if len(made) == PACKAGES else 3), check.stdout
        assert f"{len(made)} of {PACKAGES} packages are fresh" in check.stdout
        for name in bench.names:
            stale = f": generated/{name}/tgen.lock\n" in check.stdout
            assert stale == (name not in made), name
        started = time.monotonic()
        again = tgen(bench.project, *BUILD)
        if not made:  # it was a whole build, as fast as the machine is now
            bench.adjust(time.monotonic() - started)
        assert again.returncode == 0, again.stderr
        assert bench.packages() == bench.whole[now]
        assert leftovers(bench.project / "generated") == []
        yield end, len(made)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(1, 11))
def test_killed_builds_leave_each_package_old_or_new(bench: Bench, seed: int) -> None:
    turns = itertools.islice(survive(bench, seed), 3 * KILLS)
    killed = (made for end, made in turns if end == -signal.SIGKILL)
    made = list(itertools.islice(killed, KILLS))
    assert len(made) == KILLS, f"only {len(made)} builds were running when they were to be killed"
    assert any(0 < count < PACKAGES for count in made), made
