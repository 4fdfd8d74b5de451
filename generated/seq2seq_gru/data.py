# Made from specs/seq2seq_gru.yaml; make it again: tgen build specs/seq2seq_gru.yaml
"""Pairs of texts to tokens: tokenizers, corpora and batches."""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from .model import Config
from .options import Options
from .pairs import Texts, digest_of_pairs, read_texts
from .process import HelpFormatter, checked, command, flag_of, leave

IGNORE = -100  # a target that the loss leaves out
POOL = 100  # steps whose pairs are sorted by length together


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
    train: list[Pair]  # the shortest first
    validation: list[Pair]
    tokenizer: Tokenizer
    separator: int  # the token before each target and at its end
    known_by: str  # the digest of the texts

    def digests(self) -> dict[str, str]:
        """By which a resumed run knows the data again."""
        return {"pairs": self.known_by}

    def save(self, folder: Path) -> None:
        """What sampling needs to know of the data."""
        self.tokenizer.save(folder / "tokenizer.json")


def read_data(options: Options, config: Config) -> tuple[Corpus, Config]:
    """The corpus, and the config with its vocabulary.

    A resumed run keeps its vocabulary, whatever has become of the corpus.
    """
    if options.context_length > config.context_length:
        raise ValueError(
            f"--context-length is {options.context_length}, the model's is {config.context_length}"
        )
    train, validation = read_texts(options)
    kept = Path(options.out) / "tokenizer.json"
    name = str(kept) if options.resume and kept.exists() else options.tokenizer
    tokenizer = make_tokenizer(name, train.sides, validation.sides)
    config = replace(config, vocab_size=fit(tokenizer, config.vocab_size, options.grows))
    separator = separator_id(options.separator, tokenizer)
    if separator >= config.vocab_size:
        raise ValueError(f"--separator is token {separator}, the model has {config.vocab_size}")
    splits = [list(encode_pairs(texts, tokenizer, separator)) for texts in (train, validation)]
    known_by = digest_of_pairs(train, validation)
    corpus = Corpus(sorted(splits[0], key=length), splits[1], tokenizer, separator, known_by)
    tell_cuts(corpus, options.context_length)
    return corpus, config


def make_tokenizer(name: str, texts: list[str], held_out: list[str]) -> Tokenizer:
    """`name` is char, byte or the path of a tokenizer.json."""
    if name == "char":
        return CharTokenizer("".join(sorted({"\n"}.union(*texts, *held_out))))
    return choose_tokenizer(name)


def fit(tokenizer: Tokenizer, vocab_size: int, grows: bool) -> int:
    """How many tokens the model has: as many as the data, or as before where these are given."""
    if isinstance(tokenizer, CharTokenizer):
        return tokenizer.vocab_size
    if tokenizer.vocab_size > vocab_size and not grows:
        raise ValueError(
            f"the tokenizer has {tokenizer.vocab_size} tokens, the model only {vocab_size}"
        )
    return max(tokenizer.vocab_size, vocab_size)


def encode_pairs(texts: Texts, tokenizer: Tokenizer, separator: int) -> Iterator[Pair]:
    """The tokens of each pair, a target's without the separators that a batch puts around it."""
    for (source_at, source), (target_at, target) in texts.placed():
        tokens = encode(tokenizer, source, source_at, special=True)
        targets = encode(tokenizer, target, target_at)
        if separator in targets:
            raise ValueError(f"{target_at} holds the separator, which would end the target there")
        yield tokens, targets


def encode(tokenizer: Tokenizer, text: str, at: str, special: bool = False) -> list[int]:
    try:
        ids = tokenizer.encode(text, special=special)
    except ValueError as error:
        raise ValueError(f"{at}: {error}") from None
    if not ids:
        raise ValueError(f"{at}: {text!r:.60} has no tokens")
    return ids


def length(pair: Pair) -> tuple[int, int]:
    """What pairs are sorted by: those of about one length need little padding beside each other."""
    return max(map(len, pair)), len(pair[0])


def tell_cuts(corpus: Corpus, context: int) -> None:
    """Says how many pairs have more tokens than are read of them."""
    for what, pairs in (("train on", corpus.train), ("validate with", corpus.validation)):
        cut = sum(len(source) > context or len(target) >= context for source, target in pairs)
        if cut:
            count = f"{cut:,} of {len(pairs):,} pairs to {what}"
            print(f"{count} are cut: they have more than {context} tokens on a side")


def choose_tokenizer(name: str) -> Tokenizer:
    if not name:
        raise ValueError("say with --tokenizer which: char, byte or the path of a tokenizer.json")
    return ByteTokenizer() if name == "byte" else load_tokenizer(Path(name))


def separator_id(text: str, tokenizer: Tokenizer | None) -> int:
    """The token of --separator, which is its text or its number.

    Where nothing else is said and the tokenizer lacks it, it is what ends texts there.
    """
    if text.isdecimal() and len(text) < 10:
        return int(text)
    usual = text == Options.separator
    ends = ("</s>", "<eos>", "[SEP]") if isinstance(tokenizer, FileTokenizer) else ("\n",)
    for name in (text, *ends) if usual else (text,):
        with suppress(ValueError):  # as of a character that is not in the vocabulary
            ids = tokenizer.encode(name) if tokenizer is not None else []
            if len(ids) == 1:
                return ids[0]
    raise ValueError(f"--separator {text!r} is no token of the tokenizer; give one, or a number")


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


