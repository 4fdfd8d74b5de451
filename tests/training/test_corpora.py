"""What a corpus holds is what is learned from, however its files were written; else it is refused.

Files of tokens are made with numpy, texts with tokenizers and codecs, and compared with what was
put into them.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import tokenizers

from tests.packages import import_package
from tests.training.conftest import MODEL, TEXT


def data_of(folder: Path, name: str, **spec: Any) -> ModuleType:
    model = {**MODEL, **spec.pop("model", {})}
    (module,) = import_package(folder, {"name": name, "model": model, **spec}, "data")
    return module


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    """For 300 tokens, which are uint16."""
    return data_of(tmp_path_factory.mktemp("corpora"), "of_text")


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    """Of the task of pairs."""
    folder = tmp_path_factory.mktemp("pairs")
    return data_of(folder, "of_pairs", task="seq2seq-lm", model={"encoder": {"layers": 2}})


def read_pairs(data: ModuleType, path: Path, tokenizer: str) -> Any:
    """The corpus of a file of pairs."""
    found = {"data": (str(path),), "tokenizer": tokenizer, "separator": "0", "context_length": 16}
    return data.read_data(data.Options(**found), data.Config())[0]


def bpe(path: Path, **state: Any) -> tokenizers.Tokenizer:
    """A tokenizer of TEXT, saved with this state in its file."""
    made = tokenizers.Tokenizer(tokenizers.models.BPE(unk_token="[?]"))
    made.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = tokenizers.decoders.ByteLevel()
    trainer = tokenizers.trainers.BpeTrainer(vocab_size=200, special_tokens=["[?]", "<s>"])
    made.train_from_iterator([TEXT], trainer)
    saved = json.loads(made.to_str())
    dropout = state.pop("dropout", None)
    saved["model"]["dropout"] = dropout
    path.write_text(json.dumps({**saved, **state}))
    return made


BEGUN = {
    "type": "TemplateProcessing",
    "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A"}}],
    "pair": [],
    "special_tokens": {"<s>": {"id": "<s>", "ids": [1], "tokens": ["<s>"]}},
}
BEGUN["single"][1]["Sequence"]["type_id"] = 0  # type: ignore[index]
CUT = {"direction": "Right", "max_length": 7, "strategy": "LongestFirst", "stride": 0}
FILLED = {"strategy": {"Fixed": 5000}, "direction": "Right", "pad_to_multiple_of": None}
FILLED |= {"pad_id": 0, "pad_type_id": 0, "pad_token": "[?]"}
STATES: dict[str, dict[str, Any]] = {
    "truncation": {"truncation": CUT},
    "padding": {"padding": FILLED},
    "both": {"truncation": CUT, "padding": FILLED},
    "dropout": {"dropout": 0.5},
    "begun": {"post_processor": BEGUN},
}


@pytest.mark.parametrize("state", STATES.values(), ids=STATES)
def test_what_a_tokenizers_file_keeps_does_not_change_a_corpus(
    small: ModuleType, tmp_path: Path, state: dict[str, Any]
) -> None:
    plain = bpe(tmp_path / "tokenizer.json", **state)
    (tmp_path / "corpus.txt").write_text(TEXT)
    corpus = small.read_corpus(
        [str(tmp_path / "corpus.txt")],
        str(tmp_path / "tokenizer.json"),
        0.1,
        300,
        tmp_path / "tokens",
    )
    split = int(len(TEXT) * 0.9)
    assert corpus.train.tolist() == plain.encode(TEXT[:split]).ids
    assert corpus.validation.tolist() == plain.encode(TEXT[split:]).ids
    corpus.save(tmp_path)  # and so it is for whoever samples
    again = small.load_tokenizer(tmp_path / "tokenizer.json")
    assert again.encode(TEXT, special=True) == plain.encode(TEXT).ids


def test_a_prompt_is_begun_as_the_tokenizers_file_says(small: ModuleType, tmp_path: Path) -> None:
    plain = bpe(tmp_path / "tokenizer.json", post_processor=BEGUN)
    begun = small.load_tokenizer(tmp_path / "tokenizer.json")
    assert begun.encode("nine", special=True) == [1, *plain.encode("nine").ids]
    assert begun.encode("nine") == plain.encode("nine").ids


def test_a_vocabulary_with_gaps_is_as_large_as_its_largest_number(
    small: ModuleType, tmp_path: Path
) -> None:
    bpe(tmp_path / "t.json")
    saved = json.loads((tmp_path / "t.json").read_text())
    flags = {"special": True, "single_word": False, "lstrip": False, "rstrip": False}
    saved["added_tokens"].append({"id": 298, "content": "<x>", "normalized": False, **flags})
    saved["model"]["vocab"]["<x>"] = 298
    (tmp_path / "t.json").write_text(json.dumps(saved))
    assert small.load_tokenizer(tmp_path / "t.json").vocab_size == 299


@pytest.mark.parametrize("tokenizer", ["char", "byte"])
def test_a_byte_order_mark_is_no_part_of_a_text(
    small: ModuleType, tmp_path: Path, tokenizer: str
) -> None:
    path = tmp_path / "corpus.txt"
    path.write_text(TEXT, encoding="utf-8-sig")
    corpus = small.read_corpus([str(path)], tokenizer, 0.1, 300, tmp_path / "tokens")
    read = [*corpus.train.tolist(), *corpus.validation.tolist()]
    assert corpus.tokenizer.decode(read) == TEXT


@pytest.mark.parametrize(
    "encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"]
)
def test_a_text_in_another_encoding_is_refused(
    small: ModuleType, pairs: ModuleType, tmp_path: Path, encoding: str
) -> None:
    path = tmp_path / "corpus.txt"
    path.write_text(TEXT, encoding=encoding)
    with pytest.raises(ValueError, match=r"corpus\.txt (is not UTF-8|holds NUL)"):
        small.read_corpus([str(path)], "byte", 0.1, 300, tmp_path / "tokens")
    path.write_text("a\tb\n" * 20, encoding=encoding)
    with pytest.raises(ValueError, match=r"corpus\.txt (is not UTF-8|holds NUL)"):
        read_pairs(pairs, path, "byte")


TOKENS = (np.arange(2000) * 7) % 290
Write = Callable[[Path, np.ndarray], None]


def binary(kind: str) -> Write:
    return lambda path, ids: ids.astype(kind).tofile(path)


@pytest.mark.parametrize(("vocab_size", "kind"), [(300, "<u2"), (2**16, "<u2"), (2**16 + 1, "<u4")])
def test_binary_tokens_are_as_wide_as_the_vocabulary_needs(
    small: ModuleType, tmp_path: Path, vocab_size: int, kind: str
) -> None:
    tokens = TOKENS if vocab_size == 300 else (np.arange(2000) * 7919) % vocab_size
    for name, ids in (("train", tokens[:1500]), ("val", tokens[1500:])):
        binary(kind)(tmp_path / f"{name}.bin", ids)
    for path in (tmp_path, tmp_path / "train.bin", tmp_path / "val.bin"):
        corpus = small.read_corpus([str(path)], "", 0.1, vocab_size, tmp_path / "tokens")
        assert corpus.train.tolist() == tokens[:1500].tolist()
        assert corpus.validation.tolist() == tokens[1500:].tolist()


@pytest.mark.parametrize("vocab_size", [300, 128_000])
@pytest.mark.parametrize("kind", ["<u1", "<u2", "<u4", "<i4", "<i8", ">u2", ">u4", ">i8", "<f4"])
def test_binary_tokens_of_another_width_are_refused(
    small: ModuleType, tmp_path: Path, vocab_size: int, kind: str
) -> None:
    right = ("<u2",) if vocab_size == 300 else ("<u4", "<i4")
    tokens = np.arange(1, 201) if kind == "<u1" else TOKENS
    for name in ("train", "val"):
        binary(kind)(tmp_path / f"{name}.bin", tokens)
    if kind in right:
        assert (
            small.read_corpus(
                [str(tmp_path)], "", 0.1, vocab_size, tmp_path / "tokens"
            ).train.tolist()
            == tokens.tolist()
        )
        return
    with pytest.raises(ValueError, match=r"does not hold uint|split holds token"):
        small.read_corpus([str(tmp_path)], "", 0.1, vocab_size, tmp_path / "tokens").fit(
            16, vocab_size
        )


def npy(kind: str) -> Write:
    return lambda path, ids: np.save(path, ids.astype(kind))


@pytest.mark.parametrize("kind", ["<u2", "<u4", "<i4", "<i8", ">u2", "<u1"])
def test_npy_files_are_read_by_what_they_say(small: ModuleType, tmp_path: Path, kind: str) -> None:
    tokens = TOKENS % 250
    np.save(tmp_path / "all.npy", tokens.astype(kind))
    corpus = small.read_corpus([str(tmp_path / "all.npy")], "", 0.25, 300, tmp_path / "tokens")
    assert [*corpus.train.tolist(), *corpus.validation.tolist()] == tokens.tolist()
    assert len(corpus.validation) == 500
    np.save(tmp_path / "train.npy", tokens[:9].astype(kind))
    tokens[9:].astype("<u2").tofile(tmp_path / "val.bin")
    corpus = small.read_corpus([str(tmp_path)], "", 0.1, 300, tmp_path / "tokens")
    assert corpus.train.tolist() == tokens[:9].tolist()
    assert corpus.validation.tolist() == tokens[9:].tolist()


ODD: dict[str, tuple[Write, str]] = {
    "floats": (lambda path, ids: np.save(path, ids.astype("f4")), "float32 of shape"),
    "a table": (lambda path, ids: np.save(path, ids.reshape(2, -1)), r"shape \(2, 1000\)"),
    "negative": (lambda path, ids: np.save(path, ids - 5), "not a row of integers from 0 on"),
    "objects": (lambda path, ids: np.save(path, ids.astype(object)), "no .npy file of numbers"),
    "text": (lambda path, ids: path.write_text(TEXT), "no .npy file of numbers"),
    "nothing": (lambda path, ids: path.touch(), "no .npy file of numbers"),
}


@pytest.mark.parametrize("odd", ODD)
def test_npy_files_that_are_no_tokens_are_refused(
    small: ModuleType, tmp_path: Path, odd: str
) -> None:
    write, message = ODD[odd]
    write(tmp_path / "tokens.npy", TOKENS)
    with pytest.raises(ValueError, match=message):
        small.read_corpus([str(tmp_path / "tokens.npy")], "", 0.1, 300, tmp_path / "tokens")


def test_tokens_under_the_wrong_name_are_refused(small: ModuleType, tmp_path: Path) -> None:
    np.save(tmp_path / "tokens.npy", TOKENS.astype("<u2"))
    (tmp_path / "tokens.npy").rename(tmp_path / "tokens.bin")
    with pytest.raises(ValueError, match=r"it is an \.npy file"):
        small.read_corpus([str(tmp_path / "tokens.bin")], "", 0.1, 2**16, tmp_path / "tokens")
    for name in ("train.bin", "train.npy", "val.bin"):
        binary("<u2")(tmp_path / name, TOKENS)
    with pytest.raises(ValueError, match=r"two files of train\.bin and train\.npy"):
        small.read_corpus([str(tmp_path)], "", 0.1, 300, tmp_path / "tokens")
    with pytest.raises(ValueError, match="there is no file"):
        small.read_corpus([str(tmp_path / "gone.bin")], "", 0.1, 300, tmp_path / "tokens")


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("start", ["", "\ufeff"])
def test_pairs_are_what_stands_between_tabs_and_line_ends(
    pairs: ModuleType, tmp_path: Path, end: str, start: str
) -> None:
    wanted = [("a\u2028b", "c\x85d"), ("e\x0cf", "g\x1ch"), ("i", " j "), ("k", "l")]
    text = start + end.join("\t".join(pair) for pair in wanted) + end
    (tmp_path / "pairs.tsv").write_bytes(text.encode())
    for tokenizer in ("char", "byte"):
        corpus = read_pairs(pairs, tmp_path / "pairs.tsv", tokenizer)
        decode = corpus.tokenizer.decode
        read = [(decode(a), decode(b)) for a, b in (*corpus.train, *corpus.validation)]
        assert sorted(read) == sorted(wanted)


def test_sources_are_begun_in_training_as_they_are_in_sampling(
    pairs: ModuleType, tmp_path: Path
) -> None:
    plain = bpe(tmp_path / "tokenizer.json", post_processor=BEGUN)
    (tmp_path / "pairs.tsv").write_text("one\tbottle\n" * 9)
    corpus = read_pairs(pairs, tmp_path / "pairs.tsv", str(tmp_path / "tokenizer.json"))
    source, target = corpus.train[0]
    assert source == [1, *plain.encode("one").ids] and target == plain.encode("bottle").ids
    corpus.save(tmp_path)
    assert pairs.load_tokenizer(tmp_path / "tokenizer.json").encode("one", special=True) == source
