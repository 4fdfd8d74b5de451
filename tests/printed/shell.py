"""Commands run as a person types them, in a shell whose programs are this tree's."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.projects import environment

PROGRAMS = {
    "tgen": "-m codegen",
    "python": "",
    "pip": "-m pip",
    "pytest": "-m pytest",
    "torchrun": "-m torch.distributed.run --standalone",
}
# Of commands that train: a few steps of the small model that each package has for trials.
SHORT = "--steps {steps} --batch 2 --log-every 1 --eval-every {steps}"
WHOLE = re.compile(r"--from (weights|checkpoints)/")  # of models that are small themselves


def write_programs(folder: Path) -> None:
    """A folder with a program of each name."""
    folder.mkdir()
    for name, module in PROGRAMS.items():
        path = folder / name
        path.write_text(f'#!/bin/sh\nexec "{sys.executable}" {module} "$@"\n')
        path.chmod(0o755)


def run(command: str, project: Path) -> tuple[int, str]:
    """The exit code of a command in a project with such a folder, and all that it printed."""
    path = f"{project / 'bin'}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],
        cwd=project,
        env=environment(PATH=path, COLUMNS="80"),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        timeout=600,
    )
    return done.returncode, done.stdout


def short(command: str) -> str:
    """A command that trains or serves, made to end in seconds; any other as it is."""
    if ".serve " in f"{command} ":  # ends when it is told to, at a port that is free
        return f"timeout --preserve-status --signal TERM 12 {command.replace('8000', '0')}"
    if ".train " not in f"{command} " and " --train " not in command:
        return command
    steps = 4 if "--resume" in command else 2  # what is resumed goes on
    again = "" if "--resume" in command else " --overwrite"
    tiny = "" if WHOLE.search(command) else " --tiny"
    return f"{command}{tiny} {SHORT.format(steps=steps)}{again}"
