"""What lies in a package or around it and isn't tgen's is told; docs/check.md says of each how."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import json
import marshal
import os
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import pytest

from codegen.emit.importable import hidden_by, module_of
from codegen.project import find_project
from codegen.render.render import environment
from codegen.verify import run_tests
from tests.small_project import edit, tgen, write_project

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs/check.md").read_text(encoding="utf-8")
SECTION = PAGE.partition("## What else lies there")[2].partition("\n## ")[0]
ROWS = re.findall(r"^\| (`.*?) \| (\d) \| (\d) \| (.*) \|$", SECTION, re.MULTILINE)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose package is fresh and proved so by a verdict."""
    folder = write_project(tmp_path_factory.mktemp("built") / "project")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert tgen("build", "--no-test").code == 0
    return folder


@pytest.fixture
def project(built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, and the current folder."""
    folder = tmp_path / "project"
    shutil.copytree(built, folder)
    monkeypatch.chdir(folder)
    monkeypatch.delenv("CI", raising=False)
    return folder


def put(path: Path) -> None:
    """A file, or a folder with one in it."""
    inside = path / "__init__.py" if path.suffix == "" else path
    inside.parent.mkdir(parents=True, exist_ok=True)
    inside.write_text("x = 1\n")


def link(path: Path) -> None:
    """The same bytes, elsewhere."""
    path.rename(path.with_name("elsewhere.txt"))
    path.symlink_to("elsewhere.txt")


def forge(path: Path, code: str = "x = 1") -> None:
    """Bytecode that is as old and as large as its source, and says something else."""
    source = path.parents[1] / "model.py"
    path = Path(importlib.util.cache_from_source(str(source)))
    path.parent.mkdir(exist_ok=True)
    stat = os.stat(source)
    parts = (0, int(stat.st_mtime), stat.st_size)
    header = importlib.util.MAGIC_NUMBER + b"".join(n.to_bytes(4, "little") for n in parts)
    path.write_bytes(header + marshal.dumps(compile(code, str(source), "exec")))


MADE_BY: dict[str, Callable[[Path], object]] = {
    "a symbolic link": link,
    "forged": forge,
    "not there": Path.unlink,
    "with a text": lambda path: path.write_text("import os\n"),
    "without an `__init__`": lambda path: [path.mkdir(), (path / "a.txt").touch()],
}


def make(project: Path, thing: str) -> None:
    """What the first column of a row speaks of."""
    name = re.findall("`(.*?)`", thing)[0]
    making = next((make for words, make in MADE_BY.items() if words in thing), put)
    making(project / name)


def said(words: str) -> str:
    """What a cell quotes, with or without backticks in it."""
    found = re.fullmatch(r"`` ?(.*?) ?``|`(.*)`", words)
    return (found[1] or found[2]) if found else ""


def test_the_table_has_rows_for_every_kind() -> None:
    assert len(ROWS) >= 23
    for words in MADE_BY:
        assert any(words in thing for thing, *_ in ROWS), words


@pytest.mark.drawn
@pytest.mark.parametrize("row", ROWS, ids=[row[0] for row in ROWS])
def test_a_check_says_what_the_page_says(project: Path, row: tuple[str, str, str, str]) -> None:
    thing, code, without_edits, words = row
    make(project, thing)
    for _ in range(2):
        ran = tgen("check")
        assert ran.code == int(code), ran.out + ran.err
        assert said(words) in ran.out + ran.err and "Traceback" not in ran.err
    assert tgen("check", "--no-edits").code == int(without_edits)


def test_all_formats_tell_and_a_build_tells_and_touches_nothing(project: Path) -> None:
    for name in ("notes.py", "json.py", "model.so"):
        put(project / "generated/small" / name)
    put(project / "torch.py")
    found = {f["path"]: f for f in tgen("check", "--format", "json").json["findings"]}
    assert found["generated/small/notes.py"]["level"] == "note"
    assert found["torch.py"]["rule"] == "misleading-file"
    annotations = tgen("check", "--format", "github").out
    results = json.loads(tgen("check", "--format", "sarif").out)["runs"][0]["results"]
    places = [r["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for r in results]
    ran = tgen("build", "--no-test")
    assert ran.code == 3 and re.search(r"^  yours +notes.py$", ran.out, re.MULTILINE)
    for name in ("generated/small/json.py", "generated/small/model.so", "torch.py"):
        assert found[name]["level"] == "error"
        assert f"::error file={name}," in annotations and name in places
        assert f"error: {name}: " in ran.err
        assert (project / name).read_text() == "x = 1\n"
    assert (project / "generated/small/notes.py").exists()
    assert "generated/small/notes.py: added" in tgen("edits").out


def test_a_build_brings_back_the_file_through_which_packages_are_imported(project: Path) -> None:
    (project / "generated/__init__.py").unlink()
    assert "run: tgen build" in tgen("check").out
    assert tgen("build", "--no-test").code == 0 and tgen("check").code == 0


SUFFIXES = (
    ".py", ".pyc", ".pyw", ".so", ".abi3.so", ".cpython-310-x86_64-linux-gnu.so",
    ".cpython-314t-darwin.so", ".cp311-win_amd64.pyd", "_d.cp313-win32.pyd", ".pyd",
    ".pypy310-pp73-x86_64-linux-gnu.so", ".cpython-313-iphoneos.fwork", *EXTENSION_SUFFIXES,
)  # fmt: skip


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_module_is_known_by_any_suffix_of_any_python(suffix: str) -> None:
    assert module_of(f"model{suffix}", is_folder=False) == "model"


@pytest.mark.parametrize("name", ["model.txt", "model.py.orig", "model.json.py", "a-b.py", "so"])
def test_what_no_import_finds_is_no_module(name: str) -> None:
    assert module_of(name, is_folder=False) is None


def test_every_module_that_generated_code_imports_can_be_hidden() -> None:
    trees = [ast.parse(path.read_bytes()) for path in ROOT.glob("generated/*/*.py")]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {str(n.module) for n in nodes if isinstance(n, ast.ImportFrom) and not n.level}
    tops = {name.partition(".")[0] for name in names}
    assert {"torch", "json", "numpy"} < tops
    assert [name for name in sorted(tops) if not hidden_by(name)] == []


def test_a_module_that_only_an_edit_imports_can_be_hidden_too(project: Path) -> None:
    put(project / "generated/small/einops.py")
    assert tgen("check").code == 0
    edit(project / "generated/small/train.py", "import os\n", "import os\n\nimport einops\n")
    ran = tgen("check")
    assert ran.code == 3 and "it hides `einops`, which the packages import" in ran.err


def test_leftovers_of_editors_and_tools_are_in_nobodys_way(project: Path) -> None:
    package = project / "generated/small"
    folders, files = SECTION.partition("- folders:")[2].split("- files:")
    for name in re.findall(r"`(.*?)`", folders):
        (package / name).mkdir(exist_ok=True)
        (package / name / "conftest.py").write_text("collect_ignore = ['test_small.py']\n")
    for pattern in re.findall(r"`(.*?)`", files):
        (package / pattern.replace("*", "model.py").replace("?", "p")).touch()
    compiled = compile((package / "model.py").read_bytes(), "model.py", "exec", dont_inherit=True)
    forge(package / "__pycache__/model.pyc")
    made = Path(importlib.util.cache_from_source(str(package / "model.py")))
    made.write_bytes(made.read_bytes()[:16] + marshal.dumps(compiled))
    ran = tgen("check", "--no-edits")
    assert (ran.code, ran.out) == (0, "1 of 1 packages are fresh\n")


def test_bytecode_that_asks_not_to_be_compared_is_compared(project: Path) -> None:
    source = project / "generated/small/model.py"
    forge(project / "generated/small/__pycache__/x")
    path = Path(importlib.util.cache_from_source(str(source)))
    data = bytearray(path.read_bytes())
    data[4:16] = bytes([1, *[0] * 11])
    path.write_bytes(data)
    assert tgen("check").code == 3
    other = path.with_name("model.cpython-399.pyc")
    path.rename(other)
    other.write_bytes(b"\0\0\r\n" + data[4:])
    assert tgen("check").code == 3


def test_a_forged_verdict_is_not_believed_where_none_is(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (path,) = (project / ".tgen/verdicts").iterdir()
    train = project / "generated/small/train.py"
    before = train.read_bytes()
    train.write_bytes(before.replace(b"lr", b"rl"))
    _, body = path.read_text().split("\n")[:2]
    old, new = (hashlib.sha256(text).hexdigest() for text in (before, train.read_bytes()))
    body = body.replace(old, new)
    forged = f"{hashlib.sha256(body.encode()).hexdigest()}\n{body}\n"
    path.write_text(forged)
    assert "with edits" not in tgen("check").out
    assert "with edits in train.py" in tgen("check", "--no-cache").out
    path.write_text(forged)
    monkeypatch.setenv("CI", "true")
    assert "with edits in train.py" in tgen("check").out


def test_compiled_templates_are_not_believed_either(project: Path) -> None:
    here = find_project(project)
    assert environment(here).bytecode_cache is not None
    assert environment(replace(here, believing=False)).bytecode_cache is None


def test_tests_that_tgen_runs_are_not_emptied_by_what_lies_beside_them(tmp_path: Path) -> None:
    package = tmp_path / "generated/small"
    put(package)
    put(package.parent)
    (package / "test_small.py").write_text("def test_a(): pass\n\n\ndef test_b(): assert False\n")
    empty = "def pytest_collection_modifyitems(items):\n    del items[1:]\n"
    (package / "conftest.py").write_text(empty)
    (package / "pytest.ini").write_text("[pytest]\npython_functions = test_a\n")
    report = run_tests({"small": package})["small"]
    assert (report.passed, report.failed) == (1, 1)
