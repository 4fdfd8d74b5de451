"""Words that come back as they were, tokenizers that a package trains, and one for each side."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open

from tests.packages import import_package
from tests.training.conftest import MODEL

SHARED = {**MODEL, "encoder": {"layers": 1}}
APART = {**MODEL, "encoder": {"layers": 1, "vocab_size": 300, "shared_embedding": False}}
Modules = dict[str, ModuleType]


def package(folder: Path, name: str, model: dict[str, Any], data: dict[str, Any]) -> Modules:
    spec = {"name": name, "task": "seq2seq-lm", "model": model, "data": data}
    names = ("data", "train", "sample", "evaluate")
    return dict(zip(names, import_package(folder, spec, *names), strict=True))


@pytest.fixture(scope="module")
def worded(tmp_path_factory: pytest.TempPathFactory) -> Modules:
    data = {"tokenizer": "word", "lowercase": True}
    return package(tmp_path_factory.mktemp("words"), "worded", SHARED, data)


@pytest.fixture(scope="module")
def joint(tmp_path_factory: pytest.TempPathFactory) -> Modules:
    return package(tmp_path_factory.mktemp("joint"), "joined", SHARED, {})


@pytest.fixture(scope="module")
def sides(tmp_path_factory: pytest.TempPathFactory) -> Modules:
    data = {"tokenizer": "word", "source_tokenizer": "file"}
    return package(tmp_path_factory.mktemp("sides"), "sided", APART, data)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current one, with pairs; only the last two of 20 say `unseen`."""
    monkeypatch.chdir(tmp_path)
    lines = [f"{n} gr\u00fcne Flaschen\t{n} green bottles, and {n} more." for n in range(18)]
    lines += ["18 ungesehen\t18 unseen bottles", "19 ungesehen\t19 unseen bottles"]
    (tmp_path / "pairs.tsv").write_text("\n".join(lines), encoding="utf-8")
    return tmp_path


def read(modules: Modules, **given: Any) -> tuple[Any, Any]:
    """The corpus of pairs.tsv and the config."""
    data = modules["data"]
    options = data.Options(data=("pairs.tsv",), context_length=32, **given)
    found: tuple[Any, Any] = data.read_data(options, data.Config())
    return found


# ---- words ----


@settings(deadline=None, max_examples=300)
@given(text=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\uffed")))
def test_texts_come_back_from_words_but_for_their_spaces(worded: Modules, text: str) -> None:
    tokenizer = worded["data"].WordTokenizer.of([text], 10_000, lowercase=False)
    assert tokenizer.decode(tokenizer.encode(text)) == " ".join(text.split())


def test_the_most_frequent_words_of_the_training_part_are_the_vocabulary(worded: Modules) -> None:
    words = [f"w{n % 7 * n % 13}" for n in range(90)]
    lines = [" ".join(words[n : n + 5]) + "\t" + " ".join(words[n + 5 : n + 9]) for n in range(80)]
    Path("pairs.tsv").write_text("\n".join(lines) + "\nw0 held\tW0 out")
    counts = Counter(word for line in lines for word in line.split())
    ordered = sorted(counts, key=lambda word: (-counts[word], word))
    data = worded["data"]
    for size, wanted in ((6, ordered[:4]), (300, ordered)):
        config = data.Config(vocab_size=size)
        options = data.Options(data=("pairs.tsv",), context_length=32, validation="0.01")
        corpus, config = data.read_data(options, config)
        assert corpus.tokenizer.words == ["<unk>", "<s>", *wanted]
        assert config.vocab_size == len(wanted) + 2
        w0 = corpus.tokenizer.ids["w0"]
        assert corpus.validation == [([w0, 0], [w0, 0])] and corpus.separator == 1


def test_words_keep_their_case_where_that_is_asked_for(worded: Modules) -> None:
    corpus, _ = read(worded)
    assert corpus.tokenizer.encode("GREEN Bottles") == corpus.tokenizer.encode("green bottles")
    corpus, _ = read(worded, lowercase=False)
    assert corpus.tokenizer.encode("GREEN Green green")[:2] == [0, 0]
    corpus.save(Path())
    again = worded["data"].load_tokenizer(Path("tokenizer.json"))
    assert (again.words, again.lowercase) == (corpus.tokenizer.words, False)


def test_a_text_cannot_spell_the_separator(worded: Modules) -> None:
    corpus, _ = read(worded)
    assert 1 not in corpus.tokenizer.encode("a <s> b <unk>")
    assert worded["data"].separator_id("<s>", corpus.tokenizer) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"words": 7},
        {"words": ["<unk>", "<s>", "a", "a"]},
        {"words": ["<unk>", "a", "<s>"]},
        {"words": ["<unk>"]},
        {"words": ["<unk>", "<s>", 7]},
        {"words": ["<unk>", "<s>", ["a"]]},
        {"lowercase": 1},
        {"lowercase": None},
    ],
    ids=str,
)
def test_a_file_of_words_that_are_none_is_refused(worded: Modules, change: Any) -> None:
    good = {"kind": "word", "lowercase": False, "words": ["<unk>", "<s>", "a"]}
    Path("t.json").write_text(json.dumps(good))
    assert worded["data"].load_tokenizer(Path("t.json")).encode("a b") == [2, 0]
    Path("t.json").write_text(json.dumps({**good, **change}))
    with pytest.raises(ValueError, match="does not say which words there are"):
        worded["data"].load_tokenizer(Path("t.json"))


# ---- tokenizers that are trained ----


