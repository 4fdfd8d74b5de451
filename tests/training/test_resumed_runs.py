"""A run that is taken up says what is no longer what it was, in the words of docs/training.md."""

from __future__ import annotations

import importlib
import json
import re
import shutil
import struct
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from tests.packages import import_package
from tests.training.conftest import TEXT
from tests.training.file_kinds import CONTEXT, GOOD, PLAYED, SPECS, TRAINED
from tests.training.special_damage import DIGESTS

DOCS = Path(__file__).parents[2] / "docs/training.md"
LAST = Path("out/checkpoint.safetensors")
RUNS = {  # of a text, of pairs, of images, and of two networks
    "causal": [*TRAINED, *CONTEXT],
    "worded": [*TRAINED, *CONTEXT],
    "pictures": TRAINED,
    "players": PLAYED,
}
LEFT = {
    "causal": "tokenizer.json",
    "worded": "tokenizer.json",
    "pictures": "images.json",
    "players": "images.json",
}
RESUMED = ["--out", "out", "--resume", "--steps", "2"]
AFTER = ["--eval-every", "1"]
Change = Callable[[str], object]


def rows_of_docs() -> dict[str, tuple[list[str], str]]:
    """What has changed: the words that are said, and whether that is an error or a warning."""
    section = DOCS.read_text().split("## Going on\n")[1].split("\n## ")[0]
    rows = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("| ")]
    return {
        what.strip(): (re.findall("`(.+?)`", said), kind.strip()) for what, said, kind in rows[1:]
    }


def pixels(path: str) -> None:
    with Image.open(path) as picture:
        size, mode = picture.size, picture.mode
    Image.new(mode, size, 77).save(path)


def other_data(package: str) -> None:
    """Under the same path, of the same characters and words, sizes and classes."""
    if package == "causal":
        Path("good").write_text(TEXT[::-1])
    elif package == "worded":
        lines = Path("good").read_text().splitlines()
        Path("good").write_text("\n".join([lines[1], lines[0], *lines[2:]]))
    else:
        pixels("good/c/2.png")


def edited_file(package: str) -> None:
    path = Path("out", LEFT[package])
    facts = json.loads(path.read_text())
    if "characters" in facts:
        facts["characters"] = facts["characters"][::-1]
    elif "words" in facts:
        facts["words"][-2:] = facts["words"][:-3:-1]
    else:
        facts["classes"] = facts["classes"][::-1]
    path.write_text(json.dumps(facts))


def flipped(path: Path, at: int = -3) -> None:
    raw = bytearray(path.read_bytes())
    raw[at] ^= 1
    path.write_bytes(raw)


def of_tensors(path: Path) -> int:
    """Where the bytes of tensors begin."""
    return 8 + int(struct.unpack("<Q", path.read_bytes()[:8])[0])


def rewritten(
    change: Callable[[dict[str, torch.Tensor], dict[str, str]], object], path: Path = LAST
) -> None:
    """A checkpoint with other tensors or metadata, as a person's script writes it."""
    tensors = load_file(path)
    with safe_open(path, framework="pt") as file:
        metadata = dict(file.metadata())
    change(tensors, metadata)
    save_file(tensors, path, metadata)


def first_moment(tensors: dict[str, Any]) -> str:
    return next(name for name in sorted(tensors) if name.endswith(".exp_avg"))


def halved(tensors: dict[str, torch.Tensor]) -> None:
    for name, tensor in tensors.items():
        if name.startswith("model.") and tensor.is_floating_point():
            tensors[name] = tensor.bfloat16()


def undigested(tensors: dict[str, torch.Tensor], metadata: dict[str, str]) -> None:
    for name in DIGESTS:
        metadata.pop(name, None)
    if "options" in metadata:
        options = json.loads(metadata["options"])
        options.pop("new_data")
        metadata["options"] = json.dumps(options)


def log_lines(change: Callable[[list[str]], list[str]]) -> None:
    path = Path("out/log.jsonl")
    path.write_text("\n".join(change(path.read_text().splitlines())) + "\n")


