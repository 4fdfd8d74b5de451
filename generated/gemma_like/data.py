# Made from specs/gemma_like.yaml; make it again: tgen build specs/gemma_like.yaml
"""Text to tokens: tokenizers, corpora and batches."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from .encode import in_pieces
from .files import Piece, Sizes, digest_of, files_of
from .model import Config
from .options import Options
from .tokens import (
    Encoder,
    alphabet_of,
    holds_tokens,
    one_at_a_time,
    token_files,
    token_ids,
    token_splits,
    tokens_of,
)

IGNORE = -100  # a target that the loss leaves out
# Of a tokenizer.json, whatever it calls it.
ENDS_OF_TEXT = ("<|endoftext|>", "<|end_of_text|>", "<eos>", "</s>", "[SEP]")
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
        # Windows begin anywhere in a text: the model has not learned what the file adds to one.
        self.tokenizer.post_processor = None
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


@dataclass(frozen=True)
class Corpus:
    train: np.ndarray
    validation: np.ndarray
    tokenizer: Tokenizer | None  # none known for .bin files made elsewhere
    digest: str = ""  # of the files
    largest: int = -1  # token, if it is known without reading them all
    size: Sizes | None = None  # of what is held out

    def fit(self, context: int, vocab_size: int, grows: bool = False) -> int:
        """How many tokens the model has: one per character, else as before, if it need not grow."""
        if isinstance(self.tokenizer, CharTokenizer):
            vocab_size = self.tokenizer.vocab_size
        elif self.tokenizer is not None and (there := self.tokenizer.vocab_size) > vocab_size:
            if not grows:
                raise ValueError(f"the tokenizer has {there} tokens, the model only {vocab_size}")
            vocab_size = there
        for split, ids in (("training", self.train), ("validation", self.validation)):
            if len(ids) < context + 1:
                raise ValueError(
                    f"the {split} split has {len(ids)} tokens, fewer than a --context-length "
                    f"of {context} and one more; give more text or a smaller --context-length"
                )
            if (largest := self.largest_of(ids)) >= vocab_size:
                if not grows:
                    odd = f"token {largest}, the model's vocabulary {vocab_size}"
                    raise ValueError(f"the {split} split holds {odd}")
                vocab_size = largest + 1
        return vocab_size

    def largest_of(self, ids: np.ndarray) -> int:
        return self.largest if self.largest >= 0 else int(ids.max())

    def digests(self) -> dict[str, str]:
        """By which a resumed run knows the data again."""
        return {"corpus": self.digest}

    def save(self, folder: Path) -> None:
        """What sampling needs to know of the data."""
        (folder / "tokenizer.json").unlink(missing_ok=True)
        if self.tokenizer is not None:
            self.tokenizer.save(folder / "tokenizer.json")


def read_data(options: Options, config: Config) -> tuple[Corpus, Config]:
    """The corpus, and the config with its vocabulary.

    A resumed run keeps its vocabulary, whatever has become of the corpus.
    """
    kept = Path(options.out) / "tokenizer.json"
    tokenizer = str(kept) if options.resume and kept.exists() else options.tokenizer
    corpus = read_corpus(
        options.data,
        tokenizer,
        options.validation,
        Config().vocab_size,
        cache_of(options),
        options.field,
        held_out=options.validation_data,
    )
    return fitted(corpus, options, config)


def fitted(corpus: Corpus, options: Options, config: Config) -> tuple[Corpus, Config]:
    """The corpus with what is said of it, if the model can read it, and its vocabulary."""
    if options.context_length > config.context_length:
        raise ValueError(
            f"--context-length is {options.context_length}, the model's is {config.context_length}"
        )
    vocab_size = corpus.fit(options.context_length, config.vocab_size, options.grows)
    return corpus, replace(config, vocab_size=vocab_size)


def read_corpus(
    data: Sequence[str],
    tokenizer: str,
    validation: float,
    vocab_size: int,
    cache: Path,
    field: str = "text",
    held_out: Sequence[str] = (),
) -> Corpus:
    """`tokenizer` is char, byte or the path of a tokenizer.json.

    Where nothing else is `held_out`, it is the last `validation` of the texts' characters, or of
    one file's tokens; train.bin and val.bin come split already. The tokens of texts are kept in the
    folder `cache`.
    """
    if not held_out and not 0 < validation < 1:
        raise ValueError(f"--validation is {validation}, not a fraction between 0 and 1")
    if any(holds_tokens(Path(name)) for name in (*data, *held_out)):
        return read_tokens(data, tokenizer, validation, vocab_size, cache, held_out)
    files, others = files_of(data), files_of(held_out)
    with one_at_a_time(cache) as seen:
        digest = digest_of([*files, *others], seen)
        if tokenizer == "char":
            characters = alphabet_of(cache, [*files, *others], digest, field)
            known: Tokenizer = CharTokenizer(characters)
        else:
            known = choose_tokenizer(tokenizer)
        encoder = encoder_of(known)
        share = 0.0 if others else validation
        train, rest, kept = tokens_of(cache, seen, files, field, share, encoder)
        largest = kept.largest
        if others:
            _, rest, kept = tokens_of(cache, seen, others, field, 1.0, encoder)
            largest = max(largest, kept.largest)
    size = Sizes(kept.characters, kept.bytes, kept.words)
    return Corpus(train, rest, known, digest, largest, size)


def read_tokens(
    data: Sequence[str],
    tokenizer: str,
    validation: float,
    vocab_size: int,
    cache: Path,
    held_out: Sequence[str],
) -> Corpus:
    """The corpus of files of tokens that were made elsewhere."""
    if len(data) > 1 or len(held_out) > 1:
        raise ValueError(f"{' '.join([*data, *held_out])}: tokens come in one file or folder each")
    files = [file for name in (*data, *held_out) for file in token_files(Path(name))]
    if held_out and len(files) != 2:
        raise ValueError(f"{data[0]} or {held_out[0]} has two splits already: leave one out")
    splits = token_splits(Path(data[0]), validation, vocab_size)
    if held_out:
        splits = token_ids(files[0], vocab_size), token_ids(files[1], vocab_size)
    # A character vocabulary can't be told from token numbers.
    known = None if tokenizer in ("", "char") else choose_tokenizer(tokenizer)
    with one_at_a_time(cache) as seen:
        return Corpus(*splits, known, digest_of(files, seen))


def encoder_of(tokenizer: Tokenizer) -> Encoder:
    """What makes the tokens of texts, one after another."""
    between = between_texts(tokenizer)
    said = json.dumps([identity(tokenizer), between])
    size = max(tokenizer.vocab_size, max(between, default=0) + 1)
    return Encoder(partial(encode_all, tokenizer, between), said, size)


def identity(tokenizer: Tokenizer) -> str:
    """What makes its tokens of a text, wherever its file lies and whoever has saved it."""
    if isinstance(tokenizer, FileTokenizer):
        parts = json.loads(tokenizer.tokenizer.to_str())
        return json.dumps({**parts, "post_processor": None})  # which adds to texts, and not here
    return tokenizer.characters if isinstance(tokenizer, CharTokenizer) else "byte"


def encode_all(
    tokenizer: Tokenizer, between: list[int], pieces: Iterable[Piece]
) -> Iterator[list[int]]:
    """The tokens of texts that come in pieces, `between` standing between two."""
    if isinstance(tokenizer, FileTokenizer):
        yield from in_pieces(tokenizer.tokenizer, pieces, between)
        return
    for text, begins in pieces:
        yield [*(between if begins else []), *tokenizer.encode(text)]


def between_texts(tokenizer: Tokenizer) -> list[int]:
    """What stands between two texts: the token that ends one, if there is any, else a new line."""
    if isinstance(tokenizer, FileTokenizer):
        known = (tokenizer.tokenizer.token_to_id(name) for name in ENDS_OF_TEXT)
        if (end := next((index for index in known if index is not None), None)) is not None:
            return [end]
    try:
        return tokenizer.encode("\n")
    except ValueError:  # characters of texts of one line
        return []


def cache_of(options: Options) -> Path:
    """The folder of the tokens of texts: that of --cache, else one beside OUT, for all runs."""
    return Path(options.cache or Path(options.out).parent / "tokens")


def choose_tokenizer(name: str) -> Tokenizer:
    if not name:
        raise ValueError("say with --tokenizer which: char, byte or the path of a tokenizer.json")
    return ByteTokenizer() if name == "byte" else load_tokenizer(Path(name))


# ---- batches ----


class Batch(NamedTuple):
    """Windows of the text (B, T) and, as targets, the token that follows each of theirs."""

    tokens: Tensor
    targets: Tensor

    @property
    def target_count(self) -> int:
        """Targets that the loss counts."""
        return int((self.targets != IGNORE).sum())

    def to(self, device: torch.device) -> Batch:
        if device.type == "cuda":
            return Batch(*(part.pin_memory().to(device, non_blocking=True) for part in self))
        return Batch(*(part.to(device) for part in self))


def random_batches(data: Corpus, options: Options, step: int, rank: int, world: int) -> list[Batch]:
    """This rank's part of one step's random windows, one batch per micro-batch.

    All ranks draw the same starts and each takes its slice, so that two ranks with a batch of b
    see what one process with a batch of 2b sees.
    """
    generator = np.random.default_rng((options.seed, step))
    size = (options.accumulation, world, options.batch)
    starts = generator.integers(len(data.train) - options.context_length, size=size)[:, rank]
    return [windows(data.train, mine, options) for mine in starts]


def validation_batches(data: Corpus, options: Options, rank: int, world: int) -> Iterator[Batch]:
    """This rank's part of the whole split in consecutive windows; every target comes once."""
    starts = np.arange(0, len(data.validation) - 1, options.context_length)
    starts = starts[options.measured(len(starts), world)]
    for first in range(rank * options.batch, len(starts), world * options.batch):
        mine = starts[first : first + options.batch]
        yield windows(data.validation, mine, options)


def windows(ids: np.ndarray, starts: np.ndarray, options: Options) -> Batch:
    """The windows from these places on; what the split does not fill is ignored."""
    context = options.context_length
    tokens = torch.zeros(options.batch, context, dtype=torch.int64)
    targets = torch.full((options.batch, context), IGNORE)
    for row, start in enumerate(starts):
        window = torch.from_numpy(ids[start : start + context + 1].astype(np.int64))
        tokens[row, : len(window) - 1] = window[:-1]
        targets[row, : len(window) - 1] = window[1:]
    return Batch(tokens, targets)
