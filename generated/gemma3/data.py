# Made from specs/gemma3.yaml; make it again: tgen build specs/gemma3.yaml
"""Text to tokens: tokenizers, corpora and batches."""

from __future__ import annotations

import json
from collections.abc import Iterator
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
    text: str | None = None  # of what is held out, where it was one

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
            if (largest := int(ids.max())) >= vocab_size:
                if not grows:
                    odd = f"token {largest}, the model's vocabulary {vocab_size}"
                    raise ValueError(f"the {split} split holds {odd}")
                vocab_size = largest + 1
        return vocab_size

    def digests(self) -> dict[str, str]:
        """By which a resumed run knows the data again."""
        return {"corpus": digest(self.train, self.validation)}

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
    corpus = read_corpus(Path(options.data), tokenizer, options.validation, Config().vocab_size)
    return fitted(corpus, options, config)


def fitted(corpus: Corpus, options: Options, config: Config) -> tuple[Corpus, Config]:
    """The corpus with what is said of it, if the model can read it, and its vocabulary."""
    if options.context_length > config.context_length:
        raise ValueError(
            f"--context-length is {options.context_length}, the model's is {config.context_length}"
        )
    vocab_size = corpus.fit(options.context_length, config.vocab_size, options.tiny)
    return corpus, replace(config, vocab_size=vocab_size)


def read_corpus(path: Path, tokenizer: str, validation: float, vocab_size: int) -> Corpus:
    """`tokenizer` is char, byte or the path of a tokenizer.json.

    The last `validation` of a text's characters, or of one file's tokens, is held out; train.bin
    and val.bin come split already.
    """
    if not 0 < validation < 1:
        raise ValueError(f"--validation is {validation}, not a fraction between 0 and 1")
    if path.is_dir() or path.suffix in (".bin", ".npy"):
        # A character vocabulary can't be told from token numbers.
        known = None if tokenizer in ("", "char") else choose_tokenizer(tokenizer)
        return Corpus(*token_splits(path, validation, vocab_size), known)
    text = read_text(path)
    if tokenizer == "char":
        encoder: Tokenizer = CharTokenizer("".join(sorted(set(text))))
    else:
        encoder = choose_tokenizer(tokenizer)
    split = int(len(text) * (1 - validation))
    train, held_out = (
        np.array(encoder.encode(part), dtype=np.uint32) for part in (text[:split], text[split:])
    )
    return Corpus(train, held_out, encoder, text[split:])


def choose_tokenizer(name: str) -> Tokenizer:
    if not name:
        raise ValueError("say with --tokenizer which: char, byte or the path of a tokenizer.json")
    return ByteTokenizer() if name == "byte" else load_tokenizer(Path(name))


def read_text(path: Path) -> str:
    if not path.is_file():
        raise ValueError(f"there is no corpus {path}; --data is a text, or .bin or .npy files")
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