CHANGES: dict[str, list[Change]] = {
    "the data under the same path, or how they are read": [other_data],
    "`tokenizer.json`, `images.json`, `columns.json`, `classes.json`": [
        edited_file,
        lambda package: flipped(Path("out", LEFT[package]), 10),
    ],
    "one of these is missing": [lambda package: Path("out", LEFT[package]).unlink()],
    "a bit of a tensor": [
        lambda _: flipped(LAST),
        lambda _: flipped(LAST, of_tensors(LAST) + 5),
    ],
    "the step, an option or other metadata": [
        lambda _: rewritten(lambda _, said: said.update(step="0")),
        lambda _: rewritten(lambda _, said: said.update(best="0.5")),
        lambda _: rewritten(lambda _, said: said.update(options=said["options"] + " ")),
        lambda _: rewritten(lambda _, said: said.pop("log")),
        lambda _: rewritten(lambda _, said: said.pop("digest")),
    ],
    "a moment of the optimizer is missing": [
        lambda _: rewritten(lambda them, _: them.pop(first_moment(them))),
    ],
    "weights in another precision": [lambda _: rewritten(lambda them, _: halved(them))],
    "`best.safetensors` is damaged or missing": [
        lambda _: flipped(Path("out/best.safetensors")),
        lambda _: Path("out/best.safetensors").unlink(),
    ],
    "lines of `log.jsonl` are missing or changed": [
        lambda _: log_lines(lambda lines: lines[1:]),
        lambda _: log_lines(lambda lines: [lines[0].replace("0.", "1.", 1), *lines[1:]]),
        lambda _: Path("out/log.jsonl").unlink(),
    ],
    "a line of `log.jsonl` that is no record": [
        lambda _: log_lines(lambda lines: [lines[0][:9], *lines[1:]]),
    ],
    "a checkpoint without digests, of an earlier version": [lambda _: rewritten(undigested)],
}
BOTH = "a line of `log.jsonl` that is no record"  # which says of the log that it has changed, too
ELSEWHERE = {"another run trains into the folder"}  # test_runs_of_one_folder.py


@dataclass(frozen=True)
class Packages:
    root: Path
    modules: dict[str, ModuleType]

    def train(self, package: str) -> ModuleType:
        if package not in self.modules:
            spec = {"name": package, **SPECS[package]}
            (self.modules[package],) = import_package(self.root, spec, "train")
        return self.modules[package]

    def command(self, package: str, module: str) -> ModuleType:
        """Another of its commands."""
        train = self.train(package)
        return importlib.import_module(f"{train.__package__}.{module}")


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Packages]:
    yield Packages(tmp_path_factory.mktemp("resumed"), {})


@pytest.fixture(params=RUNS)
def run(
    request: pytest.FixtureRequest, packages: Packages, monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    """A finished run in the folder `before`, and this one the current folder."""
    package: str = request.param
    before = packages.root / f"{package}_run"
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)  # a plot takes a second
    if not before.exists():
        before.mkdir()
        monkeypatch.chdir(before)
        GOOD[package](Path("good"))
        assert packages.train(package).main(RUNS[package]) == 0
    monkeypatch.chdir(before)
    yield package


