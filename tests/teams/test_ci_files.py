"""The hooks and the action that other repositories use are ones that this tgen understands."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from codegen.cli import cli
from tests.conftest import Run
from tests.teams.conftest import ROOT, Shell

HOOKS: list[dict[str, Any]] = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
ACTION: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text())
INSTALL, CHECK = ACTION["runs"]["steps"][1:]
URL = "git+https://github.com/o/r@0123456789abcdef0123456789abcdef01234567"
WORKFLOW = (ROOT / "templates/project/workflow.yml").read_text()


def options_of(words: list[str]) -> tuple[click.Command, set[str]]:
    """The command that a line calls, and the options that it gives it."""
    assert words[0] == "tgen"
    return cli.commands[words[1]], {word for word in words[2:] if word.startswith("-")}


LINES = [
    *(hook["entry"] for hook in HOOKS),
    *re.findall(r"tgen check --\w.*", CHECK["run"] + WORKFLOW),
]


@pytest.mark.parametrize("line", LINES)
def test_what_ci_calls_is_a_command_with_these_options(line: str) -> None:
    command, given = options_of(shlex.split(line.replace("$", "")))
    known = {name for option in command.params for name in option.opts}
    assert given <= known, line


def test_hooks_run_once_for_what_a_package_depends_on() -> None:
    assert [hook["id"] for hook in HOOKS] == ["tgen-check", "tgen-build"]
    for hook in HOOKS:
        assert hook["pass_filenames"] is False and hook["require_serial"] is True
        pattern = re.compile(hook["files"])
        for path in ("specs/a.yaml", "templates/x", "generated/a/model.py", "pyproject.toml"):
            assert pattern.search(path)
        assert not pattern.search("src/specs.py") and not pattern.search("docs/pyproject.toml")


def test_every_input_of_the_action_is_said_and_used() -> None:
    used = set(re.findall(r"inputs\.([\w-]+)", str(ACTION["runs"])))
    assert used == set(ACTION["inputs"])
    assert all(one["description"] for one in ACTION["inputs"].values())
    assert not re.search(r"\$\{\{", INSTALL["run"] + CHECK["run"])  # only through the environment


@pytest.mark.parametrize(
    ("given", "installed"),
    [("", "/the/action"), (URL, f"tgen-compiler @ {URL}")],
)
def test_the_action_installs_itself_or_the_commit_asked_for(
    shell: Shell, tmp_path: Path, given: str, installed: str
) -> None:
    done = shell(INSTALL["run"], says_its_arguments(tmp_path), FROM=given, HERE="/the/action")
    assert done.stdout == f"-m|pip|install|{installed}|"


@pytest.mark.parametrize("given", ["tgen", "tgen==0.1.0", "0.1.0", "-r x", "git+https://a/b"])
def test_the_action_installs_nothing_from_an_index(
    shell: Shell, tmp_path: Path, given: str
) -> None:
    done = shell(INSTALL["run"], says_its_arguments(tmp_path), FROM=given, HERE="/the/action")
    assert done.returncode == 1 and "pip" not in done.stdout and "no git URL" in done.stdout


def says_its_arguments(tmp_path: Path) -> Path:
    """A `python` on the shell's PATH that runs nothing."""
    python = tmp_path / "bin/python"
    python.write_text('#!/bin/sh\nprintf "%s|" "$@"\n')
    python.chmod(0o755)
    return tmp_path


def checked(shell: Shell, project: Path, **given: str) -> tuple[int, str]:
    environment = {"SPECS": "", "NO_EDITS": "false", "ARGS": "", **given}
    done = shell(CHECK["run"], project, **environment)
    return done.returncode, done.stdout


def test_the_action_fails_with_a_note_where_a_package_is_stale(
    project: Path, shell: Shell, tgen: Run
) -> None:
    tgen("build", "--no-test")
    assert checked(shell, project)[0] == 0
    spec = project / "specs/small.yaml"
    spec.write_text(spec.read_text().replace("layers: 2", "layers: 3"))
    code, out = checked(shell, project)
    assert code == 3 and re.search(r"^::error file=specs/small\.yaml,line=1,", out, re.MULTILINE)


def test_the_action_checks_the_specs_it_is_given_and_no_word_more(
    project: Path, shell: Shell, tgen: Run
) -> None:
    tgen("build", "--no-test")
    (project / "specs/broken.yaml").write_text("name: [\n")
    assert checked(shell, project)[0] == 2
    assert checked(shell, project, SPECS="specs/small.yaml")[0] == 0
    assert checked(shell, project, SPECS="specs/*.yaml")[0] == 2  # no file of this name
    code, out = checked(shell, project, SPECS="specs/small.yaml $(echo oh >&1)")
    assert code == 2 and "oh\n" not in out


def test_the_action_passes_options_on(project: Path, shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "bin/tgen").write_text('#!/bin/sh\nprintf "%s|" "$@"\n')
    code, out = checked(shell, project, NO_EDITS="true", ARGS="--jobs 2", SPECS="a b")
    assert (code, out) == (0, "check|--format|github|--no-edits|--jobs|2|a|b|")
    assert "--no-edits" in {name for p in cli.commands["check"].params for name in p.opts}
