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
TASKS = {name: str(load_spec(path, ROOT).spec.task) for name, path in PACKAGES.items()}
DRAWN = {  # one of each task
    random.Random(0).choice([name for name, of in TASKS.items() if of == task])
    for task in TASKS.values()
    if "lm" in task
    or task in ("chat", "embedding", "sequence-classification", "image-classification")
}
CHATS = ("chat", "preference")  # whose template knows a file's tokens alone
SHORT = ["--tiny", "--steps", "2"]


def check_tiny(name: str, capture: pytest.CaptureFixture[str]) -> None:
    train, data, options, model = (
        importlib.import_module(f"generated.{name}.{module}")
        for module in ("train", "data", "options", "model")
    )
    given = [*arguments_of(TASKS[name], model.Config.tiny(), data)]
    asked = [field for field in TOKENIZERS if hasattr(options.Options, field)]
    usual = all(getattr(options.Options, field) for field in asked)  # else it asks for one
    kinds = [words()] if TASKS[name] in CHATS else ["char", "byte", words()]
    for kind in [""] * usual + kinds * bool(asked):
        flags = ("--" + field.replace("_", "-") for field in asked)
        chosen = [part for flag in flags for part in (flag, kind) if kind]
        out = ["--out", f"out/{Path(kind).stem}"]
        code = train.main([*given, *chosen, *SHORT, *out])
        assert code == 0, (name, kind, capture.readouterr().err)
        code = train.main([*out, "--resume", "--steps", "3"])
        said = capture.readouterr()
        assert code == 0 and "warning: out" not in said.err, (name, kind, said.err)


@pytest.mark.drawn
@pytest.mark.parametrize("name", sorted(DRAWN))
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
