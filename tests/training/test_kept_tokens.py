"""Tokens that are kept on the disk are those of the corpus as it is, or they are made anew."""

from __future__ import annotations

import json
import os
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from tests.packages import import_package
from tests.training.conftest import MODEL
from tests.training.test_corpora import bpe

LINES = "one green bottle\nhanging on the wall\n" * 40


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> dict[str, ModuleType]:
    folder, names = tmp_path_factory.mktemp("kept"), ("data", "files", "tokens")
    made = import_package(folder, {"name": "of_kept", "model": MODEL}, *names)
    return dict(zip(names, made, strict=True))


def read(small: dict[str, ModuleType], path: Path, tokenizer: str = "byte") -> Any:
    folder = path.parent / "tokens"
    return small["data"].read_corpus([str(path)], tokenizer, 0.25, 300, folder)


def kept(folder: Path) -> set[str]:
    return {path.name for path in (folder / "tokens").glob("*.bin")}


@pytest.mark.parametrize("kind", ["char", "byte", "file"])
def test_a_resumed_run_finds_the_tokens_of_its_first_start(
    kind: str, small: dict[str, ModuleType], tmp_path: Path
) -> None:
    """Its tokenizer's file is then the one in OUT, which is written in another way."""
    (tmp_path / "corpus.txt").write_text(LINES)
    if kind == "file":
        after = {"add_prefix_space": False, "trim_offsets": True, "use_regex": True}
        bpe(tmp_path / "made.json", post_processor={"type": "ByteLevel", **after})
    first = read(
        small, tmp_path / "corpus.txt", str(tmp_path / "made.json") if kind == "file" else kind
    )
    names = kept(tmp_path)
    first.save(tmp_path)
    again = read(small, tmp_path / "corpus.txt", str(tmp_path / "tokenizer.json"))
    assert kept(tmp_path) == names
    assert again.train.tolist() == first.train.tolist()