def test_a_tokenizer_is_trained_on_what_is_not_held_out(
    joint: Modules, capsys: pytest.CaptureFixture[str]
) -> None:
    data = joint["data"]
    given = ["train-tokenizer", "--data", "pairs.tsv", "--vocab-size", "290"]
    assert data.main([*given, "--out", "t.json"]) == 0
    assert capsys.readouterr().out == "t.json has 290 tokens, from 18 pairs\n"
    plain = tokenizers.Tokenizer.from_file("t.json")
    vocabulary = plain.get_vocab()
    assert len(vocabulary) == 290 and vocabulary["<|endoftext|>"] == 0
    assert any("bott" in token for token in vocabulary)
    assert not any("unse" in token or "unge" in token for token in vocabulary)
    corpus, config = read(joint, tokenizer="t.json")
    assert corpus.separator == 0 and config.vocab_size == 300
    for text in ("3 gr\u00fcne Flaschen", "na\u00efve \U0001f600 \u6f22\u5b57", "two  spaces", "x"):
        assert corpus.tokenizer.decode(corpus.tokenizer.encode(text)) == text
    first, other = corpus.tokenizer.encode("bottles"), corpus.tokenizer.encode("of bottles")
    assert other[-len(first) :] == first  # whether or not a space is before it


def test_a_joint_tokenizer_reads_both_files(joint: Modules) -> None:
    Path("x.de").write_text("ab ab ab\n" * 20)
    Path("x.en.gz").write_bytes(gzip.compress(b"cd cd cd\n" * 20))
    given = ["train-tokenizer", "--source", "x.de", "--target", "x.en.gz", "--vocab-size", "270"]
    assert joint["data"].main(given) == 0
    vocabulary = tokenizers.Tokenizer.from_file("tokenizer.json").get_vocab()
    assert {"\u0120ab", "\u0120cd"} <= vocabulary.keys()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--data", "pairs.tsv", "--vocab-size", "256"], "--vocab-size is 256, and there are 256"),
        (["--data", "none.tsv"], "there is no file none.tsv"),
        (["--data", "pairs.tsv", "--validation", "2"], "--validation is 2.0"),
        ([], "pairs are in one file"),
        (["--data", "pairs.tsv", "--out", "none/t.json"], "none/t.json"),
    ],
)
def test_what_no_tokenizer_can_be_trained_on_is_one_line(
    joint: Modules, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert joint["data"].main(["train-tokenizer", *arguments]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1 and message in error


# ---- one for each side ----


def sizes(path: str) -> tuple[int, int]:
    with safe_open(path, "pt") as file:
        config = json.loads(file.metadata()["config"])
    return config["encoder_vocab_size"], config["vocab_size"]


def test_each_side_has_a_tokenizer_of_its_own(
    sides: Modules, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["train-tokenizer", "--data", "pairs.tsv", "--vocab-size", "280"]
    assert sides["data"].main([*given, "--side", "source", "--out", "de.json"]) == 0
    assert not any(
        "bott" in token for token in json.loads(Path("de.json").read_text())["model"]["vocab"]
    )
    corpus, config = read(sides, source_tokenizer="de.json")
    words = {word for n in range(18) for word in (str(n), "green", "bottles", "and", "more")}
    assert (config.encoder_vocab_size, config.vocab_size) == (300, len(words) + 2 + 2)  # , and .
    plain = tokenizers.Tokenizer.from_file("de.json")
    source, target = max(corpus.validation)
    assert source in [plain.encode(f"{n} ungesehen").ids for n in (18, 19)]
    assert corpus.tokenizer.decode(target) == "<unk> <unk> bottles"
    run = ["--data", "pairs.tsv", "--source-tokenizer", "de.json", "--tiny", "--out", "out"]
    run += ["--context-length", "24", "--batch", "4", "--steps", "4", "--warmup", "1"]
    assert sides["train"].main(run) == 0  # 280 tokens, and a toy model has as many as it needs
    assert sizes("out/checkpoint.safetensors") == (280, len(words) + 4)
    run += ["--source-tokenizer", "char", "--checkpoint-every", "2", "--overwrite"]
    assert sides["train"].main(run) == 0
    spelt = {"\n", *"0123456789 gr\u00fcneFlaschen", *"ungesehen"}
    assert sizes("out/checkpoint.safetensors") == (len(spelt), len(words) + 4)
    Path("pairs.tsv").write_text("0 Flaschen\t1 more and more bottles\n" * 20)
    assert sides["train"].main(["--out", "out", "--resume", "--steps", "6"]) == 2
    assert "other data (pairs)" in capsys.readouterr().err
    assert sides["train"].main(["--out", "out", "--resume", "--steps", "6", "--new-data"]) == 0
    assert sizes("out/checkpoint.safetensors") == (len(spelt), len(words) + 4)
    ask = ["--checkpoint", "out", "--tokens", "4", "--source"]
    assert sides["sample"].main([*ask, "3 Flaschen"]) == 0
    assert sides["evaluate"].main([*ask[:4], "--data", "pairs.tsv", "--limit", "3"]) == 0
    assert "3 pairs of pairs.tsv" in capsys.readouterr().out
    drawn = ["--picture", "read.png", "--text", "3 Flaschen", "--answer", "3 bottles"]
    assert sides["evaluate"].main([*ask[:4], *drawn]) == 0
    assert sides["sample"].main([*ask, "3 bottles"]) == 2
    assert "character 'b' is not among" in capsys.readouterr().err
    Path("out/source_tokenizer.json").unlink()
    assert sides["sample"].main([*ask, "3 Flaschen"]) == 2
    assert "say with --source-tokenizer how" in capsys.readouterr().err
