"""Damaged specs through the command itself: an exit code of its own, a place, never a traceback.

A few processes run `codegen.cli.main` again and again, as starting one costs more than all it does.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path

import pytest

from tests.projects import environment, files_of
from tests.spec.mutations import mutation
from tests.spec.test_mutations import project

RUNNER = """
import contextlib, io, json, sys
from codegen.cli import main

for line in sys.stdin:
    said = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        try:
            main(args=json.loads(line), prog_name="tgen")
            code = 0
        except SystemExit as end:
            code = end.code or 0
        except BaseException:
            import traceback
            traceback.print_exc()
            code = 1
    said.flush()
    text = said.buffer.getvalue().decode("utf-8")
    print(json.dumps([int(code), text]), flush=True)
"""
COMMANDS = (("build", "--no-test", "--jobs", "1"), ("check", "--jobs", "1"), ("plan",))


class Commands:
    """A process that runs commands in a project, one after the other."""

    def __init__(self, folder: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", RUNNER],
            cwd=folder,
            env=environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str) -> tuple[int, str]:
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(json.dumps(arguments) + "\n")
        self.process.stdin.flush()
        code, text = json.loads(self.process.stdout.readline())
        return code, text

    def close(self) -> None:
        assert self.process.stdin and self.process.stdout
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


def survive(folder: Path, count: int, seed: str) -> dict[int, int]:
    """How many commands ended with which code."""
    specs = project(folder)
    (specs.parent / "pyproject.toml").write_text("[tool.tgen]\n")
    spec, codes = specs / "spec.yaml", dict.fromkeys((0, 2, 3), 0)
    around = around_project(folder)
    commands = Commands(specs.parent)
    for index in range(count):
        text = mutation(random.Random(f"{seed} {index}"))
        spec.write_bytes(text)
        for arguments in COMMANDS:
            code, said = commands.run(*arguments, "specs/spec.yaml")
            assert "Traceback" not in said and code in codes, (index, text, said)
            if code == 2:
                assert "specs/" in said and ": error: " in said, (index, text, said)
                assert has_place(said), (index, text, said)
            codes[code] += 1
    commands.close()
    assert around_project(folder) == around
    return codes


def around_project(folder: Path) -> dict[str, bytes]:
    """What no command may touch: all but what is generated, and the cache."""
    own = ("project/generated/", "project/.tgen/", "project/specs/spec.yaml")
    return {name: data for name, data in files_of(folder).items() if not name.startswith(own)}


def has_place(said: str) -> bool:
    """Whether a message begins with `path:line:col: error: `."""
    for line in said.splitlines():
        place, found, _ = line.partition(": error: ")
        path, *numbers = place.rsplit(":", 2)
        if found and path and len(numbers) == 2 and all(n.isdigit() and int(n) for n in numbers):
            return True
    return False


def test_commands_on_damaged_specs_end_in_a_message_with_a_place(tmp_path: Path) -> None:
    codes = survive(tmp_path, 12, "few")
    assert codes[2] > 12, codes


@pytest.mark.long
@pytest.mark.parametrize("seed", range(10))
def test_hundreds_of_commands_on_damaged_specs_end_in_a_message_with_a_place(
    tmp_path: Path, seed: int
) -> None:
    codes = survive(tmp_path, 30, f"many {seed}")
    assert codes[2] > 30 and codes[0], codes
