# Made from specs/chat.yaml; make it again: tgen build specs/chat.yaml
"""Files of rows, read one after the other."""

from __future__ import annotations

import glob
import gzip
import io
import json
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

ENDINGS = (".jsonl", ".parquet")  # of rows in a folder; .gz may follow


def files_of(names: Sequence[str]) -> list[Path]:
    """What --data means: files, folders with all texts below them, patterns such as 'a/*.txt'."""
    found: list[Path] = []
    for name in names:
        path = Path(name)
        if name and path.is_dir():
            below = sorted(file for file in path.rglob("*") if kind_of(file) in ENDINGS)
            below = [file for file in below if not hidden(file.relative_to(path))]
            if not below:
                raise ValueError(f"{path} holds no chats: {', '.join(ENDINGS)}, or .gz of one")
        else:
            below = [path] if path.exists() else sorted(map(Path, glob.glob(name, recursive=True)))
        if not below or not all(file.is_file() for file in below):
            what = "files of rows, .jsonl or parquet, or folders with such"
            raise ValueError(f"there is no {name}; --data is {what}")
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
