# Made from specs/chat.yaml; make it again: tgen build specs/chat.yaml
"""Chats to tokens, of which those of the answers are trained; batches of them."""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from .chat import CONFIG, FILE, ChatTemplate, Message, read_template
from .chats import chat_in, rows_in, sources_of, weights_of
from .digests import digest
from .files import files_of
from .model import Config
from .options import Options
from .packing import packed
from .trained import Example, Text, answers_in, encoded, shown

IGNORE = -100  # a target that the loss leaves out
TOGETHER = 1000  # rows whose tokens are made at one time
BESIDE = (CONFIG, FILE, "generation_config.json")  # a tokenizer, that chats need
BLOCK = 1000  # rows that are drawn of all sources together, each in its part


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


def choose_tokenizer(name: str) -> Tokenizer:
    if not name:
        raise ValueError("say with --tokenizer which: char, byte or the path of a tokenizer.json")
    return ByteTokenizer() if name == "byte" else load_tokenizer(Path(name))


# ---- chats ----


class Reader:
    """Makes examples of rows; it counts them, and shows the first."""

    def __init__(self, tokenizer: FileTokenizer, template: ChatTemplate, options: Options) -> None:
        self.tokenizer, self.template, self.options = tokenizer, template, options
        # The template writes what else would add to a text; without that, offsets are exact.
        self.exact = type(tokenizer.tokenizer).from_str(tokenizer.tokenizer.to_str())
        self.exact.post_processor = None
        self.count = self.long = self.lost = 0
        self.shown = False
        self.seen = ""  # a digest of all that was said

    def read(self, files: Sequence[Path]) -> Iterator[Example]:
        """The examples of files; of a row that is too long what --too-long says."""
        rows = rows_in(files)
        while some := list(islice(rows, TOGETHER)):
            chats = [chat_in(row, self.options.fields) for row in some]
            self.seen = digest(self.seen, chats)
            texts = [self.text_of(c, row.where) for c, row in zip(chats, some, strict=True)]
            found = encoded(self.exact, texts)
            for example in found:
                if self.fits(example):
                    yield self.cut(example)

    def text_of(self, messages: Sequence[Message], where: str) -> Text:
        try:
            text = Text(*answers_in(self.template, messages), where)
        except ValueError as error:
            raise ValueError(f"{where}: {error}") from None
        if not self.shown:
            print(shown(text))
            self.shown = True
        return text

    def cut(self, example: Example) -> Example:
        """What fits a sequence and its last target."""
        most = self.options.context_length + 1
        return Example(example.tokens[:most], example.trained[:most])

    def fits(self, *examples: Example) -> bool:
        """Whether a row is taken: it is not too long, or may be cut and still has an answer."""
        self.count += 1
        most = self.options.context_length + 1
        long = any(len(example.tokens) > most for example in examples)
        self.long += long
        if long and self.options.too_long == "drop":
            return False
        there = all(self.cut(example).trained[1:].any() for example in examples)
        self.lost += not there
        return there

    def tell(self) -> None:
        """Says how many rows were too long, and what became of them."""
        most = self.options.context_length + 1
        what = "cut" if self.options.too_long == "cut" else "dropped"
        if self.long:
            print(f"{self.long:,} of {self.count:,} rows have more than {most} tokens: {what}")
        if self.lost:
            print(f"{self.lost:,} rows have no trained token in their first {most}: dropped")


def reader_of(path: Path, options: Options) -> Reader:
    """What makes tokens of chats, by a tokenizer and the template beside it."""
    if options.too_long not in ("drop", "cut"):
        raise ValueError(f"--too-long is {options.too_long!r:.40}, not drop or cut")
    if not path.name:
        raise ValueError("say with --tokenizer which tokenizer.json, with the template beside it")
    tokenizer = load_tokenizer(path)
    if not isinstance(tokenizer, FileTokenizer):
        raise ValueError(f"{path} is no tokenizer.json of words, which the template of chats needs")
    return Reader(tokenizer, read_template(path.parent), options)


def fit(tokenizer: Tokenizer, vocab_size: int, grows: bool) -> int:
    """How many tokens the model has: as before, if it need not grow."""
    if tokenizer.vocab_size > vocab_size and not grows:
        raise ValueError(
            f"the tokenizer has {tokenizer.vocab_size} tokens, the model only {vocab_size}"
        )
    return max(tokenizer.vocab_size, vocab_size)


