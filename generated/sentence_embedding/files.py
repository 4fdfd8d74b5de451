# Made from specs/sentence_embedding.yaml; make it again: tgen build specs/sentence_embedding.yaml
"""Files of text, read in pieces that fit in memory."""

from __future__ import annotations

import codecs
import glob
import gzip
import io
import json
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

ENDINGS = (".txt", ".text", ".md", ".jsonl", ".parquet")  # of texts in a folder; .gz may follow
BLOCK = 2**20  # bytes that are read at a time

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
