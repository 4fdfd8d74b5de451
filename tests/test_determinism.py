"""The same spec gives the same bytes, wherever and however tgen runs."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.projects import files_of

ROOT = Path(__file__).parent.parent
SHUFFLE = """
import builtins, glob, os, random, pathlib

draw = random.Random({seed})

def shuffled(found):
    found = list(found)
    draw.shuffle(found)
    return found

class Scan:
    def __init__(self, found):
        self.found = found
        self.entries = iter(shuffled(found))
    def __iter__(self):
        return self.entries
    def __next__(self):
        return next(self.entries)
    def __enter__(self):
        return self
    def __exit__(self, *error):
        self.close()
    def close(self):
        self.found.close()

listdir, scandir = os.listdir, os.scandir
os.listdir = lambda *place: shuffled(listdir(*place))
os.scandir = lambda *place: Scan(scandir(*place))
for name in ("glob", "rglob", "iterdir"):
    def find(self, *pattern, really=getattr(pathlib.Path, name), **options):
        return iter(shuffled(really(self, *pattern, **options)))
    setattr(pathlib.Path, name, find)
print("shuffled", file=open({told!r}, "a"))
"""
PLACES: dict[str, dict[str, str]] = {
    "another hash seed": {"PYTHONHASHSEED": "1"},
    "a locale of ASCII": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    "a Turkish locale": {"LC_ALL": "tr_TR.ISO-8859-9", "LANG": "tr_TR.ISO-8859-9"},
    "another encoding of output": {"PYTHONIOENCODING": "ascii:strict"},
    "another time zone": {"TZ": "Pacific/Kiritimati", "SOURCE_DATE_EPOCH": "0"},
    "a narrow terminal": {"COLUMNS": "20", "LINES": "5", "NO_COLOR": "1"},
    "a terminal of colours": {"FORCE_COLOR": "1", "TERM": "xterm-256color"},
    "optimised bytecode": {"PYTHONOPTIMIZE": "2"},
    "a user with settings": {"RUFF_CONFIG": "/nowhere", "RUFF_LINE_LENGTH": "60"},
}


ALL = tuple(path.stem for path in sorted((ROOT / "specs").glob("*.yaml")))
FEW = ("gpt", "streaming", "t5_small", "vit_b16")  # one of each kind, for the short run


def copy_to(folder: Path, names: Iterable[str]) -> Path:
    """A project elsewhere with these specs of this one."""
    (folder / "specs").mkdir(parents=True)
    for name in names:
        shutil.copy(ROOT / f"specs/{name}.yaml", folder / "specs")
    (folder / "pyproject.toml").write_text("[tool.tgen]\n[tool.ruff]\nline-length = 60\n")
    return folder


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return copy_to(tmp_path / "copy", ALL)


def built(
    project: Path, cwd: Path | None = None, out: str = "generated", umask: int = -1, **env: str
) -> dict[str, str]:
    """The digest of every file of a cold build in a fresh process."""
    shutil.rmtree(project / ".tgen", ignore_errors=True)
    command = [sys.executable, "-m", "codegen", "build", str(project / "specs")]
    command += ["--no-test", "--out", str(project / out)]
    environment = {"PYTHONHASHSEED": "0", **os.environ, "PYTHONPATH": str(ROOT), **env}
    done = subprocess.run(
        command, cwd=cwd or project, env=environment, capture_output=True, text=True, umask=umask
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return digests(project / out)


def digests(folder: Path) -> dict[str, str]:
    return {name: hashlib.sha256(data).hexdigest() for name, data in files_of(folder).items()}


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What every build must come to."""
    found = built(copy_to(tmp_path_factory.mktemp("first") / "copy", ALL))
    assert len(found) > 10 * len(ALL)
    return found


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What every build of the few must come to."""
    found = built(copy_to(tmp_path_factory.mktemp("few") / "copy", FEW))
    assert len(found) > 10 * len(FEW)
    return found


def shuffling(folder: Path, seed: int) -> str:
    """A search path under which folders list their files in any order."""
    folder.mkdir()
    text = SHUFFLE.format(seed=seed, told=str(folder / "told"))
    (folder / "sitecustomize.py").write_text(text)
    return os.pathsep.join((str(folder), str(ROOT)))


def test_another_process_in_another_place_changes_no_byte(
    tmp_path: Path, few: dict[str, str]
) -> None:
    odd = copy_to(tmp_path / "a folder, named '\u00fcnlike' others" / "x", FEW)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    everything = {name: value for env in PLACES.values() for name, value in env.items()}
    everything["PYTHONPATH"] = shuffling(tmp_path / "site", 0)
    assert built(odd, cwd=elsewhere, out="out", umask=0o077, **everything) == few
    assert "shuffled" in (tmp_path / "site/told").read_text()


@pytest.mark.long
@pytest.mark.parametrize("place", PLACES)
def test_each_of_its_differences_changes_no_byte(
    copy: Path, first: dict[str, str], place: str
) -> None:
    assert built(copy, **PLACES[place]) == first


@pytest.mark.long
@pytest.mark.parametrize("seed", range(4))
def test_the_order_of_a_folder_changes_no_byte(
    copy: Path, tmp_path: Path, first: dict[str, str], seed: int
) -> None:
    assert built(copy, PYTHONPATH=shuffling(tmp_path / "site", seed)) == first


@pytest.mark.long
def test_a_mask_of_permissions_changes_no_byte(copy: Path, first: dict[str, str]) -> None:
    assert built(copy, umask=0o077) == first


def test_a_checkout_with_other_line_ends_is_fresh_and_is_left_alone(
    tmp_path: Path, few: dict[str, str]
) -> None:
    copy = copy_to(tmp_path / "copy", FEW)
    assert built(copy) == few
    for path in [*copy.glob("specs/*"), *copy.glob("generated/**/*")]:
        if path.is_file():
            path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    before = digests(copy / "generated")
    for arguments in (["check"], ["build", "--no-test"], ["check"]):
        shutil.rmtree(copy / ".tgen", ignore_errors=True)
        done = subprocess.run(
            [sys.executable, "-m", "codegen", *arguments],
            cwd=copy,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert digests(copy / "generated") == before


def test_the_committed_packages_are_what_the_specs_say() -> None:
    command = [sys.executable, "-m", "codegen", "check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_nothing_generated_names_a_path_of_this_machine_or_a_time() -> None:
    for path in (ROOT / "generated").rglob("*"):
        if path.is_file() and path.suffix in (".py", ".md", ".lock"):
            text = path.read_text(encoding="utf-8")
            assert str(ROOT) not in text and "202" + "6-" not in text, path
