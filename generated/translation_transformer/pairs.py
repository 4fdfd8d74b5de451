# Made from specs/translation_transformer.yaml; make it again with tgen build
"""Pairs of texts from files: TSV or JSONL, or two each that go together line by line.

Each may be compressed by gzip, and then has a name that ends in .gz.
"""

from __future__ import annotations

import glob
import gzip
import json
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from .digests import digest
from .options import Options

FIELDS = ("source", "target")  # of each object of a JSONL file


class Files(NamedTuple):
    """Where sources and their targets are, one on each line: two files, or one twice."""

    source: Path
    target: Path
    lines: int


@dataclass(frozen=True)
class Texts:
    """Pairs of a source and its target."""

    files: list[Files]
    pairs: list[tuple[str, str]]
    first: int = 0  # lines of the files before the first pair

    @property
    def named(self) -> str:
        """What to call them."""
        more = f" and {len(self.files) - 1} more" if len(self.files) > 1 else ""
        return f"{self.files[0].source}{more}"

    @property
    def sides(self) -> list[str]:
        """Sources and targets."""
        return [side for pair in self.pairs for side in pair]

    def placed(self) -> Iterator[tuple[tuple[str, str], tuple[str, str]]]:
        """Source and target, each with the place that an error names."""
        lines = (
            (f"{files.source}:{line}", f"{files.target}:{line}")
            for files in self.files
            for line in range(1, files.lines + 1)
        )
        for places, pair in zip(islice(lines, self.first, None), self.pairs, strict=False):
            yield (places[0], pair[0]), (places[1], pair[1])


def read_texts(options: Options) -> tuple[Texts, Texts]:
    """The pairs to train on, and those that are held out."""
    texts = read_either(options.data, options.source, options.target)
    sides = options.validation_source, options.validation_target
    try:
        fraction = float(options.validation)
    except ValueError:
        return texts, read_either([options.validation], *sides)
    return (texts, read_either([], *sides)) if any(sides) else split(texts, fraction)


def digest_of_pairs(train: Texts, validation: Texts) -> str:
    """By which a run knows the pairs again."""
    return digest(train.pairs, validation.pairs)


def read_either(data: Sequence[str], source: Sequence[str], target: Sequence[str]) -> Texts:
    """The pairs of files, or of files of sources and as many of targets."""
    if data and not source and not target:
        found = [read_pairs(path) for path in files_named(data)]
    elif source and target and not data:
        sources, targets = files_named(source), files_named(target)
        if len(sources) != len(targets):
            raise ValueError(f"--source has {len(sources)} files and --target {len(targets)}")
        found = [read_parallel(*paths) for paths in zip(sources, targets, strict=True)]
    else:
        how = "said with --data, or in two: --source and --target"
        raise ValueError(f"pairs are in one file, {how}")
    pairs = [pair for texts in found for pair in texts.pairs]
    return Texts([texts.files[0] for texts in found], pairs)


def split(texts: Texts, fraction: float) -> tuple[Texts, Texts]:
    """The first pairs, and those that are so large a part, but at least one."""
    if not 0 < fraction < 1:
        raise ValueError(f"--validation is {fraction}, not a fraction between 0 and 1")
    pairs = texts.pairs
    if (left := len(pairs) - max(1, round(fraction * len(pairs)))) < 1:
        count = f"{len(pairs)} pairs, too few to hold out {fraction:.0%}"
        raise ValueError(f"{texts.named} has {count}")
    return replace(texts, pairs=pairs[:left]), replace(texts, pairs=pairs[left:], first=left)


def read_pairs(path: Path) -> Texts:
    """The pairs of a .jsonl file, or of any other, whose lines are a source, a tab, a target."""
    found = from_json if path.name.removesuffix(".gz").endswith(".jsonl") else from_tabs
    pairs = []
    for number, line in enumerate(read_lines(path), 1):
        try:
            pairs.append(found(line))
            if not all(side.strip() for side in pairs[-1]):
                raise ValueError("has an empty side")
        except ValueError as error:
            raise ValueError(f"{path}:{number} {error}") from None
    return Texts([Files(path, path, len(pairs))], pairs)


def from_tabs(line: str) -> tuple[str, str]:
    source, *targets = line.split("\t")
    if len(targets) != 1:
        what = f"{len(targets)} tabs" if targets else "no tab"
        raise ValueError(f"has {what}; a line is a source, a tab and its target")
    return source, targets[0]


def from_json(line: str) -> tuple[str, str]:
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"is no JSON: {error}") from None
    if not isinstance(fields, dict) or not set(FIELDS) <= fields.keys():
        raise ValueError(f"is no object with the fields {' and '.join(FIELDS)}")
    source, target = (fields[name] for name in FIELDS)
    if not isinstance(source, str) or not isinstance(target, str):
        raise ValueError("has a source or a target that is no text")
    if any("\ud800" <= character <= "\udfff" for character in source + target):
        raise ValueError("has half a character, a lone surrogate")
    return source, target


def read_parallel(source: Path, target: Path) -> Texts:
    """The lines of two files, each of the one with that of the other."""
    sides = read_lines(source), read_lines(target)
    counts = [len(side) for side in sides]
    if counts[0] != counts[1]:
        raise ValueError(f"{source} has {counts[0]:,} lines and {target} {counts[1]:,}")
    for path, lines in zip((source, target), sides, strict=True):
        for number, line in enumerate(lines, 1):
            if not line.strip():
                raise ValueError(f"{path}:{number} is empty, and has to say what its pair does")
    return Texts([Files(source, target, counts[0])], list(zip(*sides, strict=True)))


def read_lines(path: Path) -> list[str]:
    """Whatever ends them; what else Unicode calls the end of a line is part of a text."""
    return read_text(path).replace("\r\n", "\n").removesuffix("\n").split("\n")


def files_named(names: Sequence[str]) -> list[Path]:
    """The files that --data means: each once, patterns such as 'a/*.tsv' in their order."""
    files = [file for name in names for file in sorted(glob.glob(name, recursive=True)) or [name]]
    return [Path(file) for file in dict.fromkeys(files)]


def read_text(path: Path) -> str:
    if not path.is_file():
        raise ValueError(f"there is no file {path} of texts")
    try:
        text = unpacked(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{path} is not UTF-8 text (byte {error.start}); convert it, e.g. with iconv"
        ) from None
    if "\0" in text:
        raise ValueError(f"{path} holds NUL characters: it is UTF-16 or no text; convert it")
    if not text:
        raise ValueError(f"{path} is empty")
    return text


def unpacked(path: Path) -> bytes:
    """What the file holds, or has compressed."""
    if path.suffix.lower() != ".gz":
        return path.read_bytes()
    try:
        return gzip.decompress(path.read_bytes())
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise ValueError(f"{path} is damaged, or nothing that gzip has made: {error}") from None
