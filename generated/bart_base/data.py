# Made from specs/bart_base.yaml; make it again: tgen build specs/bart_base.yaml
"""Pairs of texts to tokens: tokenizers, corpora and batches."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from .model import Config
from .options import Options

IGNORE = -100  # a target that the loss leaves out


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
        return self.tokenizer.decode(ids, skip_special_tokens=True)

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


# ---- corpus ----


Pair = tuple[list[int], list[int]]  # tokens of a source and of its target


@dataclass(frozen=True)
class Corpus:
    train: list[Pair]
    validation: list[Pair]
    tokenizer: Tokenizer
    separator: int = 0  # the token before each target and at its end

    def fit(self, vocab_size: int) -> int:
        """How many tokens the model has: one per character, else as before, if the data fit."""
        if isinstance(self.tokenizer, CharTokenizer):
            return self.tokenizer.vocab_size
        if self.tokenizer.vocab_size > vocab_size:
            raise ValueError(
                f"the tokenizer has {self.tokenizer.vocab_size} tokens, the model only {vocab_size}"
            )
        return vocab_size

    def save(self, folder: Path) -> None:
        """What sampling needs to know of the data."""
        self.tokenizer.save(folder / "tokenizer.json")


def read_data(options: Options, config: Config) -> tuple[Corpus, Config]:
    """The corpus, and the config with its vocabulary.

    A resumed run keeps its vocabulary, whatever has become of the corpus.
    """
    kept = Path(options.out) / "tokenizer.json"
    tokenizer = str(kept) if options.resume and kept.exists() else options.tokenizer
    corpus = read_corpus(Path(options.data), tokenizer, options.validation)
    if options.context_length > config.context_length:
        raise ValueError(
            f"--context-length is {options.context_length}, the model's is {config.context_length}"
        )
    corpus = replace(corpus, separator=separator_id(options.separator, corpus.tokenizer))
    return corpus, replace(config, vocab_size=corpus.fit(config.vocab_size))


def read_corpus(path: Path, tokenizer: str, validation: float) -> Corpus:
    """A text of lines, each a source, a tab and its target; the last pairs are held out.

    `tokenizer` is char, byte or the path of a tokenizer.json.
    """
    if not 0 < validation < 1:
        raise ValueError(f"--validation is {validation}, not a fraction between 0 and 1")
    text = read_text(path).replace("\r\n", "\n")
    if tokenizer == "char":
        encoder: Tokenizer = CharTokenizer("".join(sorted({*text, "\n"})))
    else:
        encoder = choose_tokenizer(tokenizer)
    pairs = []
    for number, line in enumerate(text.removesuffix("\n").split("\n"), 1):
        columns = line.split("\t")
        if len(columns) != 2 or not all(columns):
            what = f"{len(columns)} columns" if len(columns) > 2 else "no pair"
            raise ValueError(f"{path}:{number} is {what}, not a source, a tab and its target")
        source, target = columns
        pairs.append((encoder.encode(source, special=True), encoder.encode(target)))
    held_out = max(1, round(validation * len(pairs)))
    if held_out >= len(pairs):
        raise ValueError(f"{path} has {len(pairs)} pairs, too few to hold out {validation:.0%}")
    return Corpus(pairs[:-held_out], pairs[-held_out:], encoder)


def choose_tokenizer(name: str) -> Tokenizer:
    if not name:
        raise ValueError("say with --tokenizer which: char, byte or the path of a tokenizer.json")
    return ByteTokenizer() if name == "byte" else load_tokenizer(Path(name))


def read_text(path: Path) -> str:
    if not path.is_file():
        raise ValueError(f"there is no corpus {path}; --data is a text of pairs")
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{path} is not UTF-8 text (byte {error.start}); convert it, e.g. with iconv"
        ) from None
    if "\0" in text:
        raise ValueError(f"{path} holds NUL characters: it is UTF-16 or no text; convert it")
    if not text:
        raise ValueError(f"{path} is empty")
    return text


def separator_id(text: str, tokenizer: Tokenizer | None) -> int:
    """The token of --separator, which is its text or its number."""
    if text.isdecimal():
        return int(text)
    ids = tokenizer.encode(text) if tokenizer is not None else []
    if len(ids) != 1:
        raise ValueError(
            f"--separator {text!r} is {len(ids)} tokens; give one, or a token's number"
        )
    return ids[0]


# ---- batches ----


class Batch(NamedTuple):
    """Padded pairs; the decoder reads the separator, then the target."""

    source: Tensor  # (B, S)
    source_lengths: Tensor  # (B,)
    tokens: Tensor  # (B, T)
    targets: Tensor  # (B, T), what follows each token

    @property
    def target_count(self) -> int:
        """Targets that the loss counts."""
        return int((self.targets != IGNORE).sum())

    def to(self, device: torch.device) -> Batch:
        if device.type == "cuda":
            return Batch(*(part.pin_memory().to(device, non_blocking=True) for part in self))
        return Batch(*(part.to(device) for part in self))


def random_batches(data: Corpus, options: Options, step: int, rank: int, world: int) -> list[Batch]:
    """This rank's part of one step's random pairs, one batch per micro-batch.

    All ranks draw the same pairs and each takes its slice, so that two ranks with a batch of b
    see what one process with a batch of 2b sees.
    """
    generator = np.random.default_rng((options.seed, step))
    size = (options.accumulation, world, options.batch)
    drawn = generator.integers(len(data.train), size=size)[:, rank]
    return [
        padded([data.train[i] for i in mine], options.context_length, data.separator)
        for mine in drawn
    ]


def validation_batches(data: Corpus, options: Options, rank: int, world: int) -> Iterator[Batch]:
    """This rank's part of the whole split."""
    pairs = data.validation
    for first in range(rank * options.batch, len(pairs), world * options.batch):
        mine = pairs[first : first + options.batch]
        yield padded(mine, options.context_length, data.separator)


def padded(pairs: list[Pair], context: int, separator: int) -> Batch:
    """Pairs of at most `context` tokens per side, and what follows each token of the targets.

    The separator stands before each target and ends it.
    """
    sources = [source[:context] for source, _ in pairs]
    whole = [[separator, *target[: context - 1], separator] for _, target in pairs]
    source_lengths = torch.tensor([len(source) for source in sources])
    source = torch.zeros(len(pairs), int(source_lengths.max()), dtype=torch.int64)
    tokens = torch.full((len(pairs), max(map(len, whole)) - 1), separator)
    targets = torch.full(tokens.shape, IGNORE)
    for row, (left, right) in enumerate(zip(sources, whole, strict=True)):
        source[row, : len(left)] = torch.tensor(left)
        tokens[row, : len(right) - 1] = torch.tensor(right[:-1])
        targets[row, : len(right) - 1] = torch.tensor(right[1:])
    return Batch(source, source_lengths, tokens, targets)
