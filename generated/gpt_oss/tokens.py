# Made from specs/gpt_oss.yaml; make it again: tgen build specs/gpt_oss.yaml
"""Tokens on the disk: of texts that were encoded once, and of files made elsewhere."""

from __future__ import annotations

import hashlib
import json
import os
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from .files import BLOCK, Piece, between, digest_of, pieces_of

VERSION = 1  # of what is kept

Encode = Callable[[Iterable[Piece]], Iterator[list[int]]]


# ---- of texts ----


@dataclass(frozen=True)
class Kept:
    """What is known of a corpus whose tokens are on the disk."""

    version: int
    train: int  # tokens
    validation: int
    width: int  # bytes of a token
    checksum: int
    characters: int  # of what is held out
    size: int  # its bytes
    alphabet: str  # all characters of the corpus


def kept_tokens(
    folder: Path, files: Sequence[Path], field: str, validation: float, said: str
) -> tuple[str, str, Kept | None]:
    """The digest of a corpus, the name under which its tokens are kept, and what is known of them.

    Nothing is known where they were never made, or are not whole any more. `said` tells the
    tokenizer from others.
    """
    corpus = digest_of(files)
    asked = json.dumps([VERSION, corpus, field, validation, said])
    name = hashlib.blake2b(asked.encode(), digest_size=16).hexdigest()
    try:
        kept = Kept(**json.loads((folder / f"{name}.json").read_bytes()))
        with (folder / f"{name}.bin").open("rb") as file:
            checksum = 0
            while block := file.read(BLOCK):
                checksum = zlib.crc32(block, checksum)
            whole = file.tell() == kept.width * (kept.train + kept.validation)
    except FileNotFoundError:
        return corpus, name, None
    except (OSError, ValueError, TypeError, RecursionError):
        whole, checksum, kept = False, 0, None
    if kept is None or not whole or checksum != kept.checksum:
        print(f"{folder / name}.bin is damaged and is made anew", file=sys.stderr)
        return corpus, name, None
    return corpus, name, kept


def keep_tokens(
    folder: Path,
    name: str,
    files: Sequence[Path],
    field: str,
    validation: float,
    look: Callable[[str], tuple[Encode, int]],
) -> Kept:
    """Encodes a corpus; `look` is told its characters, and gives what encodes and how many tokens.

    The last `validation` of the characters are the validation split, encoded by itself.
    """
    characters, alphabet = 0, set[str]()
    for text, _ in pieces_of(files, field):
        characters += len(text)
        alphabet |= set(text)
    symbols = "".join(sorted(alphabet))
    encode, vocab_size = look(symbols)
    width = 2 if vocab_size <= 2**16 else 4
    split = int(characters * (1 - validation))
    temporary, checksum, counts, size = folder / f"{name}.{os.getpid()}.tmp", 0, [], 0
    try:
        with temporary.open("wb") as file:
            for start, stop in ((0, split), (split, characters)):
                part = between(pieces_of(files, field), start, stop)
                count = 0
                for ids in encode(with_bar(part, stop - start, f"encoding {name[:6]}")):
                    block = np.array(ids, dtype=f"<u{width}").tobytes()
                    checksum, count = zlib.crc32(block, checksum), count + len(ids)
                    file.write(block)
                counts.append(count)
        for text, _ in between(pieces_of(files, field), split, characters):
            size += len(text.encode())
        kept = Kept(
            VERSION, counts[0], counts[1], width, checksum, characters - split, size, symbols
        )
        temporary.replace(folder / f"{name}.bin")
        temporary.write_text(json.dumps(asdict(kept)))
        temporary.replace(folder / f"{name}.json")
    finally:
        temporary.unlink(missing_ok=True)
    return kept


def splits_of(folder: Path, name: str, kept: Kept) -> tuple[np.ndarray, np.ndarray]:
    """The tokens of both splits, in memory only where they are read."""
    ids = np.memmap(folder / f"{name}.bin", dtype=f"<u{kept.width}", mode="r")
    return ids[: kept.train], ids[kept.train :]


def with_bar(pieces: Iterable[Piece], total: int, what: str) -> Iterator[Piece]:
    """The same, with a bar of the characters that are done, on a terminal where rich is there."""
    try:
        from rich.progress import Progress
    except ImportError:
        yield from pieces
        return
    with Progress(disable=not sys.stdout.isatty(), transient=True) as bar:
        task = bar.add_task(what, total=total)
        for piece in pieces:
            yield piece
            bar.advance(task, len(piece[0]))


@contextmanager
def one_at_a_time(folder: Path) -> Iterator[None]:
    """Others wait; the system lets the next one in when the first ends, however it ends."""
    folder.mkdir(parents=True, exist_ok=True)
    try:
        import fcntl
    except ImportError:  # on Windows each makes its own, and the last one stays
        yield
        return
    with (folder / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


# ---- made elsewhere ----


def holds_tokens(path: Path) -> bool:
    """Whether a file, or a folder with train.bin and val.bin, has tokens and no text."""
    names = [f"{split}{end}" for split in ("train", "val") for end in (".bin", ".npy")]
    return path.suffix in (".bin", ".npy") or any((path / name).exists() for name in names)


def token_splits(path: Path, validation: float, vocab_size: int) -> tuple[np.ndarray, np.ndarray]:
    """train and val of a folder, as nanoGPT's prepare.py writes them; the parts of any other file.

    They are .bin, or .npy as numpy.save writes it.
    """
    if not path.is_dir() and path.stem not in ("train", "val"):
        ids = token_ids(path, vocab_size)
        split = int(len(ids) * (1 - validation))
        return ids[:split], ids[split:]
    folder = path if path.is_dir() else path.parent
    splits = []
    for name in ("train", "val"):
        found = [file for end in (".bin", ".npy") if (file := folder / f"{name}{end}").is_file()]
        if len(found) != 1:
            what = "two files" if found else "no file"
            raise ValueError(f"{folder} holds {what} of {name}.bin and {name}.npy; one is needed")
        splits.append(token_ids(found[0], vocab_size))
    return splits[0], splits[1]


def token_ids(path: Path, vocab_size: int) -> np.ndarray:
    """The tokens of a .npy file, or of a .bin: uint16, or uint32 where the vocabulary needs it."""
    if not path.is_file():
        raise ValueError(f"there is no file {path}")
    if path.suffix == ".npy":
        try:
            ids = np.lib.format.open_memmap(path, mode="r")
        except Exception as error:  # whatever numpy makes of a damaged file
            raise ValueError(f"{path} is no .npy file of numbers: {error!s:.200}") from None
        if ids.ndim != 1 or ids.dtype.kind not in "iu" or (len(ids) and ids.min() < 0):
            what = f"{ids.dtype} of shape {ids.shape}"
            raise ValueError(f"{path} is {what}, not a row of integers from 0 on")
        return ids
    width = 2 if vocab_size <= 2**16 else 4
    kind = f"uint{8 * width} tokens, as a vocabulary of {vocab_size} has them"
    if path.stat().st_size < width or path.stat().st_size % width:
        raise ValueError(f"{path} does not hold {kind}: it has {path.stat().st_size} bytes")
    ids = np.memmap(path, dtype=f"<u{width}", mode="r")
    if ids[: 6 // width].tobytes() == b"\x93NUMPY":
        raise ValueError(f"{path} does not hold {kind}: it is an .npy file by another name")
    if ids[0::2].any() != ids[1::2].any() and len(ids) > 1:
        raise ValueError(f"{path} does not hold {kind}: every second one is 0, as in wider numbers")
    return ids
