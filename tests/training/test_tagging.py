"""Sentences are read as written, and spans counted as the CoNLL shared tasks count them."""

from __future__ import annotations

import json
import random
from pathlib import Path
from types import ModuleType

import pytest
import tokenizers

from codegen.verify import run_tests
from tests.packages import import_package, write_package

MODEL = {"vocab_size": 99, "context_length": 32, "layers": 1, "width": 16, "embedding": 8}
ENCODER = {
    "vocab_size": 99,
    "context_length": 64,
    "classes": 9,
    "d_model": 32,
    "layers": 2,
    "attention": {"heads": 4, "rope": "none", "mask": "padding & window(8, 9)"},
    "embedding": {"positions": "learned", "token_types": 2},
    "head": {"transform": {"activation": "gelu"}},
}
CONLL = """-DOCSTART- -X- O O

EU NNP I-NP B-ORG
rejects VBZ I-VP O
German JJ I-NP B-MISC

Peter NNP I-NP B-PER
Blackburn NNP I-NP I-PER
"""
READ = [
    (["EU", "rejects", "German"], ["B-ORG", "O", "B-MISC"]),
    (["Peter", "Blackburn"], ["B-PER", "I-PER"]),
]


@pytest.mark.long
def test_a_transformer_that_tags_keeps_its_promises(tmp_path: Path) -> None:
    spec = {"name": "tags", "task": "tagging", "model": ENCODER, "data": {"tokenizer": "file"}}
    (result,) = run_tests({"tags": write_package(tmp_path, spec)}).values()
    assert result.green, result.output


@pytest.fixture(scope="module")
def modules(tmp_path_factory: pytest.TempPathFactory) -> list[ModuleType]:
    spec = {"name": "tagger", "family": "recurrent", "task": "tagging", "model": MODEL}
    return import_package(tmp_path_factory.mktemp("tagging"), spec, "data", "spans")


def bounds(before: str, label: str) -> tuple[bool, bool]:
    """Whether a span ends after one label, and one begins at the next: conlleval's own rules."""
    old, new = (("O", "") if one == "O" else tuple(one.split("-")) for one in (before, label))
    ends = old[0] in "ES" or (old[0] in "BI" and new[0] in "BSO")
    ends |= old[0] != "O" and old[1] != new[1]
    begins = new[0] in "BS" or (old[0] in "ESO" and new[0] in "EI")
    begins |= new[0] != "O" and old[1] != new[1]
    return ends, begins


def chunks(labels: list[str]) -> list[tuple[str, int, int]]:
    found, begun = [], 0
    for at, (before, label) in enumerate(zip(["O", *labels], [*labels, "O"], strict=True)):
        ends, begins = bounds(before, label)
        if ends:
            found.append((before.partition("-")[2], begun, at - 1))
        begun = at if begins else begun
    return found


def test_spans_are_those_of_conlleval(modules: list[ModuleType]) -> None:
    spans, draw = modules[1], random.Random(0)
    marks = ["O", *(f"{mark}-{kind}" for mark in "BIES" for kind in "XY")]
    scores, found, wanted, both = spans.Scores(), 0, 0, 0
    for _ in range(2000):
        made, right = ([draw.choice(marks) for _ in range(7)] for _ in range(2))
        assert [*spans.spans(made)] == chunks(made)
        scores.add(made, right)
        found, wanted = found + len(chunks(made)), wanted + len(chunks(right))
        both += len({*chunks(made)} & {*chunks(right)})
    assert (scores.found, scores.wanted, scores.both, scores.words) == (found, wanted, both, 14000)


def test_files_of_the_shared_tasks_are_read(modules: list[ModuleType], tmp_path: Path) -> None:
    data, path = modules[0], tmp_path / "train.txt"
    path.write_text(CONLL)
    assert data.read_sentences(path) == READ
    path.write_text(CONLL.replace(" ", "\t").replace("\n", "\r\n"))
    assert data.read_sentences(path) == READ
    (tmp_path / "dev.txt").write_text("rejects O\nGreek B-MISC\n")
    given = {"data": (str(path),), "validation": str(tmp_path / "dev.txt"), "context_length": 16}
    sentences, config = data.read_data(data.Options(**given), data.Config())
    assert sentences.classes == ["B-MISC", "B-ORG", "B-PER", "I-PER", "O"]
    assert (config.vocab_size, config.classes) == (6, 5)
    assert sentences.validation == [([5, 0], [4, 0])]  # <unk> for a word that training has not
    lower = data.Options(**given, lowercase=True)
    assert "blackburn" in data.read_data(lower, data.Config())[0].tokenizer.words


