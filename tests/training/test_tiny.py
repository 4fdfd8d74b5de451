"""`--tiny` alone trains every committed package, with whatever tokenizer, and is taken up again."""

from __future__ import annotations

import importlib
import random
from pathlib import Path

import pytest

from codegen.spec import load_spec
from tests.training.toy_data import arguments_of, words

ROOT = Path(__file__).parents[2]
PACKAGES = {path.stem: path for path in sorted((ROOT / "specs").glob("*.yaml"))}
TOKENIZERS = ("tokenizer", "source_tokenizer")
DRAWN = random.Random(0).sample(sorted(PACKAGES), 8)
SHORT = ["--tiny", "--steps", "2"]


def check_tiny(name: str, capture: pytest.CaptureFixture[str]) -> None:
    package = importlib.import_module(f"generated.{name}.train")
    data = importlib.import_module(f"generated.{name}.data")
    given = [*arguments_of(load_spec(PACKAGES[name], ROOT).spec.task, package, data)]
    asked = [field for field in TOKENIZERS if hasattr(package.Options, field)]
    usual = all(getattr(package.Options, field) for field in asked)  # else it asks for one
    for kind in [""] * usual + ["char", "byte", words()] * bool(asked):
        flags = ("--" + field.replace("_", "-") for field in asked)
        chosen = [part for flag in flags for part in (flag, kind) if kind]
        out = ["--out", f"out/{Path(kind).stem}"]
        code = package.main([*given, *chosen, *SHORT, *out])
        assert code == 0, (name, kind, capture.readouterr().err)
        code = package.main([*out, "--resume", "--steps", "3"])
        said = capture.readouterr()
        assert code == 0 and "warning: out" not in said.err, (name, kind, said.err)


@pytest.mark.parametrize("name", DRAWN)
def test_tiny_alone_trains(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    check_tiny(name, capfd)


@pytest.mark.long
@pytest.mark.parametrize("name", PACKAGES)
def test_tiny_alone_trains_every_package(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    check_tiny(name, capfd)
