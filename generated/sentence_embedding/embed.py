# Made from specs/sentence_embedding.yaml; make it again: tgen build specs/sentence_embedding.yaml
"""Embed texts with a trained sentence_embedding, and compare them.

python -m generated.sentence_embedding.embed --text "Well done" --text Good
"""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from .checkpoint import check_kept, check_kinds, load_weights, read_checkpoint
from .data import Tokenizer, choose_tokenizer, encode, padded
from .model import Config, Model
from .process import HelpFormatter, checked, command, leave


def load(checkpoint: Path, device: str) -> Model:
    """The model of a run's folder, its best weights if it has any, or of one file."""
    if checkpoint.is_dir():
        best = checkpoint / "best.safetensors"
        checkpoint = best if best.exists() else checkpoint / "checkpoint.safetensors"
    tensors, saved = read_checkpoint(checkpoint)
    check_kinds(saved["config"], asdict(Config()), checkpoint)
    config = Config(**saved["config"])
    if config.layers > len(tensors):
        raise ValueError(f"{checkpoint} has {len(tensors)} tensors, and not all of its layers")
    try:
        with torch.device("meta"):  # which takes no memory, whatever the sizes
            load_weights(Model(config), tensors, checkpoint)
    except Exception as error:
        raise ValueError(f"{checkpoint} is of another model: {error!s:.400}") from None
    try:
        model = Model(config).to(device)
    except (RuntimeError, AssertionError) as error:
        raise ValueError(f"device {device!r} can't be used: {error}") from None
    load_weights(model, tensors, checkpoint)
    return model.eval()


@torch.no_grad()
def embed(
    model: Model, tokenizer: Tokenizer, texts: list[str], context: int, device: str
) -> Tensor:
    """A vector per text. (N, width)"""
    context = min(context, model.config.context_length)
    tokens, lengths = padded([encode(tokenizer, text, context) for text in texts])
    vectors: Tensor = model(tokens.to(device), lengths=lengths.to(device))
    return vectors.float().cpu()


def similarities(vectors: Tensor) -> Tensor:
    """The cosine of the angle between each two. (N, N)"""
    vectors = F.normalize(vectors, dim=-1)
    return vectors @ vectors.mT


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
    add("--text", action="append", required=True, help="may be given several times")
    add("--out", type=Path, help="an .npy file for the vectors, one row per text")
    add("--context-length", type=int, default=256, help="most tokens")
    add("--device", default=device, help="cpu, cuda, ...")
    return checked(parser.parse_args(arguments), positive=("context_length",))


def find_tokenizer(options: argparse.Namespace) -> Tokenizer:
    if options.tokenizer:
        return choose_tokenizer(options.tokenizer)
    folder: Path = options.checkpoint
    path = (folder if folder.is_dir() else folder.parent) / "tokenizer.json"
    if not path.exists():
        raise ValueError(f"there is no {path}; say with --tokenizer how the data were tokenized")
    check_kept(path, "say with --tokenizer that another is to be used")
    return choose_tokenizer(str(path))


@command
def main(arguments: list[str] | None = None) -> int:
    options = parse_options(arguments)
    model, tokenizer = load(options.checkpoint, options.device), find_tokenizer(options)
    vectors = embed(model, tokenizer, options.text, options.context_length, options.device)
    if options.out:
        np.save(options.out, vectors.numpy())
    for text, row in zip(options.text, similarities(vectors).tolist(), strict=True):
        print(" ".join(f"{number:7.4f}" for number in row), text, sep="  ")
    return 0


if __name__ == "__main__":
    leave(main())