def test_the_first_token_of_a_word_has_its_label(modules: list[ModuleType], tmp_path: Path) -> None:
    data = modules[0]
    vocabulary = {"[UNK]": 0, "[CLS]": 1, "EU": 2, "re": 3, "##ject": 4, "##s": 5, "German": 6}
    made = tokenizers.Tokenizer(tokenizers.models.WordPiece(vocabulary, unk_token="[UNK]"))
    made.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    made.post_processor = tokenizers.processors.TemplateProcessing(
        single="[CLS] $A", special_tokens=[("[CLS]", 1)]
    )
    made.save(str(tmp_path / "tokenizer.json"))
    tokenizer = data.load_tokenizer(tmp_path / "tokenizer.json")
    classes = ["B-MISC", "B-ORG", "O"]
    ids, targets = data.encode_row(tokenizer, READ[0], classes, context=16)
    assert ids == [1, 2, 3, 4, 5, 6] and targets == [-100, 1, 2, -100, -100, 0]
    assert data.encode(tokenizer, READ[0][0], 5) == ([1, 2, 3, 4, 5], [1, 2, -1])


def write_sentences(path: Path, count: int, seed: int) -> list[tuple[list[str], list[str]]]:
    """Names of one word or two, in upper case, and places."""
    draw, made = random.Random(seed), []
    for _ in range(count):
        words, labels = [], []
        for _ in range(draw.randint(1, 4)):
            kind = draw.choice(["PER", "LOC", "O"])
            length = 1 if kind == "O" else draw.randint(1, 2)
            for at in range(length):
                word = draw.choice({"PER": "ABC", "LOC": "XYZ", "O": "abcxyz"}[kind])
                words.append(word + draw.choice("mnop") * draw.randint(1, 3))
                labels.append("O" if kind == "O" else f"{'BI'[at > 0]}-{kind}")
        made.append((words, labels))
    lines = ("".join(f"{w} {n}\n" for w, n in zip(*one, strict=True)) for one in made)
    path.write_text("\n".join(lines))
    return made


def test_what_is_measured_is_what_conlleval_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    spec = {"name": "measured", "family": "recurrent", "task": "tagging", "model": MODEL}
    spec["data"] = {"tokenizer": "char"}
    train, predict, evaluate = import_package(tmp_path, spec, "train", "predict", "evaluate")
    write_sentences(Path("train"), 60, 1)
    right = write_sentences(Path("asked"), 40, 2)
    given = ["--data", "train", "--steps", "60", "--batch", "8", "--eval-every", "30"]
    assert train.main([*given, "--lr", "2e-2", "--out", "out"]) == 0
    asked = ["--checkpoint", "out", "--json", "found.json"]
    assert evaluate.main(asked) == 0
    (held_out,) = json.loads(Path("found.json").read_text())
    rows = [json.loads(line) for line in Path("out/log.jsonl").read_text().splitlines()]
    best = min(
        (row for row in rows if "validation_loss" in row), key=lambda row: row["validation_loss"]
    )
    for name, logged in (("loss", "loss"), ("accuracy", "accuracy"), ("F1", "f1")):
        figure = held_out["figures"][name]["value"]
        assert figure == pytest.approx(best[f"validation_{logged}"], rel=1e-5)

    capsys.readouterr()
    assert evaluate.main([*asked, "--data", "asked"]) == 0
    said = capsys.readouterr().out
    (found,) = json.loads(Path("found.json").read_text())
    options = predict.parse_options(["--checkpoint", "out"])
    model, tokenizer = predict.load(options.checkpoint, "cpu"), predict.find_tokenizer(options)
    classes = predict.read_classes(options.checkpoint, model.config.classes)
    told = predict.predict(model, tokenizer, [words for words, _ in right], 32, "cpu")
    made = [[classes[label] for label, _ in row] for row in told]
    same = [
        a == b
        for mine, (_, row) in zip(made, right, strict=True)
        for a, b in zip(mine, row, strict=True)
    ]
    assert found["figures"]["accuracy"]["value"] == pytest.approx(sum(same) / len(same))
    for kind in ("LOC", "PER"):
        ours, theirs = (
            {(at, *one) for at, row in enumerate(rows) for one in chunks(row) if one[0] == kind}
            for rows in (made, [row for _, row in right])
        )
        both, part = len(ours & theirs), found["parts"][kind]
        assert part["count"]["value"] == len(theirs)
        assert part["precision"]["value"] == pytest.approx(both / len(ours))
        assert part["recall"]["value"] == pytest.approx(both / len(theirs))
        assert 0 < part["F1"]["value"] == pytest.approx(2 * both / (len(ours) + len(theirs)))
    assert max(map(len, said.splitlines())) <= 80 and "PER" in said

    assert evaluate.main([*asked, "--data", "asked", "--context-length", "6"]) == 0
    assert "words are behind the 6 tokens that are read" in capsys.readouterr().out
    Path("odd").write_text("Am B-PER\nBm B-ELF\n")
    assert evaluate.main([*asked, "--data", "odd"]) == 2
    assert "odd has labels that the model doesn't know: ['B-ELF']" in capsys.readouterr().err