def afresh(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A copy of the finished run becomes the current folder."""
    shutil.copytree(Path.cwd(), folder)
    monkeypatch.chdir(folder)


def contents() -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in Path("out").iterdir() if path.is_file()}


def test_the_docs_have_a_row_for_all_that_may_change() -> None:
    assert rows_of_docs().keys() == CHANGES.keys() | ELSEWHERE


@pytest.mark.drawn
@pytest.mark.parametrize("what", CHANGES)
def test_a_resumed_run_says_what_has_changed(
    what: str,
    run: str,
    packages: Packages,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    words, kind = rows_of_docs()[what]
    finished = Path.cwd()
    for number, change in enumerate(CHANGES[what]):
        monkeypatch.chdir(finished)
        afresh(tmp_path / str(number), monkeypatch)
        change(run)
        before = contents()
        capfd.readouterr()
        code = packages.train(run).main(RESUMED)
        said = [line for line in capfd.readouterr().err.splitlines() if "step 2" not in line]
        assert len(said) == 1 + (what == BOTH) and said[-1].startswith(f"{kind}: "), said
        assert all(word in said[-1] for word in words), said
        assert code == (2 if kind == "error" else 0)
        if kind == "error":
            assert contents() == before
        if "--new-data" in words and not number:
            assert packages.train(run).main([*RESUMED, "--new-data"]) == 0
            capfd.readouterr()
            assert packages.train(run).main([*RESUMED, "--steps", "3"]) == 0
            assert "warning: out" not in capfd.readouterr().err


def test_what_nothing_has_changed_is_taken_up_without_a_word(
    run: str,
    packages: Packages,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    afresh(tmp_path / "again", monkeypatch)
    capfd.readouterr()
    assert packages.train(run).main(RESUMED) == 0
    assert "out/" not in capfd.readouterr().err


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda them: them.pop(first_moment(them)), "has no exp_avg of"),
        (lambda them: [them.pop(n) for n in [*them] if n.endswith(".step")], "has no step of"),
        (lambda them: [them.pop(n) for n in [*them] if n[:9] == "optimizer"], "has no step of"),
        (halved, "as torch.bfloat16, and the model as torch.float32"),
        (
            lambda them: them.update({first_moment(them): them[first_moment(them)].half()}),
            "as torch.float16, not torch.float32",
        ),
    ],
)
def test_what_lacks_is_told_without_digests_too(
    change: Callable[[dict[str, torch.Tensor]], object],
    words: str,
    run: str,
    packages: Packages,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    afresh(tmp_path / "again", monkeypatch)

    def both(tensors: dict[str, torch.Tensor], metadata: dict[str, str]) -> None:
        change(tensors)
        undigested(tensors, metadata)

    rewritten(both)
    capfd.readouterr()
    assert packages.train(run).main(RESUMED) == 2
    _, error = capfd.readouterr().err.splitlines()
    assert error.startswith("error: ") and words in error, error


USES: dict[str, dict[str, list[str]]] = {  # of a trained model
    "causal": {"sample": ["--prompt", "9 green", "--tokens", "3"], "evaluate": []},
    "worded": {"sample": ["--source", "9 green bottles", "--tokens", "3"], "evaluate": []},
    "pictures": {"predict": ["good/c/2.png"]},
    "players": {"sample": ["--count", "4"], "evaluate": ["--count", "4"]},
}
BEST = Path("out/best.safetensors")


def test_what_uses_a_run_says_what_has_changed(
    run: str,
    packages: Packages,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    finished = Path.cwd()
    changes: list[tuple[str, str, Change]] = [
        ("", "", lambda _: None),
        ("error", "is damaged", lambda _: flipped(BEST)),
        ("error", "is damaged", lambda _: flipped(BEST, of_tensors(BEST) + 9)),
        ("error", "is damaged", lambda _: rewritten(lambda _, it: it.update(step="7"), BEST)),
        ("warning", "has no digests", lambda _: rewritten(undigested, BEST)),
        ("error" if run in ("causal", "worded") else "warning", LEFT[run], edited_file),
    ]
    if "evaluate" in USES[run]:
        changes.append(("error", "was trained on other data", other_data))
    for number, (kind, words, change) in enumerate(changes):
        monkeypatch.chdir(finished)
        afresh(tmp_path / str(number), monkeypatch)
        change(run)
        for module, more in USES[run].items():
            unread = run == "players" and module == "evaluate" and change is edited_file
            if unread or (change is other_data and module != "evaluate"):
                continue
            capfd.readouterr()
            code = packages.command(run, module).main(["--checkpoint", "out", *more])
            said = capfd.readouterr().err
            lines = [line for line in said.splitlines() if "are too few" not in line]
            assert bool(lines) == bool(kind) and code == (2 if kind == "error" else 0), said
            assert all(line.startswith(f"{kind}: ") and words in line for line in lines), said
            if kind == "error" and words == LEFT[run]:
                path = f"out/{words}"
                given = [*more, "--tokenizer", path]
                assert packages.command(run, module).main(["--checkpoint", "out", *given]) == 0
