# Made from specs/sentence_embedding.yaml; make it again: tgen build specs/sentence_embedding.yaml
"""Embed texts with a trained sentence_embedding, and compare them.

python -m generated.sentence_embedding.embed --text "Well done" --text Good
python -m generated.sentence_embedding.embed --data texts.txt --out vectors.npy
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from .answers import Answer, add_format, aligned, write
from .checkpoint import check_kept, folder_of
from .data import Tokenizer, choose_tokenizer, encode, padded
from .load import load
from .model import Model
from .process import HelpFormatter, checked, command, leave
from .texts import add_texts, batches_of, tell_cut

SIDE_BY_SIDE = 6  # most texts of which a table compares each two


@torch.no_grad()
def embed(
    model: Model, tokenizer: Tokenizer, texts: list[str], context: int, device: str
) -> Tensor:
    """A vector per text. (N, width)"""
    tokens, lengths = padded([encode(tokenizer, text, context) for text in texts])
    vectors: Tensor = model(tokens.to(device), lengths=lengths.to(device))
    return vectors.float().cpu()


def parse_options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog=f"python -m {__package__}.embed",
        usage="%(prog)s [options]",
        description="Embed texts with a trained sentence_embedding, and compare them.",
        formatter_class=HelpFormatter,
    )
    device = "cuda" if torch.cuda.is_available() else "cpu"
    add = parser.add_argument
    add(
        "--checkpoint",
        type=Path,
        default="out/sentence_embedding",
        help="a run's folder or one file",
    )
    add("--tokenizer", default="", help="byte or a tokenizer.json, if not the one of the run")
    add_texts(add)
    add("--context-length", type=int, default=256, help="most tokens")
    add("--device", default=device, help="cpu, cuda, ...")
    add_format(add, "table", "jsonl", "csv", "npy")
    return checked(parser.parse_args(arguments), positive=("context_length", "batch"))


def find_tokenizer(options: argparse.Namespace) -> Tokenizer:
    if options.tokenizer:
        return choose_tokenizer(options.tokenizer)
    path = folder_of(options.checkpoint) / "tokenizer.json"
    if not path.exists():
        raise ValueError(f"there is no {path}; say with --tokenizer how the data were tokenized")
    check_kept(path, "say with --tokenizer that another is to be used")
    return choose_tokenizer(str(path))


def answers(options: argparse.Namespace) -> Iterator[Answer]:
    """Each text, and its vector."""
    model, tokenizer = load(options.checkpoint, options.device), find_tokenizer(options)
    context, longer = min(options.context_length, model.config.context_length), 0
    for texts in batches_of(options):
        longer += sum(len(encode(tokenizer, text, context + 1)) > context for text in texts)
        vectors = embed(model, tokenizer, texts, context, options.device)
        for text, vector in zip(texts, vectors.tolist(), strict=True):
            yield {"text": text, "embedding": vector}
    tell_cut(longer, context)


def similarities(vectors: Tensor) -> Tensor:
    """The cosine of the angle between each two. (N, N)"""
    vectors = F.normalize(vectors, dim=-1)
    return vectors @ vectors.mT


def nearest(vectors: Tensor) -> Iterator[tuple[float, int]]:
    """Of each of (N, width) the cosine of the angle to the nearest other, and which that is."""
    vectors = F.normalize(vectors, dim=-1)
    for start in range(0, len(vectors), 1024):
        near = vectors[start : start + 1024] @ vectors.mT
        near.diagonal(start).fill_(-2.0)  # no vector is the nearest of itself
        best, which = near.max(dim=1)
        yield from zip(best.tolist(), which.tolist(), strict=True)


def table(answers: Iterable[Answer]) -> Iterator[str]:
    """Of few texts how near each two are; of more the nearest other of each."""
    found = [*answers]
    names = [answer["text"] for answer in found]
    vectors = torch.tensor([answer["embedding"] for answer in found])
    if len(found) <= SIDE_BY_SIDE:
        rows = zip(similarities(vectors).tolist(), names, strict=True)
        return aligned([[*(f"{number:.4f}" for number in row), name] for row, name in rows])
    others = zip(names, nearest(vectors), strict=True)
    named = [[f"{best:.4f}", names[which], name] for name, (best, which) in others]
    return aligned([["nearest", "to", "text"], *named])


@command
def main(arguments: list[str] | None = None) -> int:
    options = parse_options(arguments)
    write(answers(options), options, table)
    return 0


if __name__ == "__main__":
    leave(main())
