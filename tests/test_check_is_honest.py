"""`tgen check` is green only where it has looked, and everything is what the specs say."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import pytest

from codegen.build import rendering
from codegen.emit import staging
from codegen.emit.verdicts import recall, remember
from codegen.errors import TgenError
from codegen.refine import style
from tests.confined import fork
from tests.small_project import SPEC, edit, tgen, write_project

ROOT = Path(__file__).parent.parent
CHECK = "import sys; from codegen.cli import main; main(args=['check'])"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose package is fresh and proved so by a verdict."""
    folder = write_project(tmp_path_factory.mktemp("built") / "project")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert tgen("build", "--no-test").code == 0
        assert tgen("check").code == 0
    return folder


@pytest.fixture
def project(built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, and the current folder."""
    folder = tmp_path / "project"
    shutil.copytree(built, folder)
    monkeypatch.chdir(folder)
    return folder


def forget(project: Path) -> None:
    shutil.rmtree(project / ".tgen")


def broken(*_: Any, **__: Any) -> NoReturn:
    raise RuntimeError("a stage broke")


STAGES = {
    "spec": "codegen.spec.load_specs",
    "plan": "codegen.plan.lower",
    "render": "codegen.render.render_package",
    "prune": "codegen.refine.prune_package",
    "format": "codegen.refine.format_files",
    "emit": "codegen.build.steps.compare",
}


@pytest.mark.parametrize("stage", STAGES.values(), ids=STAGES.keys())
def test_a_stage_that_breaks_is_an_internal_error(
    project: Path, stage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    forget(project)
    monkeypatch.setattr(stage, broken)
    ran = tgen("check")
    assert ran.code == 1 and "a stage broke" in ran.err
    assert "fresh" not in ran.out


def refused(*_: Any, **__: Any) -> NoReturn:
    raise TgenError("a stage refused")


@pytest.mark.parametrize("form", ["text", "json", "github", "sarif"])
@pytest.mark.parametrize("stage", ["codegen.plan.lower", "codegen.refine.format_files"])
def test_a_stage_that_refuses_fails_in_every_format(
    project: Path, stage: str, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    forget(project)
    monkeypatch.setattr(stage, refused)
    ran = tgen("check", "--format", form)
    assert ran.code == 2 and "a stage refused" in ran.out + ran.err


@pytest.mark.parametrize("end", ["raises", "dies"])
def test_a_worker_that_breaks_fails_the_check(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    project = write_project(tmp_path / "p", "a", "b", "c", "d")
    monkeypatch.chdir(project)

    def in_worker(plan: Any, _: Any) -> NoReturn:
        if plan.name == "c" and end == "dies":
            os._exit(0)
        raise RuntimeError("a worker broke")

    monkeypatch.setattr(rendering, "render", in_worker)
    assert tgen("check", "--jobs", "2").code == 1


def test_without_ruff_nothing_is_fresh(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    forget(project)
    monkeypatch.setattr(style, "_binary", lambda: str(project / "no/ruff"))
    ran = tgen("check")
    assert ran.code == 2 and "pip install ruff==" in ran.err


def test_with_another_ruff_nothing_is_fresh(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    forget(project)
    other = project / "ruff"
    other.write_text("#!/bin/sh\necho ruff 0.1.0\n")
    other.chmod(0o755)
    monkeypatch.setattr(style, "_binary", lambda: str(other))
    ran = tgen("check")
    assert ran.code == 2 and "here is ruff 0.1.0" in ran.err


def rename(project: Path) -> None:
    (project / "specs/small.yaml").write_text(SPEC.replace("small", "other"))


def cut_in_half(path: Path) -> None:
    text = path.read_text()
    path.write_text(text[: text.index("(", len(text) // 2) + 1])  # within a bracket


DAMAGES: dict[str, tuple[Callable[[Path], object], int, str]] = {
    "the lock is gone": (
        lambda at: (at / "generated/small/tgen.lock").unlink(),
        3,
        "missing: generated/small/tgen.lock",
    ),
    "the lock is damaged": (
        lambda at: (at / "generated/small/tgen.lock").write_text("{"),
        2,
        "is damaged",
    ),
    "a file is gone": (
        lambda at: (at / "generated/small/train.py").unlink(),
        3,
        "missing: generated/small/train.py",
    ),
    "a file is cut off": (
        lambda at: cut_in_half(at / "generated/small/train.py"),
        3,
        "no Python",
    ),
    "a file is empty": (
        lambda at: (at / "generated/small/train.py").write_text(""),
        3,
        "it is empty now",
    ),
    "a merge is left unresolved": (
        lambda at: edit(at / "generated/small/train.py", "import os", "<<<<<<< a\nimport os"),
        3,
        "no Python",
    ),
    "the packages are gone": (
        lambda at: shutil.rmtree(at / "generated"),
        3,
        "missing: generated/small/ (",
    ),
    "the spec has changed": (
        lambda at: edit(at / "specs/small.yaml", "layers: 2", "layers: 3"),
        3,
        "+    layers: int = 3",
    ),
    "the spec is gone": (
        lambda at: [
            (at / "specs/small.yaml").unlink(),
            (at / "specs/other.yaml").write_text(SPEC.replace("small", "other")),
        ],
        3,
        "orphan: generated/small has no spec",
    ),
    "the package is renamed": (rename, 3, "orphan: generated/small has no spec"),
    "the spec's file is renamed": (
        lambda at: (at / "specs/small.yaml").rename(at / "specs/other.yaml"),
        3,
        "changed: generated/small/model.py",
    ),
    "the specs are gone": (lambda at: shutil.rmtree(at / "specs"), 2, "no folder specs/"),
    "there is no spec": (lambda at: (at / "specs/small.yaml").unlink(), 2, "no specs"),
    "a spec is empty": (lambda at: (at / "specs/other.yaml").touch(), 2, "a spec is a mapping"),
}


@pytest.mark.drawn
@pytest.mark.parametrize("cached", [True, False], ids=["with a verdict", "without"])
@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
def test_a_check_fails_when(
    project: Path, damage: tuple[Callable[[Path], object], int, str], cached: bool
) -> None:
    change, code, message = damage
    if not cached:
        forget(project)
    change(project)
    ran = tgen("check")
    assert ran.code == code, ran.out + ran.err
    assert message in ran.out + ran.err and "Traceback" not in ran.err
    assert tgen("check").code == code, "the second look was kinder"


def test_a_spec_outside_the_specs_folder_is_checked_too(project: Path) -> None:
    (project / "elsewhere").mkdir()
    spec = project / "elsewhere/far.yaml"
    spec.write_text(SPEC.replace("small", "far"))
    assert tgen("build", "elsewhere/far.yaml", "--no-test").code == 0
    assert "2 of 2 packages are fresh" in tgen("check").out
    edit(spec, "layers: 2", "layers: 3")
    ran = tgen("check")
    assert ran.code == 3 and "run: tgen build elsewhere/far.yaml" in ran.out
    spec.unlink()
    assert tgen("check").code == 3


@pytest.mark.parametrize("spec", ["specs/far.yaml", "elsewhere/far.yaml"])
def test_a_damaged_lock_fails_its_own_package_only(project: Path, spec: str) -> None:
    (project / "elsewhere").mkdir()
    (project / spec).write_text(SPEC.replace("small", "far"))
    assert tgen("build", spec, "--no-test").code == 0
    (project / "generated/far/tgen.lock").write_text("{")
    ran = tgen("check", "--json")
    assert ran.code == (2 if spec.startswith("specs") else 3)
    assert ran.json["packages"][0]["fresh"] or ran.json["packages"][1]["fresh"]
    (finding,) = ran.json["findings"]
    assert finding["package"] == "far"
    assert finding["rule"] == ("not-checked" if spec.startswith("specs") else "orphan-package")


def verdict_of(project: Path) -> Path:
    (path,) = (project / ".tgen/verdicts").iterdir()
    return path


FORGERIES: dict[str, Callable[[dict[str, Any]], object]] = {
    "of no package": lambda kept: kept.update(packages=[]),
    "of no file": lambda kept: kept["packages"][0].update(outputs={}),
    "of no spec": lambda kept: kept.update(sources={}),
    "of another form": lambda kept: kept.update(packages=[{"name": "small", "fresh": True}]),
    "without packages": lambda kept: kept.pop("packages"),
}


@pytest.mark.parametrize("forge", FORGERIES.values(), ids=FORGERIES.keys())
def test_a_verdict_that_proves_nothing_is_not_believed(
    project: Path, forge: Callable[[dict[str, Any]], object]
) -> None:
    key = json.loads(verdict_of(project).read_text().split("\n")[1])["key"]
    kept: Any = recall(project, key)
    forge(kept)
    remember(project, key, kept)
    assert recall(project, key) == kept
    (project / "generated/small/train.py").unlink()
    assert tgen("check").code == 3


def test_a_damaged_verdict_is_not_believed(project: Path) -> None:
    path = verdict_of(project)
    path.write_text(path.read_text().replace('"edits": []', '"edits": [1]'))
    (project / "generated/small/train.py").unlink()
    assert tgen("check").code == 3


def test_a_cache_of_verdicts_from_another_project_is_not_believed(
    project: Path, built: Path, tmp_path: Path
) -> None:
    edit(project / "specs/small.yaml", "layers: 2", "layers: 3")
    assert tgen("build", "--no-test").code == 0
    shutil.rmtree(project / "generated")
    shutil.copytree(built / "generated", project / "generated")
    assert tgen("check").code == 3


def test_a_build_that_was_cut_off_is_told_of_once(project: Path) -> None:
    before = (project / "generated/small/model.py").read_bytes()
    edit(project / "specs/small.yaml", "layers: 2", "layers: 3")
    child = fork()
    if child == 0:
        pytest.MonkeyPatch().setattr(staging, "_carry_out", lambda *_: os._exit(9))
        tgen("build", "--no-test")
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    assert (project / "generated/.tgen-small/journal.json").exists()
    ran = tgen("check")
    assert ran.code == 3 and "1 of 1 packages are fresh" in ran.out
    assert "a build of small had been cut off: its package is the new one now" in ran.err
    assert "run: tgen check" in ran.out
    assert (project / "generated/small/model.py").read_bytes() != before
    assert tgen("check").code == 0


@pytest.fixture(scope="module")
def tool(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of tgen that a test may change."""
    folder = tmp_path_factory.mktemp("tool")
    for part in ("codegen", "templates"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / part, folder / part, ignore=ignored)
    return folder


def check_with(tool: Path, project: Path, code: str = CHECK) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(tool), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-c", code]
    return subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True)