@dataclass(frozen=True)
class Chats:
    train: Examples
    validation: Examples
    tokenizer: FileTokenizer
    beside: dict[str, bytes]  # the files beside the tokenizer that chats need
    known_by: str  # the digest of the rows

    def digests(self) -> dict[str, str]:
        """By which a resumed run knows the data again."""
        return {"chats": self.known_by}

    def save(self, folder: Path) -> None:
        """What chatting needs to know of the data."""
        self.tokenizer.save(folder / "tokenizer.json")
        for name, content in self.beside.items():
            (folder / name).write_bytes(content)


def read_data(options: Options, config: Config) -> tuple[Chats, Config]:
    """The chats, and the config with its vocabulary."""
    if options.context_length > config.context_length:
        raise ValueError(
            f"--context-length is {options.context_length}, the model's is {config.context_length}"
        )
    kept = Path(options.out) / "tokenizer.json"
    path = kept if options.resume and kept.exists() else Path(options.tokenizer)
    reader = reader_of(path, options)
    config = replace(config, vocab_size=fit(reader.tokenizer, config.vocab_size, options.grows))
    weights = weights_of(options.weights)
    train, rest = splits(reader, options)
    data = joined(train, weights), joined(rest, [1.0] * len(rest))
    for what, examples in zip(("to train on", "held out"), data, strict=True):
        print(f"{what}: {examples.trained.sum():,} of {len(examples.tokens):,} tokens are trained")
    there = (path.parent / name for name in BESIDE)
    beside = {found.name: found.read_bytes() for found in there if found.is_file()}
    known_by = digest(reader.seen, options.context_length, options.too_long)
    return Chats(*data, reader.tokenizer, beside, known_by), config


def splits(reader: Reader, options: Options) -> tuple[list[list[Example]], list[list[Example]]]:
    """The examples of each source to train on, and those that are held out."""
    train = [list(reader.read(files)) for files in sources_of(options.data, options.weights)]
    held_out = files_of(options.validation_data)
    rest = [list(reader.read(held_out))] if held_out else []
    reader.tell()
    if not rest:
        return split(train, options.validation)
    if not all([*train, *rest]):
        raise ValueError("no row of a source fits a sequence: give a longer --context-length")
    return train, rest


def split(
    sources: Sequence[list[Example]], fraction: float
) -> tuple[list[list[Example]], list[list[Example]]]:
    """The first examples of each source, and those that are so large a part, but at least one."""
    if not 0 < fraction < 1:
        raise ValueError(f"--validation is {fraction}, not a fraction between 0 and 1")
    left = [len(source) - max(1, round(fraction * len(source))) for source in sources]
    if min(left) < 1:
        raise ValueError(
            f"{min(map(len, sources))} examples are too few to hold out {fraction:.0%}: "
            "give more, or others with --validation-data"
        )
    parts = [*zip(sources, left, strict=True)]
    return [source[:count] for source, count in parts], [source[count:] for source, count in parts]


# ---- examples ----


@dataclass(frozen=True)
class Examples:
    """Texts as tokens, one after the other, and which of them are trained."""

    tokens: np.ndarray  # (N,) int32
    trained: np.ndarray  # (N,) bool
    starts: np.ndarray  # of each, and the end of the last
    sources: tuple[int, ...]  # where the examples of each source begin, and those of the last end
    parts: tuple[int, ...]  # how many of BLOCK are drawn of each source

    def __len__(self) -> int:
        return len(self.starts) - 1

    def read(self, index: int) -> tuple[Tensor, Tensor]:
        """What is read of an example (T,); as targets, what follows where that is trained."""
        here = slice(self.starts[index], self.starts[index + 1])
        tokens = torch.from_numpy(self.tokens[here].astype(np.int64))
        trained = torch.from_numpy(self.trained[here])
        return tokens[:-1], tokens[1:].where(trained[1:], IGNORE)

    def drawn(self, seed: int, slots: np.ndarray) -> np.ndarray:
        """The examples of some slots of a run, by number, in passes over each source."""
        found = np.empty(len(slots), dtype=np.int64)
        for source, chosen, before in places_in_sources(seed, slots, self.parts):
            first, count = self.sources[source], self.sources[source + 1] - self.sources[source]
            passes, at = np.divmod(before, count)
            for number in np.unique(passes):
                order = order_of_pass(seed, source, int(number), count)
                found[chosen[passes == number]] = first + order[at[passes == number]]
        return found


