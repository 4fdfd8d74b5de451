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


class PackagesDrawn:
    """Of the packages in generated/ a third is tested with the fast tests, by each commit another.

    All of them were tested when they were made, and are by `-m long` or if a path asks for them.
    """

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(
        self, config: pytest.Config, items: list[pytest.Item]
    ) -> None:
        if config.args_source != pytest.Config.ArgsSource.TESTPATHS:
            return
        packages = {item: item.path.parent for item in items if GENERATED in item.path.parents}
        names = sorted({path.name for path in packages.values()})
        command = ["git", "rev-parse", "HEAD"]
        commit = subprocess.run(command, cwd=GENERATED, capture_output=True).stdout
        fast = random.Random(commit).sample(names, -(-len(names) // 3))
        for item, path in packages.items():
            if path.name not in fast:
                item.add_marker(pytest.mark.long)


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(PackagesDrawn())


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    fraction = config.getoption("--sample")
    if fraction >= 1 or not items:
        return
    drawn = random.Random(config.getoption("--sample-seed"))
    kept = set(drawn.sample(range(len(items)), max(1, round(fraction * len(items)))))
    config.hook.pytest_deselected(items=[x for i, x in enumerate(items) if i not in kept])
    items[:] = [item for index, item in enumerate(items) if index in kept]
