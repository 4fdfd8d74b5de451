"""Whatever value an option gets: the command works, or says in one line why not, and soon.

Every option of every command of a package of each kind is tried with every odd value.
"""

from __future__ import annotations

import argparse
import importlib
import os
import random
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.packages import write_package
from tests.training.file_kinds import CONTEXT, GOOD, PLAYED, SPECS, TRAINED, photograph, rows

GOODS: dict[str, Callable[[Path], object]] = {
    **GOOD,
    "pairs": rows,
    "photographs": lambda path: photograph(path / "val/1.png"),
}
BYTES = ["--tokenizer", "byte"]
COMMANDS: dict[str, dict[str, list[str]]] = {  # train's arguments leave what the others read
    "causal": {
        "train": [*TRAINED, *CONTEXT],
        "sample": ["--checkpoint", "out", "--prompt", "green", "--tokens", "3"],
        "evaluate": ["--checkpoint", "out"],
    },
    "pairs": {
        "train": [*TRAINED, *CONTEXT, *BYTES, "--separator", "10"],
        "sample": ["--checkpoint", "out", "--source", "green", "--tokens", "3"],
        "evaluate": ["--checkpoint", "out", "--tokens", "3", "--limit", "2"],
        "data": ["train-tokenizer", "--data", "good", "--vocab-size", "270"],
    },
    "classes": {
        "train": [*TRAINED, *CONTEXT, *BYTES],
        "predict": ["--checkpoint", "out", "--text", "green"],
        "evaluate": ["--checkpoint", "out"],
    },
    "blanks": {
        "train": [*TRAINED, *CONTEXT],
        "fill": ["--checkpoint", "out", "--text", "gre[MASK]n"],
        "evaluate": ["--checkpoint", "out"],
    },
    "tags": {
        "train": [*TRAINED, *CONTEXT],
        "predict": ["--checkpoint", "out", "--sentence", "9 green bottles"],
    },
    "twins": {
        "train": [*TRAINED, *CONTEXT, *BYTES],
        "embed": ["--checkpoint", "out", "--text", "green"],
    },
    "table": {"train": TRAINED, "predict": ["--checkpoint", "out", "--x", "1", "--z", "2"]},
    "sorted": {"train": TRAINED, "predict": ["--checkpoint", "out", "--x", "1", "--z", "2"]},
    "pictures": {"train": TRAINED, "predict": ["--checkpoint", "out", "good"]},
    "segmented": {"train": TRAINED, "predict": ["--checkpoint", "out", "good"]},
    "photographs": {"train": TRAINED, "predict": ["--checkpoint", "out", "good"]},
    "players": {
        "train": PLAYED,
        "sample": ["--checkpoint", "out"],
        "evaluate": ["--checkpoint", "out", "--count", "4"],
    },
}
NUMBERS = ["nan", "inf", "-inf", "-1", "0", "1", "1e-300", "1e300", "1e-8", "1000000000"]
NUMBERS += [str(2**63 - 1), str(2**63), str(2**70), "-" + str(2**70), "1e999", "-0.0", "2.5"]
TEXTS = ["", " ", "nonsense", "meta", "cuda", "cuda:99", "xla", "\udcff", "0", "/dev/null/x", "\n"]
# Such a count of steps takes its time, as it should.
ASKED_FOR = {("steps", "1000000000"), ("steps", str(2**63 - 1)), ("epochs", "1000000000")}
NO_END = 30  # seconds


class LateError(BaseException):
    """No command may take it for an error of its own."""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("odd")
    (folder / "generated").mkdir()
    sys.path.insert(0, str(folder / "generated"))
    yield folder
    sys.path.remove(str(folder / "generated"))
    for name in [module for module in sys.modules if module.partition(".")[0] in SPECS]:
        del sys.modules[name]


def trained(project: Path, package: str) -> Path:
    """A folder with good data and a run's results, made once."""
    done = project / package
    if not done.exists():
        write_package(project, {"name": package, **SPECS[package]})
        done.mkdir()
        GOODS[package](done / "good")
        before = Path.cwd()
        os.chdir(done)
        try:
            module = importlib.import_module(f"{package}.train")
            assert module.main(COMMANDS[package]["train"]) == 0
        finally:
            os.chdir(before)
    return done


def options_of(module: ModuleType, arguments: list[str]) -> list[argparse.Action]:
    """What a command can be told, as its parser has it when it begins to parse."""
    found: list[argparse.Action] = []

    def parse(self: argparse.ArgumentParser, *_: Any, **__: Any) -> None:
        for action in self._actions:
            nested = action.choices.values() if isinstance(action.choices, dict) else ()
            for each in (self, *nested):
                found.extend(a for a in each._actions if a.option_strings and a.nargs != 0)
        raise SystemExit

    with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit):
        patch.setattr(argparse.ArgumentParser, "parse_args", parse)
        module.main(arguments)
    return list({action.dest: action for action in found}.values())


def cases(project: Path, package: str) -> list[tuple[str, str, str]]:
    """Command, option and value, of all there are."""
    trained(project, package)
    found = []
    for command, arguments in COMMANDS[package].items():
        for action in options_of(importlib.import_module(f"{package}.{command}"), arguments):
            if isinstance(action, argparse.BooleanOptionalAction):
                continue
            values = NUMBERS if action.type in (int, float) else TEXTS
            flag = action.option_strings[-1]
            found += [(command, flag, v) for v in values if (flag[2:], v) not in ASKED_FOR]
    return found


def check_end(
    project: Path, package: str, case: tuple[str, str, str], capture: pytest.CaptureFixture[str]
) -> None:
    command, flag, value = case
    arguments = [*COMMANDS[package][command], f"{flag}={value}"]
    if command == "train":
        arguments.append("--overwrite")
    module = importlib.import_module(f"{package}.{command}")
    capture.readouterr()
    signal.alarm(NO_END)
    try:
        code = module.main(arguments)
    except SystemExit as error:  # argparse's own, of what is no number
        code = int(error.code or 0)
    except (Exception, LateError) as error:
        raise AssertionError(f"{package} {case}: {type(error).__name__}: {error}") from error
    finally:
        signal.alarm(0)
    err = capture.readouterr().err
    assert code in (0, 2), (package, case, code, err)
    assert "Traceback" not in err
    if code == 2 and not err.startswith("usage: "):
        (line,) = [line for line in err.splitlines() if not line.startswith("warning: ")]
        assert line.startswith("error: ") and len(line) < 500, (package, case, line)


def check_all(
    project: Path,
    package: str,
    chosen: list[tuple[str, str, str]],
    folder: Path,
    capture: pytest.CaptureFixture[str],
) -> None:
    def late(*_: object) -> None:
        raise LateError

    before = signal.signal(signal.SIGALRM, late)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "matplotlib.figure", None)  # a plot takes a second
        try:
            for number, case in enumerate(chosen):
                place = folder / str(number)
                shutil.copytree(trained(project, package), place)
                patch.chdir(place)
                check_end(project, package, case, capture)
        finally:
            signal.signal(signal.SIGALRM, before)


@pytest.mark.drawn
@pytest.mark.parametrize("package", COMMANDS)
def test_an_odd_value_is_one_clear_line(
    package: str, project: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    chosen = random.Random(package).sample(cases(project, package), 12)
    check_all(project, package, chosen, tmp_path, capfd)


@pytest.mark.long
@pytest.mark.parametrize("package", COMMANDS)
def test_every_odd_value_is_one_clear_line(
    package: str, project: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    check_all(project, package, cases(project, package), tmp_path, capfd)
