# Made from specs/modernbert.yaml; make it again: tgen build specs/modernbert.yaml
"""Tokens on the disk: of texts that were encoded once, and of files made elsewhere."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from .files import Piece, Seen, between, digest_of, file_digest, new_digest, pieces_of, sizes_of
from .log import progress_bars

VERSION = 2  # of what is kept


# ---- of texts ----


@dataclass(frozen=True)
class Encoder:
    """What makes tokens of texts, and what tells it from others that would make other tokens."""

    encode: Callable[[Iterable[Piece]], Iterator[list[int]]]
    identity: str
    vocab_size: int


@dataclass(frozen=True)
class Kept:
    """What is known of a corpus whose tokens are on the disk."""

    train: int  # tokens
    validation: int
    width: int  # bytes of a token
    largest: int  # token
    digest: str  # of the file of tokens
    characters: int  # of what is held out
    bytes: int
    words: int


def name_of(*said: object) -> str:
    """Under which something is kept that was made of this."""
    return hashlib.blake2b(json.dumps([VERSION, *said]).encode(), digest_size=16).hexdigest()


def tokens_of(
    folder: Path,
    seen: Seen,
    files: Sequence[Path],
    field: str,
    validation: float,
    encoder: Encoder,
) -> tuple[np.ndarray, np.ndarray, Kept]:
    """Both splits of a corpus, in memory only where they are read; encoded if they never were."""
    corpus = digest_of(files, seen)
    name = name_of(corpus, field, validation, encoder.identity)
    if (kept := kept_tokens(folder, name, seen)) is None:
        kept = keep_tokens(folder, name, files, corpus, field, validation, encoder)
    ids = np.memmap(folder / f"{name}.bin", dtype=f"<u{kept.width}", mode="r")
    return ids[: kept.train], ids[kept.train :], kept


def kept_tokens(folder: Path, name: str, seen: Seen) -> Kept | None:
    """What is known of tokens; nothing where they were never made, or are not whole any more."""
    tokens = folder / f"{name}.bin"
    if (said := read_note(folder / f"{name}.json")) is None or not tokens.is_file():
        return None
    kept = Kept(**said)
    if file_digest(tokens, seen) == kept.digest:
        return kept
    print(f"{tokens} is damaged and is made anew", file=sys.stderr)
    return None


def keep_tokens(
    folder: Path,
    name: str,
    files: Sequence[Path],
    corpus: str,
    field: str,
    validation: float,
    encoder: Encoder,
) -> Kept:
    """Encodes a corpus whose digest is known.

    The last `validation` of the characters are the validation split, encoded by itself.
    """
    characters = sum(len(text) for text, _ in pieces_of(files, field))
    width = 2 if encoder.vocab_size <= 2**16 else 4
    split = int(characters * (1 - validation))
    temporary, digest = folder / f"{name}.{os.getpid()}.tmp", new_digest()
    counts, largest = [], 0
    try:
        with temporary.open("wb") as file:
            for start, stop in ((0, split), (split, characters)):
                part, count = between(pieces_of(files, field), start, stop), 0
                for ids in encoder.encode(with_bar(part, stop - start, f"encoding {name[:6]}")):
                    block = np.array(ids, dtype=f"<u{width}").tobytes()
                    digest.update(block)
                    file.write(block)
                    count, largest = count + len(ids), max([largest, *ids])
                counts.append(count)
        held_out = between(pieces_of(files, field), split, characters)
        sizes = sizes_of(held_out)
        if digest_of(files, {}) != corpus:
            raise ValueError("the corpus was changed while it was encoded: start again")
        temporary.replace(folder / f"{name}.bin")
    finally:
        temporary.unlink(missing_ok=True)
    found = digest.hexdigest()
    kept = Kept(counts[0], counts[1], width, largest, found, *sizes)
    write_note(folder / f"{name}.json", asdict(kept))
    return kept


def alphabet_of(folder: Path, files: Sequence[Path], corpus: str, field: str) -> str:
    """All characters of a corpus, kept like its tokens; a new line parts several texts."""
    path = folder / f"{name_of(corpus, field)}.json"
    if (said := read_note(path)) is None:
        found: set[str] = set()
        for text, begins in pieces_of(files, field):
            found.update(text, "\n" * begins)
        said = {"alphabet": "".join(sorted(found))}
        write_note(path, said)
    return str(said["alphabet"])


def read_note(path: Path) -> dict[str, Any] | None:
    """What write_note has written; nothing where there is none, or where it was changed."""
    try:
        said = json.loads(path.read_bytes())
        if said["check"] == name_of(said["said"]):
            return dict(said["said"])
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError, RecursionError):
        pass
    print(f"{path} is damaged and is made anew", file=sys.stderr)
    return None


def write_note(path: Path, said: dict[str, Any]) -> None:
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    temporary.write_text(json.dumps({"said": said, "check": name_of(said)}))
    temporary.replace(path)


def with_bar(pieces: Iterable[Piece], total: int, what: str) -> Iterator[Piece]:
    """The same, with a bar of the characters that are done."""
    with progress_bars() as bars:
        if bars is None:
            yield from pieces
            return
        bar = bars.add_task(what, total=total)
        for piece in pieces:
            yield piece
            bars.advance(bar, len(piece[0]))


@contextmanager
def one_at_a_time(folder: Path) -> Iterator[Seen]:
    """Others wait; the system lets the next one in when the first ends, however it ends.

    What it gives are the files that were read before, to be told by their dates.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as file:
        if locked(file, folder):
            for left in folder.glob("*.tmp"):  # of starts that were killed
                left.unlink(missing_ok=True)
        seen = read_note(folder / "seen.json") or {}
        before = dict(seen)
        yield seen
        if seen != before:
            write_note(folder / "seen.json", seen)


def locked(file: TextIO, folder: Path) -> bool:
    """Whether the system has such locks; without them each start encodes for itself."""
    try:
        import fcntl
    except ImportError:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        print(f"waiting for another start that encodes a text into {folder}")
        fcntl.flock(file, fcntl.LOCK_EX)
    except OSError:
        return False
    return True


# ---- made elsewhere ----


def holds_tokens(path: Path) -> bool:
    """Whether a file, or a folder with train.bin and val.bin, has tokens and no text."""
    names = [f"{split}{end}" for split in ("train", "val") for end in (".bin", ".npy")]
    return path.suffix in (".bin", ".npy") or any((path / name).exists() for name in names)


def token_splits(path: Path, validation: float, vocab_size: int) -> tuple[np.ndarray, np.ndarray]:
    """train and val of a folder, as nanoGPT's prepare.py writes them; the parts of any other file.

    They are .bin, or .npy as numpy.save writes it.
    """
    files = token_files(path)
    if len(files) == 1:
        ids = token_ids(files[0], vocab_size)
        split = int(len(ids) * (1 - validation))
        return ids[:split], ids[split:]
    return token_ids(files[0], vocab_size), token_ids(files[1], vocab_size)


def token_files(path: Path) -> list[Path]:
    """Those of train and val, or the one that has no such name."""
    if not path.is_dir() and path.stem not in ("train", "val"):
        if not path.is_file():
            raise ValueError(f"there is no file {path}")
        return [path]
    folder = path if path.is_dir() else path.parent
    files = []
    for name in ("train", "val"):
        found = [file for end in (".bin", ".npy") if (file := folder / f"{name}{end}").is_file()]
        if len(found) != 1:
            what = "two files" if found else "no file"
            raise ValueError(f"{folder} holds {what} of {name}.bin and {name}.npy; one is needed")
        files.append(found[0])
    return files


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
