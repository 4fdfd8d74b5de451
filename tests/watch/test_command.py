"""`tgen watch` as a person runs it: a process, files saved beside it, Ctrl-C."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.small_project import SPEC, write_project

ROOT = Path(__file__).parent.parent.parent
DEADLINE = 180  # seconds; a busy machine


class Watch:
    """A running `tgen watch` on a project of its own, with its own copy of tgen."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder = folder
        self.out, self.err = folder / "out.txt", folder / "err.txt"
        with self.out.open("wb") as out, self.err.open("wb") as err:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "codegen", "watch", *options],
                cwd=folder,
                stdout=out,
                stderr=err,
                env={**os.environ, "PYTHONPATH": str(folder / "tool")},
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
            )

    def until(self, what: Callable[[], bool]) -> None:
        end = time.monotonic() + DEADLINE
        while not what():
            assert time.monotonic() < end and self.process.poll() is None, self.said()
            time.sleep(0.02)

    def said(self) -> str:
        return self.out.read_text() + self.err.read_text()

    def holds(self, path: str, text: str) -> Callable[[], bool]:
        file = self.folder / "generated" / path
        return lambda: file.exists() and text in file.read_text()

    def tells(self, pattern: str) -> Callable[[], bool]:
        return lambda: re.search(pattern, self.said(), re.MULTILINE) is not None


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_project(tmp_path)
    for part in ("codegen", "templates"):
        skipped = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / part, tmp_path / "tool" / part, ignore=skipped)
    return tmp_path


@pytest.fixture
def watch(folder: Path) -> Iterator[Callable[..., Watch]]:
    started: list[Watch] = []

    def start(*options: str) -> Watch:
        started.append(Watch(folder, *options))
        return started[-1]

    yield start
    for each in started:
        each.process.kill()
        each.process.wait()


def save(path: Path, text: str, by_rename: bool) -> None:
    """As editors do: in place, or a new file in place of the old."""
    if by_rename:
        path.with_name("4913").write_text(text)
        path.with_name("4913").replace(path)
    else:
        path.write_text(text)


@pytest.mark.drawn
@pytest.mark.parametrize("by_rename", [False, True], ids=["in place", "by rename"])
def test_a_day_of_edits(folder: Path, watch: Callable[..., Watch], by_rename: bool) -> None:
    spec, kid = folder / "specs/small.yaml", folder / "specs/kid.yaml"
    running = watch("--no-test")
    running.until(running.tells(r"^watching specs/ \(1 spec\) and the templates in tool/templates"))
    running.until(running.tells(r"^\d\d:\d\d:\d\d  small  \d+ files in \d+\.\d\d s$"))

    save(spec, SPEC.replace("layers: 2", "layers: 3"), by_rename)
    running.until(running.holds("small/model.py", "layers: int = 3"))

    save(spec, SPEC.replace("layers: 2", "layrs: 3"), by_rename)
    running.until(running.tells(r"specs/small.yaml:6:3: error: unknown field `layrs`"))
    save(spec, SPEC.replace("layers: 2", "layers: 4"), by_rename)
    running.until(running.holds("small/model.py", "layers: int = 4"))

    save(kid, "name: kid\nextends: small.yaml\n", by_rename)
    running.until(running.holds("kid/model.py", "layers: int = 4"))
    save(spec, SPEC.replace("layers: 2", "layers: 5"), by_rename)
    running.until(running.holds("kid/model.py", "layers: int = 5"))
    running.until(running.tells(r"  small, kid  "))

    config = folder / "tool/templates/package/config.py.jinja"
    save(config, config.read_text().replace("class Config:", "class Config:  # ours"), by_rename)
    for name in ("kid", "small"):
        running.until(running.holds(f"{name}/model.py", "class Config:  # ours"))

    kid.unlink()
    running.until(running.tells(r"kid  specs/kid.yaml no longer .* generated/kid/ stays"))
    running.process.send_signal(signal.SIGINT)
    assert running.process.wait(DEADLINE) == 130
    assert running.err.read_text().endswith("interrupted\n")
    assert "Traceback" not in running.said()
    leftovers = [path.name for path in (folder / "generated").glob(".tgen-*")]
    assert leftovers == []


def test_what_was_built_is_tested_in_the_background_and_the_next_build_knows(
    folder: Path, watch: Callable[..., Watch]
) -> None:
    running = watch()
    running.until(running.tells(r"^\d\d:\d\d:\d\d  small  tests: \d+ passed on"))
    running.process.send_signal(signal.SIGTERM)
    assert running.process.wait(DEADLINE) == 130
    done = subprocess.run(
        [sys.executable, "-m", "codegen", "build"],
        cwd=folder,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(folder / "tool")},
    )
    assert "small  generated/small/ is fresh" in done.stdout


def test_what_can_not_be_watched_is_one_error(folder: Path) -> None:
    (folder / "empty").mkdir()
    for argument in ("nowhere.yaml", "empty"):
        done = subprocess.run(
            [sys.executable, "-m", "codegen", "watch", argument],
            cwd=folder,
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONPATH": str(folder / "tool")},
            timeout=DEADLINE,
        )
        assert done.returncode == 2 and done.stdout == ""
        assert done.stderr.startswith(f"error: {argument}: no ") and "hint: " in done.stderr
