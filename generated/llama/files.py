# Made from specs/llama.yaml; make it again: tgen build specs/llama.yaml
"""Files of text, read in pieces that fit in memory."""

from __future__ import annotations

import codecs
import glob
import gzip
import hashlib
import io
import json
import os
import time
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

ENDINGS = (".txt", ".text", ".md", ".jsonl", ".parquet")  # of texts in a folder; .gz may follow
BLOCK = 2**20  # bytes that are read at a time
SETTLED = 2 * 10**9  # nanoseconds after which a change of a file shows in its dates

Piece = tuple[str, bool]  # of a text, and whether another text ends before it


def files_of(names: Sequence[str]) -> list[Path]:
    """What --data means: files, folders with all texts below them, patterns such as 'a/*.txt'."""
    found: list[Path] = []
    for name in names:
        path = Path(name)
        if name and path.is_dir():
            below = sorted(file for file in path.rglob("*") if kind_of(file) in ENDINGS)
            below = [file for file in below if not hidden(file.relative_to(path))]
            if not below:
                raise ValueError(f"{path} holds no texts: {', '.join(ENDINGS)}, or .gz of one")
        else:
            below = [path] if path.exists() else sorted(map(Path, glob.glob(name, recursive=True)))
        if not below or not all(file.is_file() for file in below):
            what = "texts, .jsonl, parquet, .bin or .npy files, or a folder"
            raise ValueError(f"there is no corpus {name}; --data is {what}")
        found += below
    return [*dict.fromkeys(found)]


def kind_of(path: Path) -> str:
    """What a file's name says of it, packed or not."""
    return Path(path.name.lower().removesuffix(".gz")).suffix


def is_packed(path: Path) -> bool:
    return path.name.lower().endswith(".gz")


def hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


Seen = dict[str, list[Any]]  # of files that were read: their stamps and their digests


def new_digest() -> hashlib.blake2b:
    return hashlib.blake2b(digest_size=16)


def digest_of(files: Sequence[Path], seen: Seen) -> str:
    """Of all bytes, in order, and of how they are read."""
    whole = new_digest()
    for path in files:
        whole.update(f"{kind_of(path)} {is_packed(path)} {file_digest(path, seen)} ".encode())
    return whole.hexdigest()


def file_digest(path: Path, seen: Seen) -> str:
    """Of a file's bytes; one that is the same as it was `seen` is not read again.

    It is the same if its size, its dates and its place on the disk are: that of the last change of
    its bytes and, which no program can set, of any change at all (Windows has none, and there all
    is read). A file that changed less than two seconds before it was read is read again next time:
    a change right after would not show in dates that are as coarse.
    """
    began, name, stamp = time.time_ns(), str(path.resolve()), stamp_of(path)
    if name in seen and seen[name][:-1] == stamp:
        return str(seen[name][-1])
    digest = new_digest()
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
    seen.pop(name, None)
    if os.name != "nt" and max(stamp[1:3]) < began - SETTLED and stamp_of(path) == stamp:
        seen[name] = [*stamp, digest.hexdigest()]
    return digest.hexdigest()


def stamp_of(path: Path) -> list[int]:
    """What changes whenever a file does: size, dates and place."""
    now = path.stat()
    return [now.st_size, now.st_mtime_ns, now.st_ctime_ns, now.st_ino, now.st_dev]


def pieces_of(files: Sequence[Path], field: str) -> Iterator[Piece]:
    """Every text, in pieces that fit in memory: one of a file, or of each row where it has rows."""
    several = False
    for path in files:
        read = {".jsonl": of_jsonl, ".parquet": of_parquet}.get(kind_of(path), of_text)
        empty = True
        for text, begins in read(path, field):
            if "\0" in text:
                what = "holds NUL characters: it is UTF-16 or no text; convert it"
                raise ValueError(f"{path} {what}")
            if text:
                yield text, begins and several
                several, empty = True, False
        if empty:
            raise ValueError(f"{path} is empty")


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """The bytes of a file, unpacked where it is a .gz."""
    try:
        with gzip.open(path) if is_packed(path) else path.open("rb") as file:
            yield io.BufferedReader(file) if isinstance(file, gzip.GzipFile) else file
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise ValueError(f"{path} is no whole .gz file: {error}") from None


def of_text(path: Path, field: str) -> Iterator[Piece]:
    decoder = codecs.getincrementaldecoder("utf-8-sig")()
    done, begins = 0, True
    with opened(path) as file:
        while True:
            block, waiting = file.read(BLOCK), len(decoder.getstate()[0])
            try:
                text = decoder.decode(block, final=not block)
            except UnicodeDecodeError as error:
                place = done - waiting + error.start
                what = f"is not UTF-8 text (byte {place}); convert it, e.g. with iconv"
                raise ValueError(f"{path} {what}") from None
            yield text, begins
            done, begins = done + len(block), begins and not text
            if not block:
                return


def of_jsonl(path: Path, field: str) -> Iterator[Piece]:
    for where, row in rows_of(path):
        yield text_in(row, field, where), True


def rows_of(path: Path) -> Iterator[tuple[str, Any]]:
    """What each line of a .jsonl holds, and where that is."""
    with opened(path) as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise ValueError(f"{path}:{number} is no JSON: {error!s:.200}") from None
            yield f"{path}:{number}", row


def of_parquet(path: Path, field: str) -> Iterator[Piece]:
    for where, row in rows_of_parquet(path, field):
        yield text_in(row, field, f"{where},"), True


def rows_of_parquet(path: Path, *columns: str) -> Iterator[tuple[str, Any]]:
    """What each row of a file holds, of all its columns or of some, and where that is."""
    try:
        from pyarrow import ArrowException, parquet
    except ImportError:
        raise ValueError(f"{path} needs the pyarrow package: pip install pyarrow") from None
    try:
        file, number = parquet.ParquetFile(path), 0
        for name in columns:
            if name not in file.schema_arrow.names:
                there = ", ".join(file.schema_arrow.names)
                raise ValueError(f"{path} has no column {name}; say with --field which of {there}")
        for batch in file.iter_batches(batch_size=1000, columns=[*columns] or None):
            for row in batch.to_pylist():
                number += 1
                yield f"{path}, row {number}", row
    except ArrowException as error:
        raise ValueError(f"{path} is no parquet file: {error!s:.200}") from None


def text_in(row: Any, field: str, where: str) -> str:
    if not isinstance(row, dict) or not isinstance(text := row.get(field), str):
        there = ", ".join(map(str, row)) if isinstance(row, dict) else "nothing"
        what = f"has no text `{field}`; say with --field which of {there:.200}"
        raise ValueError(f"{where} {what}")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError(f"{where} has half a character, a lone surrogate") from None
    return text


def between(pieces: Iterable[Piece], start: int, stop: int) -> Iterator[Piece]:
    """The characters from `start` to `stop` of all texts together."""
    done, first = 0, True
    for text, begins in pieces:
        part = text[max(0, start - done) : max(0, stop - done)]
        done += len(text)
        if part:
            yield part, begins and not first
            first = False


class Sizes(NamedTuple):
    """How much text there is; white space parts words."""

    characters: int
    bytes: int
    words: int


def sizes_of(pieces: Iterable[Piece]) -> Sizes:
    """Of all texts together."""
    characters, size, words, in_word = 0, 0, 0, False
    for text, begins in pieces:
        characters, size = characters + len(text), size + len(text.encode())
        goes_on = in_word and not begins and not text[0].isspace()
        words, in_word = words + len(text.split()) - goes_on, not text[-1].isspace()
    return Sizes(characters, size, words)