def joined(sources: Sequence[Sequence[Example]], weights: Sequence[float]) -> Examples:
    """The examples of sources, those of one after those of the other."""
    each = [example for source in sources for example in source]
    return Examples(
        np.concatenate([example.tokens for example in each]),
        np.concatenate([example.trained for example in each]),
        np.cumsum([0, *(len(example.tokens) for example in each)]),
        tuple(np.cumsum([0, *map(len, sources)]).tolist()),
        parts_of(weights),
    )


# ---- batches ----


class Batch(NamedTuple):
    """Rows of examples (B, T); as targets, the trained token that follows each of theirs."""

    tokens: Tensor
    targets: Tensor
    document_ids: Tensor

    @property
    def target_count(self) -> int:
        """Targets that the loss counts."""
        return int((self.targets != IGNORE).sum())

    def to(self, device: torch.device) -> Batch:
        if device.type == "cuda":
            return Batch(*(part.pin_memory().to(device, non_blocking=True) for part in self))
        return Batch(*(part.to(device) for part in self))


@functools.lru_cache(maxsize=8)
def order_of_pass(seed: int, source: int, number: int, count: int) -> np.ndarray:
    return np.random.default_rng((seed, source, number)).permutation(count)


@functools.lru_cache(maxsize=8)
def sources_of_block(seed: int, block: int, parts: tuple[int, ...]) -> np.ndarray:
    """Of which source each of BLOCK rows is, so many of each."""
    each = np.repeat(np.arange(len(parts)), parts)
    return np.random.default_rng((seed, block)).permutation(each)


def parts_of(weights: Sequence[float]) -> tuple[int, ...]:
    """How many of BLOCK rows are of each source: as its weight says, but one at least."""
    shares = BLOCK * np.array(weights) / sum(weights)
    parts = np.maximum(1, np.floor(shares)).astype(np.int64)
    while parts.sum() < BLOCK:
        parts[np.argmax(shares - parts)] += 1
    while parts.sum() > BLOCK:
        parts[np.argmax(parts)] -= 1
    return tuple(parts.tolist())


def places_in_sources(
    seed: int, slots: np.ndarray, parts: tuple[int, ...]
) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """Each source with those of the slots that are its own, and how many it has had before each."""
    for block in np.unique(slots // BLOCK):
        whole = sources_of_block(seed, int(block), parts)
        mine = slots // BLOCK == block
        for source in range(len(parts)):
            here = whole == source
            before = parts[source] * block + np.cumsum(here) - 1
            chosen = np.flatnonzero(mine)[here[slots[mine] % BLOCK]]
            yield source, chosen, before[slots[chosen] % BLOCK]


def random_batches(data: Chats, options: Options, step: int, rank: int, world: int) -> list[Batch]:
    """This rank's part of one step's examples, one batch per micro-batch.

    All ranks draw the same examples and each takes its slice, so that two ranks with a batch
    of b see what one process with a batch of 2b sees.
    """
    size = (options.accumulation, options.batch, world)
    drawn = data.train.drawn(options.seed, step * math.prod(size) + np.arange(math.prod(size)))
    mine = drawn.reshape(size)[:, :, rank]
    return [batch_of(data.train, rows, options.context_length) for rows in mine]


def validation_batches(data: Chats, options: Options, rank: int, world: int) -> Iterator[Batch]:
    """This rank's part of the examples that are held out."""
    rows = options.measured(len(data.validation), world)
    for first in range(rank * options.batch, len(rows), world * options.batch):
        mine = rows[first : first + options.batch]
        yield batch_of(data.validation, mine, options.context_length)


def batch_of(examples: Examples, chosen: np.ndarray, context: int) -> Batch:
    """Some examples, packed into as few rows as they need."""
    each = [examples.read(index) for index in chosen]
    rows = packed([len(read) for read, _ in each], context)
    longest = max(sum(len(each[index][0]) for index in row) for row in rows)
    tokens = torch.zeros(len(rows), longest, dtype=torch.int64)
    targets = torch.full_like(tokens, IGNORE)
    document_ids = torch.full_like(tokens, len(each))  # of what is left over
    for row, indices in enumerate(rows):
        done = 0
        for index in indices:
            read, wanted = each[index]
            here = slice(done, done := done + len(read))
            tokens[row, here], targets[row, here] = read, wanted
            document_ids[row, here] = index
    return Batch(tokens, targets, document_ids)
