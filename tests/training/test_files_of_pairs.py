"""What a file of pairs holds is what is learned from, and what is wrong with it is told by line."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.packages import import_package
from tests.training.conftest import MODEL

PAIRS = [(f"{n} Flaschen", f"{n} bottles, of\u2028which\x85one fell") for n in range(20)]
SPELT = len({"\n", *(character for pair in PAIRS for side in pair for character in side)})
Given = dict[str, Any]
FILES = ("data", "source", "target", "validation_source", "validation_target")


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    model = {**MODEL, "encoder": {"layers": 1}}
    spec = {"name": "reader", "task": "seq2seq-lm", "model": model, "data": {"tokenizer": "char"}}
    return import_package(tmp_path_factory.mktemp("files_of_pairs"), spec, "data")[0]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One with PAIRS in files of every kind; the current one."""
    monkeypatch.chdir(tmp_path)
    for name, pairs in (("", PAIRS), ("last", PAIRS[15:])):
        lines = ["\t".join(pair) for pair in pairs]
        write(f"{name}pairs.tsv", "\n".join(lines) + "\n")
        write(f"{name}windows.txt", "\ufeff" + "\r\n".join(lines))
        objects = [{"target": target, "id": 7, "source": source} for source, target in pairs]
        write(f"{name}pairs.jsonl", "\n".join(map(json.dumps, objects)))
        write(f"{name}de.txt", "\n".join(source for source, _ in pairs))
        write(f"{name}en.txt", "\r\n".join(target for _, target in pairs) + "\r\n")
    for path in [*Path().glob("*.*")]:
        Path(f"{path}.gz").write_bytes(gzip.compress(path.read_bytes()))
    return tmp_path


def write(path: str, text: str) -> None:
    Path(path).write_bytes(text.encode())


def read(reader: ModuleType, **given: Any) -> Any:
    """The corpus of these options; a file's name stands for a list of it."""
    options = {"context_length": 32, **given}
    options |= {name: (options[name],) for name in FILES if type(options.get(name)) is str}
    return reader.read_data(reader.Options(**options), reader.Config())[0]


def texts(corpus: Any, split: str) -> list[tuple[str, str]]:
    decode = corpus.tokenizer.decode
    return sorted((decode(source), decode(target)) for source, target in getattr(corpus, split))


WHOLE: list[Given] = [
    {"data": "pairs.tsv"},
    {"data": "windows.txt"},
    {"data": "pairs.jsonl"},
    {"source": "de.txt", "target": "en.txt"},
    {"data": "windows.txt.gz"},
    {"data": "pairs.jsonl.gz"},
    {"source": "de.txt", "target": "en.txt.gz"},
]
LAST: list[Given] = [
    {"validation": "lastpairs.tsv"},
    {"validation": "lastpairs.jsonl"},
    {"validation_source": "lastde.txt", "validation_target": "lasten.txt"},
    {"validation": "lastpairs.jsonl.gz"},
]


@pytest.mark.parametrize("given", WHOLE, ids=str)
def test_pairs_are_the_same_in_files_of_every_kind(reader: ModuleType, given: Given) -> None:
    corpus = read(reader, **given, validation="0.25")
    assert texts(corpus, "train") == sorted(PAIRS[:15])
    assert texts(corpus, "validation") == sorted(PAIRS[15:])


@pytest.mark.parametrize("given", LAST, ids=str)
def test_what_is_held_out_may_have_files_of_its_own(reader: ModuleType, given: Given) -> None:
    corpus = read(reader, data="pairs.tsv", **given)
    assert texts(corpus, "train") == sorted(PAIRS)
    assert texts(corpus, "validation") == sorted(PAIRS[15:])


@pytest.mark.parametrize(
    "given",
    [
        {"data": ("a.tsv", "b.jsonl")},
        {"data": ("[ab].[tj]s*",)},
        {"source": ("a.de", "b.de"), "target": ("a.en", "b.en")},
        {"source": ("?.de",), "target": ("?.en",)},
    ],
    ids=str,
)
def test_pairs_of_several_files_follow_each_other(reader: ModuleType, given: Given) -> None:
    write_two(PAIRS)
    corpus = read(reader, **given, validation="0.25")
    assert texts(corpus, "train") == sorted(PAIRS[:15])
    assert texts(corpus, "validation") == sorted(PAIRS[15:])
    corpus.save(Path())
    write_two([*PAIRS, ("1 Flasche", "1 Fla\u00dfche")])
    with pytest.raises(ValueError, match=r"^b\.(jsonl|en):9: character '\u00df' is not among"):
        read(reader, **given, tokenizer="tokenizer.json")


def write_two(pairs: list[tuple[str, str]]) -> None:
    """The pairs in files a and b, of every kind."""
    write("a.tsv", "\n".join("\t".join(pair) for pair in pairs[:12]))
    objects = [{"source": source, "target": target} for source, target in pairs[12:]]
    write("b.jsonl", "\n".join(map(json.dumps, objects)))
    for name, part in (("a", pairs[:12]), ("b", pairs[12:])):
        write(f"{name}.de", "\n".join(source for source, _ in part))
        write(f"{name}.en", "\n".join(target for _, target in part))


def test_files_of_sources_have_files_of_targets(reader: ModuleType) -> None:
    with pytest.raises(ValueError, match=r"^--source has 2 files and --target 1$"):
        read(reader, source=("de.txt", "lastde.txt"), target=("en.txt",))