def test_a_corpus_that_changes_while_it_is_encoded_is_not_kept(
    small: dict[str, ModuleType], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, encode_all = tmp_path / "corpus.txt", small["data"].encode_all
    path.write_text(LINES)

    def change(*given: Any) -> Any:
        path.write_text(LINES.upper())
        return encode_all(*given)

    monkeypatch.setattr(small["data"], "encode_all", change)
    with pytest.raises(ValueError, match="changed while"):
        read(small, path)
    monkeypatch.undo()
    path.write_text(LINES)
    assert bytes(read(small, path).train.tolist()[:3]) == b"one"


def test_a_file_that_is_not_read_again_is_the_one_that_was_read(
    small: dict[str, ModuleType], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither a date set back nor another file put in its place hides a change."""
    monkeypatch.setattr(small["files"], "SETTLED", -(10**18))  # however new it is
    path, seen = tmp_path / "corpus.txt", dict[str, list[Any]]()
    path.write_text(LINES)
    digest, dates = small["files"].file_digest(path, seen), path.stat()
    assert (
        small["files"].file_digest(path, {name: [*at[:-1], "seen"] for name, at in seen.items()})
        == "seen"
    )
    path.write_text(LINES.upper())
    os.utime(path, ns=(dates.st_atime_ns, dates.st_mtime_ns))
    upper = small["files"].file_digest(path, seen)
    (tmp_path / "other.txt").write_text(LINES.title())
    os.utime(tmp_path / "other.txt", ns=(dates.st_atime_ns, dates.st_mtime_ns))
    (tmp_path / "other.txt").replace(path)
    assert len({digest, upper, small["files"].file_digest(path, seen)}) == 3


def test_a_file_that_has_just_changed_is_read_again(
    small: dict[str, ModuleType], tmp_path: Path
) -> None:
    (tmp_path / "corpus.txt").write_text(LINES)
    seen: dict[str, list[Any]] = {}
    small["files"].file_digest(tmp_path / "corpus.txt", seen)
    assert seen == {}


@pytest.mark.parametrize("name", ["train", "validation", "bytes", "alphabet"])
def test_what_is_noted_of_tokens_is_not_believed_where_it_was_changed(
    name: str, small: dict[str, ModuleType], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "corpus.txt"
    path.write_text(LINES)
    first = read(small, path, "char")
    for note in (tmp_path / "tokens").glob("*.json"):
        text = note.read_text()
        if f'"{name}"' in text:
            said = json.loads(text)
            value = said["said"][name]
            said["said"][name] = value[::-1] if isinstance(value, str) else value - 1
            note.write_text(json.dumps(said))
    again = read(small, path, "char")
    assert "is damaged and is made anew" in capsys.readouterr().err
    assert again.train.tolist() == first.train.tolist() and again.size == first.size
    assert again.tokenizer.characters == first.tokenizer.characters


def test_what_killed_starts_have_left_is_taken_away(
    small: dict[str, ModuleType], tmp_path: Path
) -> None:
    pytest.importorskip("fcntl")
    (tmp_path / "corpus.txt").write_text(LINES)
    (tmp_path / "tokens").mkdir()
    (tmp_path / "tokens/0123.99.tmp").write_bytes(b"half")
    read(small, tmp_path / "corpus.txt")
    assert not [*(tmp_path / "tokens").glob("*.tmp")]


def test_texts_of_one_line_are_parted_by_a_new_line(
    small: dict[str, ModuleType], tmp_path: Path
) -> None:
    for name in "ab":
        (tmp_path / f"{name}.txt").write_text(name * 50)
    data = [str(tmp_path / "a.txt"), str(tmp_path / "b.txt")]
    corpus = small["data"].read_corpus(data, "char", 0.25, 300, tmp_path / "tokens")
    assert corpus.tokenizer.decode(corpus.train.tolist()) == "a" * 50 + "\n" + "b" * 25


def test_a_folder_s_hidden_files_are_no_texts_and_capitals_don_t_matter(
    small: dict[str, ModuleType], tmp_path: Path
) -> None:
    (tmp_path / ".git").mkdir()
    for name in (".git/a.txt", ".b.txt", "C.TXT"):
        (tmp_path / name).write_text("some")
    (tmp_path / "D.JSONL").write_text('{"text": "more"}')
    found = small["files"].files_of([str(tmp_path)])
    assert [path.name for path in found] == ["C.TXT", "D.JSONL"]
    assert [text for text, _ in small["files"].pieces_of(found, "text")] == ["some", "more"]
    with pytest.raises(ValueError, match="there is no corpus"):
        small["files"].files_of([""])


@pytest.mark.parametrize("tokenizer", ["char", "byte"])
def test_other_files_are_held_out_instead_of_a_fraction(
    tokenizer: str, small: dict[str, ModuleType], tmp_path: Path
) -> None:
    (tmp_path / "corpus.txt").write_text(LINES)
    (tmp_path / "other.txt").write_text("\u00fcber" * 40)
    given = [str(tmp_path / "corpus.txt")], tokenizer, 0.1, 300, tmp_path / "tokens"
    corpus = small["data"].read_corpus(*given, held_out=[str(tmp_path / "o*.txt")])
    assert corpus.tokenizer.decode(corpus.train.tolist()) == LINES
    assert corpus.tokenizer.decode(corpus.validation.tolist()) == "\u00fcber" * 40
    assert corpus.size == (160, 200, 1)
    assert corpus.digests() != small["data"].read_corpus(*given).digests()


def test_tokens_made_elsewhere_may_be_held_out_too(
    small: dict[str, ModuleType], tmp_path: Path
) -> None:
    for name, count in (("one", 9), ("other", 5), ("train", 3), ("val", 2)):
        np.save(tmp_path / f"{name}.npy", np.arange(count))
    given, read_corpus = ("", 0.1, 300, tmp_path / "tokens"), small["data"].read_corpus
    corpus = read_corpus(
        [str(tmp_path / "one.npy")], *given, held_out=[str(tmp_path / "other.npy")]
    )
    assert corpus.train.tolist() == [*range(9)] and corpus.validation.tolist() == [*range(5)]
    before = corpus.digests()
    np.save(tmp_path / "other.npy", np.arange(6))
    corpus = read_corpus(
        [str(tmp_path / "one.npy")], *given, held_out=[str(tmp_path / "other.npy")]
    )
    assert corpus.digests() != before
    with pytest.raises(ValueError, match="two splits already"):
        read_corpus([str(tmp_path)], *given, held_out=[str(tmp_path / "other.npy")])
    with pytest.raises(ValueError, match="one file or folder each"):
        read_corpus([str(tmp_path / "one.npy"), str(tmp_path / "other.npy")], *given)
