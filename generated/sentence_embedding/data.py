# Made from specs/sentence_embedding.yaml; make it again: tgen build specs/sentence_embedding.yaml
"""Pairs of texts that belong together: tokenizers, reading, splitting and padded batches."""

from __future__ import annotations

import glob
import gzip
import json
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from .digests import digest
from .model import Config
from .options import Options

IGNORE = -100  # a target that the loss leaves out
COLUMNS = ("anchor", "positive")


# ---- tokenizers ----


class Tokenizer(Protocol):
    """`special` adds what the tokenizer's file adds to a text, such as a token at its beginning."""

    vocab_size: int

    def encode(self, text: str, special: bool = False) -> list[int]: ...

    def decode(self, ids: list[int]) -> str: ...

    def save(self, path: Path) -> None: ...


class CharTokenizer:
    """One token per character, numbered in the order of `characters`."""

    def __init__(self, characters: str) -> None:
        self.characters = characters
        self.ids = {character: index for index, character in enumerate(characters)}
        self.vocab_size = len(characters)

    def encode(self, text: str, special: bool = False) -> list[int]:
        try:
            return [self.ids[character] for character in text]
        except KeyError as error:
            raise ValueError(
                f"character {error} is not among the {self.vocab_size} of the vocabulary"
            ) from None

    def decode(self, ids: list[int]) -> str:
        if (largest := max(ids, default=0)) >= self.vocab_size:
            raise ValueError(f"the tokenizer has {self.vocab_size} characters, no token {largest}")
        return "".join(self.characters[index] for index in ids)

    def save(self, path: Path) -> None:
        path.write_text(json.dumps({"kind": "char", "characters": self.characters}))


class ByteTokenizer:
    """One token per byte of UTF-8."""

    vocab_size = 256

    def encode(self, text: str, special: bool = False) -> list[int]:
        return list(text.encode())

    def decode(self, ids: list[int]) -> str:
        # A model may have more tokens than there are bytes; those stand for nothing.
        return bytes(index for index in ids if index < 256).decode(errors="replace")

    def save(self, path: Path) -> None:
        path.write_text(json.dumps({"kind": "byte"}))