def test_what_gzip_has_not_made_is_refused(reader: ModuleType) -> None:
    for content in (b"a\tb\n", gzip.compress(b"a\tb\n" * 99)[:-9], gzip.compress(b"x")[:5]):
        Path("x.tsv.gz").write_bytes(content)
        with pytest.raises(ValueError, match=r"^x\.tsv\.gz is damaged, or nothing that gzip"):
            read(reader, data="x.tsv.gz")
    Path("x.tsv.gz").write_bytes(gzip.compress(b"a\tb\nc\n"))
    with pytest.raises(ValueError, match=r"^x\.tsv\.gz:2 has no tab"):
        read(reader, data="x.tsv.gz")


ODD_LINES = {
    "x.tsv": {
        "a": "has no tab; a line is a source, a tab and its target",
        "": "has no tab",
        "a\tb\tCC-BY 2.0": "has 2 tabs",
        "a\tb\t": "has 2 tabs",
        "a\t": "has an empty side",
        " \ta": "has an empty side",
    },
    "x.jsonl": {
        "a\tb": "is no JSON",
        "": "is no JSON",
        '["a", "b"]': "is no object with the fields source and target",
        '{"source": "a", "traget": "b"}': "is no object with the fields source and target",
        '{"source": "a", "target": 7}': "has a source or a target that is no text",
        '{"source": "", "target": "b"}': "has an empty side",
        '{"source": "a", "target": "\\ud800"}': "has half a character",
        '{"source": "a", "target": "b\\nc"}': "holds the separator, which would end the target",
    },
}


@pytest.mark.parametrize(
    ("file", "line", "message"),
    [(file, *odd) for file, lines in ODD_LINES.items() for odd in lines.items()],
)
def test_a_line_that_is_no_pair_is_told_by_its_number(
    reader: ModuleType, file: str, line: str, message: str
) -> None:
    good = "a\tb" if file == "x.tsv" else '{"source": "a", "target": "b"}'
    write(file, f"{good}\n{line}\n{good}\n{good}\n")
    with pytest.raises(ValueError, match=f"^{re.escape(file)}:2 {message}"):
        read(reader, data=file)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "pairs are in one file, said with --data, or in two"),
        ({"source": "de.txt"}, "pairs are in one file"),
        ({"data": "pairs.tsv", "source": "de.txt", "target": "en.txt"}, "pairs are in one file"),
        ({"data": "pairs.tsv", "validation_source": "de.txt"}, "pairs are in one file"),
        ({**WHOLE[0], **LAST[0], **LAST[2]}, "pairs are in one file"),
        ({"source": "de.txt", "target": "lasten.txt"}, "de.txt has 20 lines and lasten.txt 5$"),
        ({"source": "de.txt", "target": "gap.txt"}, "^gap.txt:20 is empty"),
        ({"data": "missing.tsv"}, "there is no file missing.tsv"),
        ({"data": "pairs.tsv", "validation": "nan"}, "not a fraction between 0 and 1"),
        ({"data": "pairs.tsv", "validation": "1.0"}, "not a fraction between 0 and 1"),
        ({"data": "pairs.tsv", "validation": "0.99"}, "20 pairs, too few to hold out 99%"),
        (
            {"data": "pairs.tsv", "separator": "77"},
            f"--separator is token 77, the model has {SPELT}$",
        ),
    ],
    ids=str,
)
def test_files_that_do_not_fit_are_refused(reader: ModuleType, given: Given, message: str) -> None:
    write("gap.txt", "a\n" * 19 + " \n")
    with pytest.raises(ValueError, match=message):
        read(reader, **given)


def test_what_a_vocabulary_cannot_spell_is_told_with_its_line(reader: ModuleType) -> None:
    read(reader, data="pairs.tsv").save(Path())
    write("more.tsv", "9 Flaschen\t9 bottles\n" * 9 + "1 Fla\u00dfchen\t1 bottle\n")
    unknown = f"is not among the {SPELT} of the vocabulary"
    with pytest.raises(ValueError, match=rf"^more\.tsv:10: character '\u00df' {unknown}"):
        read(reader, data="more.tsv", tokenizer="tokenizer.json")
    write("x.de", "a\nb\nc")
    write("x.en", "a\nb\nW")
    found = {"validation_source": "x.de", "validation_target": "x.en"}
    with pytest.raises(ValueError, match=rf"^x\.en:3: character 'W' {unknown}"):
        read(reader, data="pairs.tsv", tokenizer="tokenizer.json", **found)


def test_pairs_that_are_cut_are_counted_and_a_cut_target_has_no_end(
    reader: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = ["a\t" + "b" * 3, "a\t" + "b" * 4, "a" * 4 + "\tb", "a" * 5 + "\tb", "aa\tb", "a\tbb"]
    write("x.tsv", "\n".join(lines))
    corpus = read(reader, data="x.tsv", context_length=4, validation="0.2")
    printed = capsys.readouterr().out
    assert printed == "2 of 5 pairs to train on are cut: they have more than 4 tokens on a side\n"
    (end, a, b), separator = (corpus.tokenizer.encode("\nab"), corpus.separator)
    assert end == separator
    pairs = {(len(source), len(target)): (source, target) for source, target in corpus.train}
    batch = reader.padded([pairs[1, 3], pairs[1, 4], pairs[5, 1]], 4, separator)
    assert batch.source.tolist() == [[a, 0, 0, 0], [a, 0, 0, 0], [a] * 4]
    assert batch.source_lengths.tolist() == [1, 1, 4]
    assert batch.tokens.tolist() == [[end, b, b, b], [end, b, b, b], [end, b, end, end]]
    assert batch.targets.tolist() == [[b, b, b, end], [b, b, b, b], [b, end, -100, -100]]
