"""The command in this process; options that sample the long tests, each time another part."""

from __future__ import annotations

import os
import random
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from jinja2.sandbox import SandboxedEnvironment

from codegen.cli import main

# How long an example takes depends on what else the machine does.
settings.register_profile("tgen", deadline=None)
settings.load_profile("tgen")


GENERATED = Path(__file__).parent.parent / "generated"

os.environ.pop("CI", None)  # there a check believes no verdict


Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def tgen(capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command in this process; (exit code, stdout, stderr)."""

    def run(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = 0
        try:
            main(args=list(arguments), prog_name="tgen")
        except SystemExit as error:
            code = int(error.code or 0)
        return code, *capsys.readouterr()

    return run


@pytest.fixture(scope="session", autouse=True)
def templates_are_compiled_once() -> Iterator[None]:
    """Projects keep their compiled templates apart, and nearly every test has one of its own."""
    known: dict[object, Any] = {}
    compiled = SandboxedEnvironment.compile

    def compile_once(self: SandboxedEnvironment, *source: Any) -> Any:
        key = (type(self), tuple(self.extensions), self.trim_blocks, self.lstrip_blocks, *source)
        if key not in known:
            known[key] = compiled(self, *source)
        return known[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SandboxedEnvironment, "compile", compile_once)
        yield


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--sample", type=float, default=1.0, help="fraction of the tests to run")
    parser.addoption("--sample-seed", default="", help="which fraction: a commit, for example")


class Drawn:
    """A part is run with the fast tests, by each commit another; the others are long.

    Drawn are a quarter of the packages in generated/, which were tested when they were made, and a
    third of the cases of a test that is marked `drawn`. A path on the command line asks for all
    that is in it.
    """

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(
        self, config: pytest.Config, items: list[pytest.Item]
    ) -> None:
        if config.args_source != pytest.Config.ArgsSource.TESTPATHS:
            return
        command = ["git", "rev-parse", "HEAD"]
        commit = subprocess.run(command, cwd=GENERATED, capture_output=True).stdout
        of_all: dict[str, dict[str, list[pytest.Item]]] = {}
        for item in items:
            test, _, _ = item.nodeid.partition("[")
            if GENERATED in item.path.parents:
                of_all.setdefault("", {}).setdefault(item.path.parent.name, []).append(item)
            elif item.get_closest_marker("drawn"):
                of_all.setdefault(test, {}).setdefault(item.nodeid, []).append(item)
        for test, cases in of_all.items():
            draw = random.Random(commit + test.encode())
            count = -(-len(cases) // (3 if test else 4))
            left = set(cases) - {*draw.sample(sorted(cases), count)}
            for item in (item for name in left for item in cases[name]):
                item.add_marker(pytest.mark.long)


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Drawn())


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    fraction = config.getoption("--sample")
    if fraction >= 1 or not items:
        return
    drawn = random.Random(config.getoption("--sample-seed"))
    kept = set(drawn.sample(range(len(items)), max(1, round(fraction * len(items)))))
    config.hook.pytest_deselected(items=[x for i, x in enumerate(items) if i not in kept])
    items[:] = [item for index, item in enumerate(items) if index in kept]
