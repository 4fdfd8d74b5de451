"""Odd characters, odd files: a package holds the text that was meant, a message can be said."""

from __future__ import annotations

import ast
import os
from pathlib import Path

import pytest

from codegen.plan import lower
from codegen.refine import prune_package
from codegen.render import package_roots, render_package
from codegen.spec import load_text
from tests.projects import environment, tgen, write_specs

TEXTS = [
    "\r",
    "\0",
    "\x7f",
    "\x85",
    "\u2028",
    "\ufeff",
    "\u202e",
    '"',
    '\\"',
    "é",
    "😀\n",
    "\U000e0001",
]
TEXTS += ["{{ 1 }}", "%s", "'''", '"""', "\\N{DIGIT ONE}", "\\", "#% if"]
MASKED = "model: {attention: {mask: causal & document}}\n"


@pytest.mark.parametrize("text", TEXTS, ids=ascii)
def test_a_text_of_a_spec_is_the_same_in_its_package(text: str) -> None:
    escaped = "".join(f"\\U{ord(character):08x}" for character in text)
    data = f'data: {{separator: "<{escaped}>"}}'
    plan = lower(load_text(f"name: my_abc\n{MASKED}{data}\n", "specs/my_abc.yaml"))
    source = prune_package(render_package(plan), package_roots(plan))["options.py"]
    source.encode("ascii")
    constants = [
        node.value for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Constant)
    ]
    assert f"<{text}>" in constants


@pytest.mark.parametrize("encoding", ["ascii:strict", "latin-1", "utf-8"])
def test_a_message_can_be_said_in_every_encoding(tmp_path: Path, encoding: str) -> None:
    write_specs(tmp_path, 1)
    spec = tmp_path / "specs/model_0.yaml"
    spec.write_text("name: \u0142\u00f3d\u017a \U0001f600\n", encoding="utf-8")
    done = tgen(tmp_path, "build", env=environment(PYTHONIOENCODING=encoding))
    assert done.returncode == 2 and "specs/model_0.yaml:1:7: error: " in done.stderr


def test_a_name_of_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    write_specs(tmp_path, 1)
    odd = os.fsencode(tmp_path / "specs") + b"/\xff.yaml"
    with open(odd, "w") as file:
        file.write("name: odd\n")
    done = tgen(tmp_path, "build", "--no-test", env=environment(PYTHONIOENCODING="utf-8"))
    assert done.returncode == 2 and "a path with characters that nobody can read" in done.stderr
    assert (tmp_path / "generated/model_0").exists()


@pytest.mark.drawn
@pytest.mark.parametrize("place", ["specs/model_0.yaml", "generated/model_0/model.py"])
def test_a_file_that_became_a_pipe_is_not_waited_for(tmp_path: Path, place: str) -> None:
    write_specs(tmp_path, 1)
    assert tgen(tmp_path, "build", "--no-test").returncode == 0
    (tmp_path / place).unlink()
    os.mkfifo(tmp_path / place)
    for command in (["check"], ["build", "--no-test"]):
        done = tgen(tmp_path, *command)
        assert done.returncode == 2 and "error: " in done.stderr, done.stdout
