"""Specs with damage: whatever a file holds, the answer is a package or a clear error.

Each one goes through all stages in memory, in a child that can write in its own folder only, can't
start a process, has a gigabyte of memory, and is stopped after two seconds of work.
"""

from __future__ import annotations

import ast
import functools
import os
import random
import re
import signal
import socket
from pathlib import Path
from typing import Any

import pytest

from codegen.errors import SpecError, TgenError
from codegen.plan import lower, warnings
from codegen.refine import prune_package
from codegen.render import package_roots, render_package
from codegen.spec import BrokenVariant, LoadedSpec, load_spec, load_specs
from codegen.spec.yaml.rewrite import rewrite
from tests.confined import in_child
from tests.spec.mutations import SPECS, damaged, mutation

SECONDS = 2.0  # of the processor's time
WAIT = 60.0  # of real time: only something that never answers takes so long
SEEDS, EACH = 20, 1_000


class Late(BaseException):
    """A spec took too long; not an Exception, so that nothing swallows it."""


def late(*_: Any) -> None:
    raise Late


def project(folder: Path) -> Path:
    """A project with this one's specs, and with all that an `extends` had better not lead to."""
    specs = folder / "project/specs"
    specs.mkdir(parents=True)
    for path in SPECS:
        (specs / path.name).write_bytes(path.read_bytes())
    (specs.parent / "outside.yaml").write_text("model: {layers: 2}\n")
    (folder / "outside.yaml").write_text("model: {layers: 2}\n")
    (specs / "folder.yaml").mkdir()
    (specs / "holder").symlink_to(folder, target_is_directory=True)
    for name, target in {
        "link_out.yaml": "/etc/passwd",
        "link_in.yaml": "gpt.yaml",
        "loop.yaml": "loop.yaml",
        "dangling.yaml": "nothing.yaml",
    }.items():
        (specs / name).symlink_to(target)
    os.mkfifo(specs / "fifo.yaml")
    with socket.socket(socket.AF_UNIX) as listener:
        here = os.getcwd()
        os.chdir(specs)  # a socket's path can't be long
        listener.bind("socket.yaml")
        os.chdir(here)
    (specs / "huge.yaml").write_text("# " + "x" * 5_000_000)
    (specs / "huge.txt").write_text("a: b\n" * 1_000_000)
    (specs / "empty.yaml").touch()
    (specs / "list.yaml").write_text("[1]\n")
    return specs


def all_stages(spec: Path) -> None:
    """Everything that is done in memory, but for the formatting; of a large grid, a part."""
    for made in load_specs(spec, spec.parents[1])[:3]:
        if isinstance(made, BrokenVariant):
            raise made.error
        render_all(made)


def render_all(loaded: LoadedSpec) -> None:
    plan = lower(loaded)
    warnings(loaded)
    texts = prune_package(render_package(plan), package_roots(plan))
    for path, text in texts.items():
        if path.endswith(".py"):
            assert names(text).isdisjoint({"nan", "inf", "Undefined"}), path
        text.encode("utf-8")


@functools.lru_cache(500)
def names(text: str) -> frozenset[str]:
    """Every name that a module reads or binds."""
    return frozenset(node.id for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name))


def survive(specs: Path, count: int, seed: int) -> dict[str, int]:
    """How many of so many damaged specs were built, and refused."""
    spec, ends = specs / "spec.yaml", {"built": 0, "refused": 0}
    for path in SPECS:  # a project keeps what templates are compiled to, and this one has none
        render_package(lower(load_spec(path, path.parents[1])))
    signal.signal(signal.SIGPROF, late)
    signal.signal(signal.SIGALRM, late)
    for index in range(count):
        text = mutation(random.Random(f"{seed} {index}"))
        spec.write_bytes(text)
        try:
            signal.setitimer(signal.ITIMER_PROF, SECONDS)
            signal.setitimer(signal.ITIMER_REAL, WAIT)
            all_stages(spec)
            ends["built"] += 1
        except TgenError as error:
            stop_watches()
            ends["refused"] += 1
            check_findings(error, index)
        except BaseException as error:
            stop_watches()
            shown = text if len(text) < 20_000 else text[:20_000] + b"..."
            raise AssertionError(f"mutation {index} of seed {seed}: {shown!r}") from error
        finally:
            stop_watches()
    return ends


def stop_watches() -> None:
    for timer in (signal.ITIMER_PROF, signal.ITIMER_REAL):
        signal.setitimer(timer, 0)


def check_findings(error: TgenError, index: int) -> None:
    assert error.exit_code == 2 and error.diagnostics
    for finding in error.diagnostics:
        at = finding.position
        assert at, (index, finding)
        assert at.line >= 1 and at.column >= 1, (index, finding)
        assert len(finding.message) < 1_000 and finding.message.strip(), (index, finding)
        if at.text:  # the caret is under the line, or right after it
            assert at.column <= len(at.text) + 1, (index, finding)


def test_a_damaged_spec_is_a_package_or_an_error_with_a_place(tmp_path: Path) -> None:
    specs = project(tmp_path)
    ends = in_child(lambda: survive(specs, 200, 0), [specs])
    assert ends["refused"] > 100 and ends["built"] > 10, ends


def test_a_damaged_spec_is_migrated_or_a_spec_error() -> None:
    done = 0
    for index in range(400):
        random_ = random.Random(f"3 {index}")
        today = random_.choice(SPECS).read_text(encoding="utf-8")
        old = re.sub(r"data: \{(.*)\}.*\ntrain: \{", r"train: {\1, ", today)
        text = damaged(old.encode(), random_).decode("utf-8", "replace")
        text = text.replace("context_length", "context")
        try:
            made = rewrite(text, "spec.yaml")
        except SpecError:
            continue
        done += bool(made.done)
        assert rewrite(made.text, "spec.yaml").done == ()
    assert done


@pytest.mark.long
@pytest.mark.parametrize("seed", range(1, SEEDS + 1))
def test_thousands_of_damaged_specs_are_packages_or_errors(tmp_path: Path, seed: int) -> None:
    specs = project(tmp_path)
    ends = in_child(lambda: survive(specs, EACH, seed), [specs])
    assert ends["refused"] > EACH / 2 and ends["built"] > EACH / 20, ends
