"""An encoder-decoder is trained on pairs and answers sources by its command line."""

from __future__ import annotations

import importlib
import shlex
from pathlib import Path

import pytest

from tests.packages import write_package
from tests.training.conftest import MODEL, Trainer

WORDS = ("quick", "brown", "fox", "jumps", "over", "the", "lazy", "dog")


def test_the_command_that_ends_a_run_can_be_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    model = {**MODEL, "encoder": {"layers": 2}}
    spec = {"name": "turned", "task": "seq2seq-lm", "model": model}
    write_package(tmp_path, {**spec, "data": {"tokenizer": "byte"}})
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path / "generated")
    (tmp_path / "pairs.tsv").write_text("".join(f"{w} a\t{w[::-1]}\n" for w in WORDS * 3))
    modules = {name: importlib.import_module(f"turned.{name}") for name in ("train", "sample")}
    trainer = Trainer(tmp_path, modules, capsys)
    given = ["--data", "pairs.tsv", "--steps", "2", "--batch", "2", "--warmup", "1"]
    for separator in ("\n", "|"):
        out = ["--separator", separator, "--out", f"to {ord(separator)}"]
        done = trainer.run("train", *given, "--context-length", "16", *out)
        command = shlex.split(done.stdout.partition("generate a target with\n")[2])
        assert command[:3] == ["python", "-m", "turned.sample"]
        assert ("--separator" in command) == (separator == "|")
        trainer.run("sample", *command[3:], "--tokens", "5")
