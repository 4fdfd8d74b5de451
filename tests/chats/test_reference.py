"""The first weights' log-probabilities are computed once, and again where they would be others."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

from tests.chats.small import CHATML, WORDS, messages, spec_of, write_rows, write_tokenizer
from tests.packages import import_package

NAME = "reference.safetensors"
MARKED = CHATML.replace(
    "{{ m.content }}<|im_end|>\n",
    "{% if m.role == 'assistant' %}{% generation %}{{ m.content }}<|im_end|>\n{% endgeneration %}"
    "{% else %}{{ m.content }}<|im_end|>\n{% endif %}",
)
ARGUMENTS = ["--batch", "4", "--steps", "2", "--eval-every", "2", "--log-every", "1"]


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> list[ModuleType]:
    folder = tmp_path_factory.mktemp("pairs")
    names = ("train", "run", "options", "data", "preference")
    return import_package(folder, spec_of("kept", "preference"), *names)


def pairs(count: int, seed: int = 0) -> list[dict[str, Any]]:
    rng = np.random.default_rng(seed)

    def words() -> str:
        return " ".join(rng.choice(WORDS, int(rng.integers(1, 6))))

    return [{"prompt": words(), "chosen": words(), "rejected": words()} for _ in range(count)]


def arguments(folder: Path) -> list[str]:
    if not (folder / "words").exists():
        write_tokenizer(folder / "words")
        write_rows(folder / "pairs.jsonl", pairs(30))
    files = ["--data", str(folder / "pairs.jsonl"), "--out", str(folder / "out")]
    return [*files, "--tokenizer", str(folder / "words" / "tokenizer.json"), *ARGUMENTS]


def prepared(package: list[ModuleType], folder: Path, *more: str) -> Any:
    _, run, options, *_ = package
    return run.prepare(options.parse_options([*arguments(folder), *more]))


def test_they_are_those_of_each_answer_alone(package: list[ModuleType], tmp_path: Path) -> None:
    run, preference = prepared(package, tmp_path), package[4]
    data = package[3]
    for part in (run.data.train, run.data.validation):
        assert part.reference.shape == (len(part), 2)
        for pair in range(0, len(part), 5):
            batch = data.batch_of(part, np.array([pair]), 96)
            with torch.no_grad():
                found = run.model(batch.tokens, batch.targets, reduction="none").sum(1)
            np.testing.assert_allclose(part.reference[pair], -found.numpy(), rtol=1e-5)
            assert preference.margins(run.model, batch, run.options).abs().max() < 1e-4


@pytest.mark.parametrize("template", [CHATML, MARKED], ids=["plain", "marked"])
def test_only_the_answers_are_counted(
    package: list[ModuleType], template: str, tmp_path: Path
) -> None:
    first = messages([("user", "What is"), ("assistant", "two"), ("user", "And")])
    answers = [messages([("assistant", text)]) for text in ("Four", "of course")]
    rows = [
        {"prompt": first, "chosen": answers[0], "rejected": answers[1]},
        {"chosen": [*first, *answers[0]], "rejected": [*first, *answers[1]]},
    ]
    arguments(tmp_path)
    write_tokenizer(tmp_path / "words", template)
    found = []
    for number, row in enumerate(rows):
        path = write_rows(tmp_path / f"{number}.jsonl", [row] * 4)
        run = prepared(package, tmp_path, "--data", str(path), "--out", str(tmp_path / str(number)))
        examples = run.data.train
        texts = [
            run.data.tokenizer.tokenizer.decode(
                examples.tokens[a:b][examples.trained[a:b]].tolist(), skip_special_tokens=False
            )
            for a, b in zip(examples.starts[:2], examples.starts[1:3], strict=True)
        ]
        found.append(texts)
    assert found == [["Four<|im_end|>\n", "of course<|im_end|>\n"]] * 2


def test_a_run_that_goes_on_reads_them(
    package: list[ModuleType], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train = package[0]
    given = arguments(tmp_path)
    assert train.main(given) == 0
    before = (tmp_path / "out" / NAME).read_bytes()
    shutil.copytree(tmp_path / "out", tmp_path / "whole")
    resume = ["--resume", "--out", str(tmp_path / "out"), "--steps", "4"]
    assert train.main([*resume, "--seed", "9"]) == 0  # the first weights are not at hand
    assert (tmp_path / "out" / NAME).read_bytes() == before
    assert "anew" not in capsys.readouterr().out
    (tmp_path / "whole" / NAME).unlink()
    assert train.main(["--resume", "--out", str(tmp_path / "whole"), "--steps", "4"]) == 2
    assert "bring it back" in capsys.readouterr().err


def test_others_are_computed_where_something_has_changed(
    package: list[ModuleType], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = arguments(tmp_path)
    whole = prepared(package, tmp_path).data.train.reference
    assert "anew" not in capsys.readouterr().out
    again = prepared(package, tmp_path).data.train.reference
    assert (again == whole).all()
    other = prepared(package, tmp_path, "--seed", "5").data.train.reference
    assert "is of other weights: computed anew" in capsys.readouterr().out
    assert np.abs(other - whole).max() > 1e-3
    write_rows(tmp_path / "pairs.jsonl", pairs(30, seed=1))
    assert package[0].main([*given, "--seed", "5"]) == 0
    assert "is of other pairs: computed anew" in capsys.readouterr().out
    write_rows(tmp_path / "pairs.jsonl", pairs(30, seed=2))
    resume = ["--resume", "--out", str(tmp_path / "out"), "--steps", "4"]
    assert package[0].main(resume) == 2
    assert "is of other pairs: bring these back" in capsys.readouterr().err
    write_rows(tmp_path / "pairs.jsonl", pairs(30, seed=3))
    assert package[0].main([*resume, "--new-data"]) == 0
    assert "is of other pairs: computed anew" in capsys.readouterr().out
