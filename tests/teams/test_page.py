"""Pages are run from top to bottom: their files are written, their commands say what they say."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from codegen.exit_codes import ExitCode
from tests.teams.conftest import ROOT, Shell

PAGE = (ROOT / "docs/teams.md").read_text(encoding="utf-8")
COMMITTER = {
    f"GIT_{role}_{what}": f"a{at}"
    for role in ("AUTHOR", "COMMITTER")
    for what, at in (("NAME", ""), ("EMAIL", "@b.c"))
}
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def matches(said: str, shown: str) -> bool:
    """Whether an output is what the page shows; `...` stands for anything."""
    pattern = ".*".join(re.escape(part) for part in shown.split("..."))
    return re.fullmatch(pattern, said, re.DOTALL) is not None


@pytest.mark.drawn
@pytest.mark.parametrize(("name", "commands"), [("teams.md", 20), ("edits.md", 15)])
def test_every_command_of_a_page_says_what_the_page_says(
    name: str, commands: int, shell: Shell, tmp_path: Path
) -> None:
    page = (ROOT / "docs" / name).read_text(encoding="utf-8")
    folder = tmp_path / "work"
    folder.mkdir()
    ran = 0
    for kind, text in BLOCK.findall(page):
        if kind == "toml":
            settings = folder / "pyproject.toml"
            assert "templates" in text or text == settings.read_text()  # as tgen init writes it
            settings.write_text(text)
        elif kind == "jinja":
            path = folder / "my_templates/transformer/mlp.py.jinja"
            path.parent.mkdir(parents=True)
            path.write_text(text)
        for session in text.split("$ ")[1:] if kind == "console" else ():
            command, _, shown = session.partition("\n")
            done = shell(f"{{ {command}; }} 2>&1 || true", folder, **COMMITTER)
            assert matches(done.stdout, shown), f"$ {command}\n{done.stdout}{done.stderr}"
            ran += 1
    assert ran == commands


def test_the_pages_exit_codes_are_the_ones_there_are() -> None:
    rows = re.findall(r"^\| (\d+) \| (.+) \|$", PAGE, re.MULTILINE)
    assert rows == [(str(int(code)), code.meaning) for code in ExitCode]
