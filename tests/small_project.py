"""Small projects for tests, and tgen run on them as a person would."""

from __future__ import annotations

import contextlib
import io
import json
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from codegen.cli import main

SPEC = """\
name: small
model:
  vocab_size: 61
  context_length: 32
  d_model: 32
  layers: 2
  attention: {heads: 4, kv_heads: 2}
"""


@dataclass(frozen=True)
class Ran:
    """What a command ended with and printed; an uncaught exception ends as in a shell."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def write_project(folder: Path, *names: str) -> Path:
    """A project in `folder` with a small spec of each name."""
    (folder / "specs").mkdir(parents=True)
    (folder / "pyproject.toml").write_text("[tool.tgen]\n")
    for name in names or ("small",):
        (folder / f"specs/{name}.yaml").write_text(SPEC.replace("small", name))
    return folder


def edit(path: Path, old: str, new: str) -> None:
    """The first place where a file says `old` says `new`."""
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def tgen(*arguments: str) -> Ran:
    """Runs a command in this process and the current folder."""
    code = 0
    with (
        contextlib.redirect_stdout(io.StringIO()) as out,
        contextlib.redirect_stderr(io.StringIO()) as err,
    ):
        try:
            main(args=list(arguments), prog_name="tgen")
        except SystemExit as error:
            code = int(error.code or 0)
        except Exception:
            traceback.print_exc()
            code = 1
    return Ran(code, out.getvalue(), err.getvalue())
