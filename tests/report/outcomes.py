"""Outcomes as a pipeline would give them, made by hand so that printers are tested alone."""

from __future__ import annotations

from pathlib import Path

from codegen.build.outcome import Outcome
from codegen.emit import Change
from codegen.errors import Diagnostic, Position
from codegen.exit_codes import ExitCode
from codegen.project import Project
from codegen.report import Checked

EDIT_DIFF = """\
--- a/generated/gpt/model.py
+++ b/generated/gpt/model.py
@@ -40,4 +40,5 @@
 a
 b
-c
+C
+D
 e
"""
DIFF = "--- a/x\n+++ b/x\n@@ -1 +1 @@\n-old\n+new\n"


def project_at(root: Path) -> Project:
    return Project(root, root / "specs", root / "generated")


def outcome(project: Project, name: str = "gpt", spec: str = "", **fields: object) -> Outcome:
    """An outcome of a spec that lies on the disk."""
    path = project.specs / f"{name}.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(spec or f"# a comment\nname: {name}\nmodel: {{}}\n", encoding="utf-8")
    made: Outcome = Outcome(path, name, project.generated / name, **fields)  # type: ignore[arg-type]
    return made


def stale(project: Project, name: str = "gpt") -> Outcome:
    changes = [
        Change(f"generated/{name}/{file}", kind, DIFF)  # type: ignore[arg-type]
        for file, kind in [
            ("model.py", "changed"),
            ("sample.py", "missing"),
            ("train.py", "changed"),
            ("tgen.lock", "changed"),
        ]
    ]
    return outcome(project, name, changes=tuple(changes), exit_code=ExitCode.STALE)


def edited(project: Project, name: str = "gpt", **fields: object) -> Outcome:
    edit = Change(f"generated/{name}/model.py", "edited", EDIT_DIFF.replace("gpt", name))
    return outcome(project, name, edits=(edit,), **fields)


def bad(project: Project, line: str, word: str, name: str = "bad") -> Outcome:
    """A spec with a mistake at a word of its first line."""
    at = Position(f"specs/{name}.yaml", 1, line.index(word) + 1, line, len(word))
    problem = Diagnostic(f"unknown field `{word}`", at, "did you mean `model`?")
    made = outcome(project, name, line, problems=(problem,), exit_code=ExitCode.BAD_SPEC)
    return Outcome(made.spec, name, problems=made.problems, exit_code=made.exit_code)


def checked(project: Project, *outcomes: Outcome, exit_code: int = 3, **fields: object) -> Checked:
    made: Checked = Checked(project, exit_code, outcomes, **fields)  # type: ignore[arg-type]
    return made
