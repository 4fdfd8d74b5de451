# Made from specs/modernbert.yaml; make it again: tgen build specs/modernbert.yaml
"""Tell with a trained modernbert what is masked in texts.

    python -m generated.modernbert.fill --checkpoint out/modernbert --text "Once [MASK] a time"
    python -m generated.modernbert.fill --data masked.txt --out tokens.csv

In a text, [MASK] stands for a token that is asked for, whatever the tokenizer calls its own.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from .answers import Answer, add_format, aligned, cut, write
from .checkpoint import check_kept, folder_of, read_metadata
from .data import Corpus, FileTokenizer, Tokenizer, choose_tokenizer
from .load import load
from .model import Model
from .process import HelpFormatter, checked, command, leave
from .texts import add_texts, batches_of, tell_cut

MASK = "[MASK]"


def find_tokenizer(options: argparse.Namespace) -> Tokenizer:
    if options.tokenizer:
        return choose_tokenizer(options.tokenizer)
    path = folder_of(options.checkpoint) / "tokenizer.json"
    if not path.exists():
        raise ValueError(f"there is no {path}; say with --tokenizer how the data were tokenized")
    check_kept(path, "say with --tokenizer that another is to be used")
    return choose_tokenizer(str(path))


def mask_of(options: argparse.Namespace, tokenizer: Tokenizer, vocab_size: int) -> int:
    """The token that hides others: what --mask-token says, else as in training."""
    path = folder_of(options.checkpoint) / "checkpoint.safetensors"
    saved = read_metadata(path).get("options") if path.is_file() else None
    said = str(saved.get("mask_token", "")) if isinstance(saved, dict) else ""
    nothing = np.zeros(0, dtype=np.uint16)
    corpus = Corpus(nothing, nothing, tokenizer, largest=0)
    return corpus.mask_id(options.mask_token or said, vocab_size)


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


def read(tokenizer: Tokenizer, text: str, mask: int, context: int) -> list[int]:
    """At most `context` tokens of a text, `mask` where it says so."""
    own = tokenizer.tokenizer.id_to_token(mask) if isinstance(tokenizer, FileTokenizer) else None
    if own is not None:
        return encode(tokenizer, text.replace(MASK, own), context)
    first, *others = (tokenizer.encode(part) for part in text.split(MASK))
    return [*first, *(token for part in others for token in (mask, *part))][:context]


@torch.no_grad()
def likely(model: Model, rows: list[list[int]], mask: int, device: str) -> list[Tensor]:
    """For each row the probabilities of the tokens in place of its masks. (masks, V)"""
    tokens, lengths = padded(rows)
    logits = model(
        tokens.to(device),
        lengths=lengths.to(device),
    )
    found = zip(logits, tokens.to(device), lengths.tolist(), strict=True)
    return [each[:length][row[:length] == mask].float().softmax(-1) for each, row, length in found]


def answers(options: argparse.Namespace) -> Iterator[Answer]:
    """Of each mask of each text its likeliest tokens, first the likeliest."""
    model, tokenizer = load(options.checkpoint, options.device), find_tokenizer(options)
    mask = mask_of(options, tokenizer, model.config.vocab_size)
    context, longer = min(options.context_length, model.config.context_length), 0
    for texts in batches_of(options):
        whole = [read(tokenizer, text, mask, context + 1) for text in texts]
        longer += sum(len(row) > context for row in whole)
        rows = [read(tokenizer, text, mask, context) for text in texts]
        for text, row in zip(texts, rows, strict=True):
            if mask not in row:
                raise ValueError(f"{text!r:.60} has no {MASK} among the tokens that are read")
        for text, found in zip(texts, likely(model, rows, mask, options.device), strict=True):
            yield from best(text, found, options.top, tokenizer)
    tell_cut(longer, context)


def best(text: str, found: Tensor, top: int, tokenizer: Tokenizer) -> Iterator[Answer]:
    """The `top` likeliest tokens for each of the text's masks, of probabilities (masks, V)."""
    ordered = found.topk(min(top, found.size(1)))
    rows = zip(ordered.values.tolist(), ordered.indices.tolist(), strict=True)
    for number, (parts, tokens) in enumerate(rows, 1):
        for rank, (part, token) in enumerate(zip(parts, tokens, strict=True), 1):
            yield {
                "text": text,
                "mask": number,
                "rank": rank,
                "id": token,
                "token": text_of(token, tokenizer),
                "probability": part,
            }


def text_of(token: int, tokenizer: Tokenizer) -> str:
    """What a token stands for; nothing where the tokenizer has none of this number."""
    return tokenizer.decode([token]) if token < tokenizer.vocab_size else ""


def table(answers: Iterable[Answer]) -> Iterator[str]:
    """Under each text a line per token."""
    for text, found in groupby(answers, key=lambda answer: str(answer["text"])):
        yield cut(text, 80)
        rows = [
            [str(each["mask"]), f"{each['probability']:.4f}", repr(each["token"])] for each in found
        ]
        yield from aligned([["mask", "probability", "token"], *rows])


def parse_options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog=f"python -m {__package__}.fill",
        usage="%(prog)s [options]",
        description="Tell with a trained modernbert what is masked in texts.",
        formatter_class=HelpFormatter,
    )
    device = "cuda" if torch.cuda.is_available() else "cpu"
    add = parser.add_argument
    add("--checkpoint", type=Path, default="out/modernbert", help="a run's folder or one file")
    add("--tokenizer", default="", help="byte or a tokenizer.json, if not the one of the run")
    add("--mask-token", default="", help="its text or number, if not as in training")
    add_texts(add)
    add("--top", type=int, default=5, help="tokens to show for each mask")
    length = 8192
    add("--context-length", type=int, default=length, help="most tokens")
    add("--device", default=device, help="cpu, cuda, ...")
    add_format(add, "table", "jsonl", "csv")
    return checked(parser.parse_args(arguments), positive=("context_length", "batch", "top"))


@command
def main(arguments: list[str] | None = None) -> int:
    options = parse_options(arguments)
    write(answers(options), options, table)
    return 0


if __name__ == "__main__":
    leave(main())
