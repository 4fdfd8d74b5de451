"""Texts that are read in pieces and kept on the disk are the tokens of the whole texts."""

from __future__ import annotations

import gzip
import json
import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pyarrow
import pytest
import tokenizers
from pyarrow import parquet
from tokenizers import models, normalizers, pre_tokenizers, trainers

from tests.packages import import_package
from tests.training.conftest import MODEL, TEXT

WORDS = (
    "the",
    "a",
    "of",
    "caf\u00e9",
    "na\u00efve",
    "\u4f60\u597d",
    "\U0001f600",
    "don't",
    "1234567",
)
WORDS += ("bottles", "green--wall")


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> dict[str, ModuleType]:
    folder = tmp_path_factory.mktemp("long")
    names = ("data", "files", "tokens", "encode")
    made = import_package(folder, {"name": "of_long", "model": MODEL}, *names)
    return dict(zip(names, made, strict=True))


def drawn(seed: int, words: int = 900) -> str:
    chance = random.Random(seed)
    spaces = (" ", " ", " ", "  ", "\n", "\n\n", "\t", " " * 40)
    return "".join(chance.choice(WORDS) + chance.choice(spaces) for _ in range(words))


def byte_level() -> tokenizers.Tokenizer:
    made = tokenizers.Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    return made


def metaspace() -> tokenizers.Tokenizer:
    made = tokenizers.Tokenizer(models.Unigram())
    made.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    made.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")
    return made


