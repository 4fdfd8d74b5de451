"""Whatever a package reads may be damaged: one clear line that says where, and exit code 2.

Every kind of file that a package reads is changed in every way of damage.py, each in its turn.
"""

from __future__ import annotations

import importlib
import os
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from tests.packages import write_package
from tests.plain import EVIL, forged
from tests.training.damage import Change, changes
from tests.training.file_kinds import GOOD, KINDS, SPECS, Kind, npy
from tests.training.special_damage import SPECIAL

# What torch and numpy say of sizes and headers on the way to the error.
pytestmark = [
    pytest.mark.filterwarnings("ignore:Initializing zero-element tensors"),
    pytest.mark.filterwarnings("ignore:invalid escape sequence"),
]
SECONDS = 5.0  # of this process: others may be on the machine
# What stands for a file of which no path is known where it turns out not to fit.
OPTIONS = ("--separator", "the tokenizer", "the vocabulary", "the training split", "the validation")
NO_END = 60  # seconds


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A project with the packages, made when they are asked for."""
    folder = tmp_path_factory.mktemp("damaged")
    (folder / "generated").mkdir()
    sys.path.insert(0, str(folder / "generated"))
    yield folder
    sys.path.remove(str(folder / "generated"))
    for name in [module for module in sys.modules if module.partition(".")[0] in SPECS]:
        del sys.modules[name]


@pytest.fixture(autouse=True)
def an_end() -> Iterator[None]:
    """What waits without end, for a pipe, is an error."""

    def late(*_: object) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, late)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def command(root: Path, package: str, module: str) -> ModuleType:
    if not (root / "generated" / package).exists():
        write_package(root, {"name": package, **SPECS[package]})
    return importlib.import_module(f"{package}.{module}")


def finished(root: Path, kind: Kind) -> Path:
    """What stands in a folder before a kind is written: what a run leaves, or a good corpus."""
    done = root / f"{kind.package}_{'run' if kind.needs else 'fresh'}"
    if not done.exists():
        done.mkdir()
        if kind.package in GOOD:
            GOOD[kind.package](done / "good")
        before = Path.cwd()
        os.chdir(done)
        try:
            assert not kind.needs or command(root, kind.package, "train").main(kind.needs) == 0
        finally:
            os.chdir(before)
    return done


def check_said(kind: Kind, change: str, code: int, out: str, err: str) -> None:
    """What a command printed is plain, and an error is one line that names the file."""
    assert not forged(out) and not forged(err), (change, out, err)
    assert code in (0, 2), (change, code, err)
    if code == 2:
        (line,) = [line for line in err.splitlines() if not line.startswith("warning: ")]
        assert line.startswith("error: ") and len(line) < 2000, (change, line)
        names = (Path(kind.file).name, Path(kind.file).parent.name, *OPTIONS)
        assert any(name and name in line for name in names), (change, line)


def check_damaged(
    root: Path, kind: Kind, change: str, damage: Change, capture: pytest.CaptureFixture[str]
) -> int:
    """The exit code of a command that reads a damaged file of the current folder."""
    path = Path(kind.file)
    path.parent.mkdir(parents=True, exist_ok=True)
    if kind.write:
        kind.write(path)
    if kind.file.startswith("d/"):
        npy(path.with_name("train.npy"))
    damage(path)
    capture.readouterr()
    before = time.process_time()
    signal.alarm(NO_END)
    try:
        code: int = command(root, kind.package, kind.module).main(kind.arguments)
    except SystemExit as error:
        code = int(error.code or 0)
    except Exception as error:
        raise AssertionError(f"{change}: {type(error).__name__}: {error}") from error
    signal.alarm(0)
    assert time.process_time() - before < SECONDS, change
    check_said(kind, change, code, *capture.readouterr())
    return code


def check_kind(
    name: str,
    chosen: dict[str, Change],
    root: Path,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capture: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)  # a plot takes a second
    before = finished(root, KINDS[name])
    refused = 0
    for number, (change, damage) in enumerate(chosen.items()):
        place = folder / str(number)
        shutil.copytree(before, place)
        monkeypatch.chdir(place)
        refused += check_damaged(root, KINDS[name], change, damage, capture) == 2
    assert refused > len(chosen) // 4  # they are damaged


@pytest.mark.drawn
@pytest.mark.parametrize("name", KINDS)
def test_a_damaged_file_is_one_clear_line(
    name: str,
    root: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    chosen = {**changes(len(name), count=6), **SPECIAL.get(name, {})}
    check_kind(name, chosen, root, tmp_path, monkeypatch, capfd)


@pytest.mark.long
@pytest.mark.parametrize("name", KINDS)
def test_many_random_changes_are_each_one_clear_line(
    name: str,
    root: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    check_kind(name, changes(count=200), root, tmp_path, monkeypatch, capfd)


@pytest.mark.parametrize("name", SPECIAL)
def test_what_only_such_a_file_can_say_wrong_is_refused(
    name: str,
    root: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    before = finished(root, KINDS[name])
    for number, (change, damage) in enumerate(SPECIAL[name].items()):
        place = tmp_path / str(number)
        shutil.copytree(before, place)
        monkeypatch.chdir(place)
        assert check_damaged(root, KINDS[name], change, damage, capfd) == 2, change


@pytest.mark.parametrize("module", ["train", "sample"])
def test_a_name_of_a_file_forges_nothing(
    module: str,
    root: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(EVIL).write_bytes(b"\xff")
    option = {"train": "--data", "sample": "--checkpoint"}[module]
    assert command(root, "causal", module).main([option, EVIL]) == 2
    err = capfd.readouterr().err
    assert err.count("\n") == 1 and not forged(err)