@lru_cache(maxsize=2)
def order_of_pass(seed: int, number: int, count: int, rows: int) -> np.ndarray:
    """Each of `count` pairs once, the `rows` pairs of a step being of about one length.

    Random pairs for POOL steps are sorted by length and cut into steps, and all steps shuffled.
    The first pairs of a pass complete the last step of the pass before.
    """
    generator = np.random.default_rng((seed, number))
    first, rest = np.split(generator.permutation(count), [-number * count % rows])
    pools = np.split(rest, range(POOL * rows, len(rest), POOL * rows))
    ordered = np.concatenate([np.sort(pool) for pool in pools])
    steps, last = np.split(ordered, [len(rest) // rows * rows])
    steps = generator.permutation(steps.reshape(-1, rows))
    return np.concatenate([first, steps.ravel(), last])


def pairs_of_step(seed: int, step: int, count: int, rows: int) -> np.ndarray:
    """The pairs of one step, the shortest first, in passes that see each of `count` pairs once."""
    passes, at = np.divmod(step * rows + np.arange(rows), count)
    drawn = [order_of_pass(seed, int(n), count, rows)[at[passes == n]] for n in np.unique(passes)]
    return np.sort(np.concatenate(drawn))


def random_batches(data: Corpus, options: Options, step: int, rank: int, world: int) -> list[Batch]:
    """This rank's part of one step's pairs, one batch per micro-batch.

    All ranks draw the same pairs and each takes its slice, so that two ranks with a batch of b
    see what one process with a batch of 2b sees.
    """
    size = (options.accumulation, options.batch, world)
    drawn = pairs_of_step(options.seed, step, len(data.train), math.prod(size))
    return [
        padded([data.train[i] for i in mine], options.context_length, data.separator)
        for mine in drawn.reshape(size)[:, :, rank]
    ]


def validation_batches(data: Corpus, options: Options, rank: int, world: int) -> Iterator[Batch]:
    """This rank's part of the whole split."""
    pairs = sorted(data.validation, key=length)
    pairs = [pairs[row] for row in options.measured(len(pairs), world)]
    for first in range(rank * options.batch, len(pairs), world * options.batch):
        mine = pairs[first : first + options.batch]
        yield padded(mine, options.context_length, data.separator)


def padded(pairs: list[Pair], context: int, separator: int) -> Batch:
    """At most `context` tokens per side, and what follows each token of the targets.

    The separator stands before each target and, unless that is cut, ends it.
    """
    sources = [source[:context] for source, _ in pairs]
    whole = [[separator, *target, separator][: context + 1] for _, target in pairs]
    source_lengths = torch.tensor([len(source) for source in sources])
    source = torch.zeros(len(pairs), int(source_lengths.max()), dtype=torch.int64)
    tokens = torch.full((len(pairs), max(map(len, whole)) - 1), separator)
    targets = torch.full(tokens.shape, IGNORE)
    for row, (left, right) in enumerate(zip(sources, whole, strict=True)):
        source[row, : len(left)] = torch.tensor(left)
        tokens[row, : len(right) - 1] = torch.tensor(right[:-1])
        targets[row, : len(right) - 1] = torch.tensor(right[1:])
    return Batch(source, source_lengths, tokens, targets)


# ---- the command train-tokenizer ----


def train_tokenizer(texts: list[str], vocab_size: int, path: Path) -> int:
    """Writes a tokenizer.json, whose tokens are bytes and what is often met of them side by side.

    That is byte-level BPE (arXiv:1508.07909, section 3.2); texts come back as they were.
    """
    try:
        import tokenizers
        from tokenizers import decoders, pre_tokenizers
    except ImportError:
        raise ValueError("this needs the tokenizers package: pip install tokenizers") from None
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    if vocab_size <= len(alphabet):
        raise ValueError(f"--vocab-size is {vocab_size}, and there are {len(alphabet)} bytes")
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.Sequence([decoders.ByteLevel(), decoders.Strip(" ", 1, 0)])
    most = len(alphabet) + 1 + sum(len(text.encode()) for text in texts)  # a merge shortens a text
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=min(vocab_size, most),  # for which it takes memory at once
        special_tokens=["<|endoftext|>"],
        initial_alphabet=alphabet,
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    path.write_text(tokenizer.to_str(), encoding="utf-8")
    return int(tokenizer.get_vocab_size())


@command
def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog=f"python -m {__package__}.data")
    what = "makes a tokenizer.json of the pairs that training learns from"
    trains = parser.add_subparsers(required=True).add_parser(
        "train-tokenizer",
        help=what,
        description=what,
        formatter_class=HelpFormatter,
    )
    add = trains.add_argument
    files = ("data", "source", "target", "validation", "validation_source", "validation_target")
    for name in files:
        default = getattr(Options, name)
        how: dict[str, Any] = {"nargs": "+"} if default == () else {}
        add(flag_of(name), default=default, help="as in training", **how)
    add("--vocab-size", type=int, default=Config.vocab_size, help="tokens")
    add("--out", type=Path, default="tokenizer.json", help="the file to write")
    given = checked(parser.parse_args(arguments))
    texts, _ = read_texts(Options(**{name: getattr(given, name) for name in files}))
    size = train_tokenizer(texts.sides, given.vocab_size, given.out)
    print(f"{given.out} has {size:,} tokens, from {len(texts.pairs):,} pairs")
    return 0


if __name__ == "__main__":
    leave(main())