def whole_line() -> tokenizers.Tokenizer:
    """As Llama 2's: no text is cut before its pairs of characters are joined."""
    made = tokenizers.Tokenizer(models.BPE(unk_token="[?]"))
    made.normalizer = normalizers.Sequence(
        [normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")]
    )
    return made


def word_piece() -> tokenizers.Tokenizer:
    made = tokenizers.Tokenizer(models.WordPiece(unk_token="[?]"))
    made.normalizer = normalizers.BertNormalizer()
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return made


KINDS: dict[str, tuple[Callable[[], tokenizers.Tokenizer], Any]] = {
    "byte level": (byte_level, trainers.BpeTrainer),
    "metaspace": (metaspace, trainers.UnigramTrainer),
    "whole line": (whole_line, trainers.BpeTrainer),
    "word piece": (word_piece, trainers.WordPieceTrainer),
}


@pytest.mark.parametrize("kind", KINDS)
def test_texts_in_pieces_have_the_tokens_of_the_whole(
    kind: str, small: dict[str, ModuleType], monkeypatch: pytest.MonkeyPatch
) -> None:
    make, trainer = KINDS[kind]
    tokenizer = make()
    special = {"unk_token": "[?]"} if kind == "metaspace" else {}
    learned = [drawn(0), TEXT]
    if kind == "whole line":  # its merges go over blanks, and take long on long texts
        learned = [line for text in learned for line in text.split("\n")]
    made = trainer(vocab_size=300, special_tokens=["[?]"], show_progress=False, **special)
    tokenizer.train_from_iterator(learned, made)
    for name, value in (("WINDOW", 700), ("OVERLAP", 400), ("AGREED", 8), ("BATCH", 2000)):
        monkeypatch.setattr(small["encode"], name, value)
    joined = 0
    for seed in range(1, 9):
        text, chance = drawn(seed), random.Random(seed)
        cuts = sorted(chance.sample(range(len(text)), 9))
        pieces = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
        found = [*small["encode"].in_pieces(tokenizer, [(one, False) for one in pieces], [0])]
        whole = tokenizer.encode(text, add_special_tokens=False).ids
        assert [token for block in found for token in block] == whole
        joined += len(found) > 3
    assert joined == 8, "the texts were never cut"


def test_a_word_longer_than_a_window_stays_whole(
    small: dict[str, ModuleType], monkeypatch: pytest.MonkeyPatch
) -> None:
    tokenizer = tokenizers.Tokenizer(models.WordLevel({"[?]": 0, "a" * 5000: 1}, "[?]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    for name, value in (("WINDOW", 700), ("OVERLAP", 400), ("AGREED", 8)):
        monkeypatch.setattr(small["encode"], name, value)
    text = "b " * 900 + "a" * 5000 + " b" * 900
    found = small["encode"].in_pieces(tokenizer, [(text, False)], [])
    assert [*map(int, [token for block in found for token in block])] == [0] * 900 + [1] + [0] * 900


def test_texts_are_parted_and_all_forms_of_files_say_the_same(
    small: dict[str, ModuleType], tmp_path: Path
) -> None:
    texts = ["one green bottle", "two\nlines", "\u4f60\u597d"]
    (tmp_path / "a.txt").write_text(texts[0])
    (tmp_path / "b.md").write_text(texts[1])
    (tmp_path / "c.txt.gz").write_bytes(gzip.compress(texts[2].encode()))
    rows = "".join(json.dumps({"text": text, "body": "no"}) + "\n\n" for text in texts)
    (tmp_path / "rows").mkdir()
    (tmp_path / "rows/all.jsonl").write_text(rows)
    (tmp_path / "rows.jsonl.gz").write_bytes(gzip.compress(rows.encode()))
    parquet.write_table(pyarrow.table({"text": texts}), tmp_path / "rows.parquet")
    forms = (
        [str(tmp_path / name) for name in ("a.txt", "b.md", "c.txt.gz")],
        [str(tmp_path / "[abc].*")],
        [str(tmp_path / "rows")],
        [str(tmp_path / "rows/*")],
        [str(tmp_path / "rows.jsonl.gz")],
        [str(tmp_path / "rows.parquet")],
    )
    for data in forms:
        corpus = small["data"].read_corpus(data, "byte", 0.25, 300, tmp_path / "tokens")
        read = bytes([*corpus.train.tolist(), *corpus.validation.tolist()]).decode()
        assert read == "\n".join(texts), data


def test_the_end_of_a_text_is_the_token_that_a_tokenizer_has_for_it(
    small: dict[str, ModuleType], tmp_path: Path
) -> None:
    tokenizer = byte_level()
    made = trainers.BpeTrainer(special_tokens=["<|endoftext|>"], show_progress=False)
    tokenizer.train_from_iterator([TEXT], made)
    tokenizer.save(str(tmp_path / "t.json"))
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_text(TEXT)
    data = [str(tmp_path / name) for name in ("a.txt", "b.txt")]
    corpus = small["data"].read_corpus(data, str(tmp_path / "t.json"), 0.4, 300, tmp_path / "kept")
    ids = tokenizer.encode(TEXT).ids
    assert corpus.train[: len(ids) + 1].tolist() == [*ids, 0]


ODD: dict[str, tuple[str, bytes, str]] = {
    "half a character": ("a.txt", "caf\u00e9".encode()[:-1], r"not UTF-8 text \(byte 3\)"),
    "nothing": ("a.txt", b"\xef\xbb\xbf", "is empty"),
    "no gzip": ("a.txt.gz", b"plain text", r"no whole \.gz"),
    "cut gzip": ("a.txt.gz", gzip.compress(os.urandom(999))[:500], r"no whole \.gz|not UTF-8"),
    "no object": ("a.jsonl", b'{"text": "a"}\n[1]\n', "a.jsonl:2 has no text `text`"),
    "other fields": ("a.jsonl", b'{"body": "a"}\n', "say with --field which of body"),
    "no text": ("a.jsonl", b'{"text": 3}\n', "a.jsonl:1 has no text `text`"),
    "no json": ("a.jsonl", b'{"text": \n', "a.jsonl:1 is no JSON"),
    "surrogate": ("a.jsonl", b'{"text": "\\ud800"}\n', "half a character"),
    "no parquet": ("a.parquet", b"PAR1", "no parquet file|needs the pyarrow package"),
    "utf-16": ("a.txt", TEXT.encode("utf-16-le"), "NUL"),
}


@pytest.mark.parametrize("odd", ODD)
def test_what_is_no_text_is_refused_with_its_place(
    odd: str, small: dict[str, ModuleType], tmp_path: Path
) -> None:
    name, content, message = ODD[odd]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=message):
        small["data"].read_corpus([str(tmp_path / name)], "byte", 0.1, 300, tmp_path / "tokens")
    assert [path.name for path in (tmp_path / "tokens").iterdir()] == ["lock"]


def test_folders_without_texts_are_refused(small: dict[str, ModuleType], tmp_path: Path) -> None:
    (tmp_path / "a.pdf").touch()
    for data, message in ((tmp_path, "holds no texts"), (tmp_path / "*.txt", "no corpus")):
        with pytest.raises(ValueError, match=message):
            small["data"].read_corpus([str(data)], "byte", 0.1, 300, tmp_path / "tokens")


# ---- what is kept ----


@pytest.fixture
def counted(small: dict[str, ModuleType], monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """One entry for each time that a corpus is encoded."""
    made: list[int] = []
    keep = small["tokens"].keep_tokens

    def counting(*arguments: Any) -> Any:
        made.append(1)
        return keep(*arguments)

    monkeypatch.setattr(small["tokens"], "keep_tokens", counting)
    yield made


def test_a_corpus_is_encoded_once_and_again_where_anything_is_another(
    small: dict[str, ModuleType], tmp_path: Path, counted: list[int]
) -> None:
    path, cache = tmp_path / "corpus.txt", tmp_path / "tokens"
    path.write_text(TEXT)

    def read(tokenizer: str = "byte", validation: float = 0.1) -> list[int]:
        corpus = small["data"].read_corpus([str(path)], tokenizer, validation, 300, cache)
        return [*corpus.train.tolist(), *corpus.validation.tolist()]

    assert read() == read() == [*TEXT.encode()] and len(counted) == 1
    (tmp_path / "moved.txt").write_text(TEXT)
    path = tmp_path / "moved.txt"
    assert read() and len(counted) == 1  # it is known by what it holds
    read("char")
    read(validation=0.2)
    assert len(counted) == 3
    times = path.stat()
    path.write_text(TEXT.replace("green", "white"))  # of one size, and of one date
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert read() == [*TEXT.replace("green", "white").encode()] and len(counted) == 4


@pytest.mark.parametrize("harm", ["flip", "cut", "empty", "gone", "notes", "no notes", "other"])
def test_kept_tokens_that_are_damaged_are_made_anew(
    harm: str, small: dict[str, ModuleType], tmp_path: Path, counted: list[int]
) -> None:
    path, cache = tmp_path / "corpus.txt", tmp_path / "tokens"
    path.write_text(TEXT)
    small["data"].read_corpus([str(path)], "byte", 0.1, 300, cache)
    (kept,), (notes,) = cache.glob("*.bin"), cache.glob("*.json")
    held = bytearray(kept.read_bytes())
    if harm == "flip":
        held[99] ^= 4
        kept.write_bytes(held)
    elif harm in ("cut", "empty"):
        kept.write_bytes(held[:-2] if harm == "cut" else b"")
    elif harm == "gone":
        kept.unlink()
    elif harm == "no notes":
        notes.unlink()
    else:
        notes.write_text("{" if harm == "notes" else '{"version": 0}')
    corpus = small["data"].read_corpus([str(path)], "byte", 0.1, 300, cache)
    assert bytes([*corpus.train.tolist(), *corpus.validation.tolist()]).decode() == TEXT
    assert len(counted) == 2


def test_several_starts_at_once_encode_once(small: dict[str, ModuleType], tmp_path: Path) -> None:
    (tmp_path / "corpus.txt").write_text(TEXT * 99)
    package = Path(str(small["data"].__file__)).parent
    code = (
        f"import sys; sys.path.insert(0, {str(package.parent)!r})\n"
        "from of_long import data, tokens\n"
        "from pathlib import Path\n"
        "keep = tokens.keep_tokens\n"
        "tokens.keep_tokens = lambda *a: (print('encodes', flush=True), keep(*a))[1]\n"
        "data.read_corpus(['corpus.txt'], 'char', 0.1, 300, Path('tokens'))\n"
    )
    command = [sys.executable, "-c", code]
    runs = [subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE) for _ in range(3)]
    said = b"".join(run.communicate(timeout=120)[0] for run in runs)
    assert [run.returncode for run in runs] == [0] * 3
    assert said.splitlines().count(b"encodes") == 1
    assert not [*(tmp_path / "tokens").glob("*.tmp")]