VERSIONS = {
    "other templates": (
        "templates/package/log.py.jinja",
        "What training shows",
        "What training may show",
        3,
    ),
    "other code": (
        "codegen/plan/transformer/describe.py",
        "a decoder-only",
        "an autoregressive",
        3,
    ),
    "a broken template": ("templates/package/log.py.jinja", "What training", "{% if What", 2),
}


@pytest.mark.parametrize("version", VERSIONS.values(), ids=VERSIONS.keys())
def test_a_verdict_of_another_tgen_is_not_believed(
    project: Path, tool: Path, version: tuple[str, str, str, int]
) -> None:
    name, old, new, code = version
    assert check_with(tool, project).returncode == 0
    text = (tool / name).read_text()
    edit(tool / name, old, new)
    ran = check_with(tool, project)
    (tool / name).write_text(text)
    assert ran.returncode == code, ran.stdout + ran.stderr
    assert check_with(tool, project).returncode == 0


HEAVY = ("jinja2", "pydantic", "libcst", "yaml", "torch", "rich", "difflib", "subprocess")
LOOK = f"""\
import sys
from codegen.cli import main
try:
    main(args=["check"])
finally:
    print(sorted(set({HEAVY}) & set(sys.modules)))
"""


@pytest.mark.parametrize("edited", [False, True], ids=["as generated", "with edits"])
def test_a_check_of_what_a_verdict_proves_fresh_imports_nothing_heavy(
    project: Path, edited: bool
) -> None:
    if edited:
        edit(project / "generated/small/train.py", "import os\n", "import os  # mine\n")
        assert tgen("build", "--no-test").code == 0
    said = "small: fresh, with edits in train.py\n1 of 1 packages are fresh, 1 with edits"
    ran = check_with(ROOT, project, LOOK)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout == f"{said if edited else '1 of 1 packages are fresh'}\n[]\n"