class FileTokenizer:
    """A Hugging Face tokenizer.json, run by the `tokenizers` package."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            import tokenizers
        except ImportError:
            raise ValueError(
                f"{path} needs the tokenizers package: pip install tokenizers"
            ) from None
        try:
            self.tokenizer = tokenizers.Tokenizer.from_file(str(path))
        except Exception as error:  # the package raises nothing narrower
            raise ValueError(f"{path} is not a tokenizer.json: {error!s:.200}") from None
        # A file keeps what its last user switched on; a corpus is all of its tokens, once.
        self.tokenizer.no_truncation()
        self.tokenizer.no_padding()
        if isinstance(self.tokenizer.model, tokenizers.models.BPE):
            self.tokenizer.model.dropout = None
        self.vocab_size = max(self.tokenizer.get_vocab().values(), default=-1) + 1

    def encode(self, text: str, special: bool = False) -> list[int]:
        try:
            return self.tokenizer.encode(text, add_special_tokens=special).ids
        except Exception as error:  # of a word, say, where the file has no token for unknown ones
            raise ValueError(f"{self.path} has no tokens for a text: {error!s:.200}") from None

    def decode(self, ids: list[int]) -> str:
        return self.tokenizer.decode(ids, skip_special_tokens=False)

    def save(self, path: Path) -> None:
        self.tokenizer.save(str(path))


def load_tokenizer(path: Path) -> Tokenizer:
    """A tokenizer that `save` wrote, or any Hugging Face tokenizer.json."""
    if not path.is_file():
        raise ValueError(f"--tokenizer {path} is neither char, byte nor a tokenizer.json")
    try:
        content = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is not a tokenizer.json: {error}") from None
    kind = content.get("kind") if isinstance(content, dict) else None
    if kind == "char":
        characters = content.get("characters")
        if not isinstance(characters, str) or len(set(characters)) < len(characters):
            raise ValueError(f"{path} does not say which characters there are, each once")
        if any("\ud800" <= character <= "\udfff" for character in characters):
            raise ValueError(f"{path} has half a character, a lone surrogate")
        return CharTokenizer(characters)
    return ByteTokenizer() if kind == "byte" else FileTokenizer(path)


# ---- pairs ----


Pair = tuple[list[int], list[int]]  # tokens of a text and of its counterpart


@dataclass(frozen=True)
class Pairs:
    train: list[Pair]
    validation: list[Pair]
    tokenizer: Tokenizer

    def digests(self) -> dict[str, str]:
        """By which a resumed run knows the data again."""
        return {"pairs": digest(self.train, self.validation)}

    def save(self, folder: Path) -> None:
        """What a user of the trained model needs to know."""
        self.tokenizer.save(folder / "tokenizer.json")


def read_data(options: Options, config: Config) -> tuple[Pairs, Config]:
    """The pairs, and the config with their vocabulary.

    A resumed run keeps its vocabulary, whatever has become of the pairs.
    """
    if options.context_length > config.context_length:
        raise ValueError(
            f"--context-length is {options.context_length}, the model's is {config.context_length}"
        )
    if options.batch < 2:
        raise ValueError("--batch is 1: a pair alone has no other texts to be told from")
    kept = Path(options.out) / "tokenizer.json"
    tokenizer = str(kept) if options.resume and kept.exists() else options.tokenizer
    files = files_named(options.data)
    pairs = read_pairs(files, tokenizer, options.context_length, options.validation, options.seed)
    vocab_size = fit(pairs.tokenizer, config.vocab_size, options.grows)
    return pairs, replace(config, vocab_size=vocab_size)


def read_pairs(
    files: Sequence[Path], tokenizer: str, context: int, validation: float, seed: int
) -> Pairs:
    """`tokenizer` is char, byte or a tokenizer.json; a part, drawn by seed, is held out."""
    rows = [row for path in files for row in read_rows(path)]
    held_out = max(2, round(validation * len(rows)))
    if held_out > len(rows) - 2:
        where = " ".join(map(str, files))
        raise ValueError(f"{where} has {len(rows)} pairs, too few to hold out {validation:.0%}")
    if tokenizer == "char":
        characters = {character for pair in rows for text in pair for character in text}
        encoder: Tokenizer = CharTokenizer("".join(sorted(characters)))
    else:
        encoder = choose_tokenizer(tokenizer)
    found = [
        (encode(encoder, one, context), encode(encoder, other, context)) for one, other in rows
    ]
    order = np.random.default_rng(seed).permutation(len(found)).tolist()
    chosen, rest = order[:held_out], order[held_out:]
    return Pairs([found[i] for i in rest], [found[i] for i in chosen], encoder)


def read_rows(path: Path) -> list[tuple[str, str]]:
    """A text and its counterpart of each line of a .tsv or .jsonl, or its .gz."""
    lines = read_text(path).split("\n")
    numbered = [(n, line.rstrip("\r")) for n, line in enumerate(lines, 1) if line.strip()]
    of_objects = path.name.lower().removesuffix(".gz").endswith(".jsonl")
    found = from_jsonl if of_objects else from_tsv
    return list(found(path, numbered))


def from_jsonl(path: Path, lines: list[tuple[int, str]]) -> Iterator[tuple[str, str]]:
    """Each line is an object with the fields of COLUMNS."""
    for number, line in lines:
        try:
            fields = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"{path}:{number} is no JSON: {error}") from None
        if not isinstance(fields, dict) or not set(COLUMNS) <= fields.keys():
            raise ValueError(f"{path}:{number} has no fields {' and '.join(COLUMNS)}")
        first, second = (fields[name] for name in COLUMNS)
        if any("\ud800" <= character <= "\udfff" for character in f"{first}{second}"):
            raise ValueError(f"{path}:{number} has half a character, a lone surrogate")
        if not isinstance(first, str) or not isinstance(second, str):
            raise ValueError(f"{path}:{number} is no pair of texts")
        if not first or not second:
            raise ValueError(f"{path}:{number} has an empty text")
        yield first, second


def from_tsv(path: Path, lines: list[tuple[int, str]]) -> Iterator[tuple[str, str]]:
    """The columns that the first line names as COLUMNS; without names, two columns."""
    names = lines[0][1].split("\t") if lines else []
    headed = set(COLUMNS) <= set(names)
    places = [names.index(name) for name in COLUMNS] if headed else [0, 1]
    width = len(names) if headed else 2
    for number, line in lines[headed:]:
        cells = line.split("\t")
        if len(cells) != width or not all(cells[at] for at in places):
            raise ValueError(
                f"{path}:{number} is not a text, a tab and its counterpart; files of other "
                f"columns begin with a line of their names, {' and '.join(COLUMNS)} among them"
            )
        yield cells[places[0]], cells[places[1]]


def choose_tokenizer(name: str) -> Tokenizer:
    if not name:
        raise ValueError("say with --tokenizer which: char, byte or the path of a tokenizer.json")
    return ByteTokenizer() if name == "byte" else load_tokenizer(Path(name))


def files_named(names: Sequence[str]) -> list[Path]:
    """The files that --data means: each once, patterns such as 'a/*.tsv' in their order."""
    files = [file for name in names for file in sorted(glob.glob(name, recursive=True)) or [name]]
    return [Path(file) for file in dict.fromkeys(files)]


def read_text(path: Path) -> str:
    if not path.is_file():
        raise ValueError(f"there is no corpus {path}; --data is a TSV or JSONL file")
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


def fit(tokenizer: Tokenizer, vocab_size: int, grows: bool) -> int:
    """How many tokens the model has: one per character, else as before, if the data fit."""
    if isinstance(tokenizer, CharTokenizer):
        return tokenizer.vocab_size
    if tokenizer.vocab_size > vocab_size and not grows:
        raise ValueError(
            f"the tokenizer has {tokenizer.vocab_size} tokens, the model only {vocab_size}"
        )
    return max(tokenizer.vocab_size, vocab_size)


def encode(tokenizer: Tokenizer, text: str, context: int) -> list[int]:
    """At most `context` tokens of a text, with those that a tokenizer.json puts around it."""
    if isinstance(tokenizer, FileTokenizer):
        tokenizer.tokenizer.no_padding()
        tokenizer.tokenizer.enable_truncation(context)
        ids: list[int] = tokenizer.tokenizer.encode(text).ids
    else:
        ids = tokenizer.encode(text)[:context]
    if not ids:
        raise ValueError("an empty text has no tokens")
    return ids


def padded(rows: list[list[int]]) -> tuple[Tensor, Tensor]:
    """Rows of tokens side by side (B, T), and how many of each are no padding (B,)."""
    lengths = torch.tensor([len(row) for row in rows])
    tokens = torch.zeros(len(rows), int(lengths.max()), dtype=torch.int64)
    for index, row in enumerate(rows):
        tokens[index, : len(row)] = torch.tensor(row)
    return tokens, lengths


# ---- batches ----


class Batch(NamedTuple):
    """Padded texts, first one of each pair, then their counterparts."""

    tokens: Tensor  # (2 P, T)
    lengths: Tensor  # (2 P,)
    targets: Tensor  # (2 P,), the row of each text's counterpart

    @property
    def target_count(self) -> int:
        """Targets that the loss counts."""
        return int((self.targets != IGNORE).sum())

    def to(self, device: torch.device) -> Batch:
        if device.type == "cuda":
            return Batch(*(part.pin_memory().to(device, non_blocking=True) for part in self))
        return Batch(*(part.to(device) for part in self))


def random_batches(data: Pairs, options: Options, step: int, rank: int, world: int) -> list[Batch]:
    """This rank's part of one step's random pairs, one batch per micro-batch.

    No pair is twice in a micro-batch where there are enough: each is told from the others in it.
    """
    random = np.random.default_rng((options.seed, step))
    few = options.batch > len(data.train)
    drawn = [
        random.choice(len(data.train), options.batch, replace=few)
        for _ in range(options.accumulation * world)
    ]
    return [side_by_side([data.train[i] for i in mine]) for mine in drawn[rank::world]]


def validation_batches(data: Pairs, options: Options, rank: int, world: int) -> Iterator[Batch]:
    """This rank's part of the pairs that are held out; no batch is of one pair alone."""
    pairs = data.validation
    rows = options.measured(len(pairs), world)
    for mine in np.array_split(rows, max(1, len(rows) // options.batch))[rank::world]:
        yield side_by_side([pairs[i] for i in mine])


def side_by_side(pairs: list[Pair]) -> Batch:
    tokens, lengths = padded([one for one, _ in pairs] + [other for _, other in pairs])
    return Batch(tokens, lengths, torch.arange(2 * len(pairs)).roll(len(pairs)))
