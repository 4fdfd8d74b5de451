# Made from specs/char_modern.yaml; make it again: tgen build specs/char_modern.yaml
"""How well a trained char_modern foretells a text.

    python -m generated.char_modern.evaluate --checkpoint out/char_modern
    python -m generated.char_modern.evaluate --checkpoint out/char_modern --data other.txt

It is what the run held out, or all of a file. It is read in windows as training reads them; what a
byte costs is what its tokens cost in all, over the bytes of the text.
"""

from __future__ import annotations

import argparse
import math
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import torch

from .checkpoint import check_data, check_kept, check_kinds, read_metadata
from .data import (
    Corpus,
    Tokenizer,
    between_texts,
    cache_of,
    choose_tokenizer,
    encode_all,
    fitted,
    read_corpus,
    validation_batches,
)
from .files import files_of, pieces_of
from .model import Config, Model
from .options import Options
from .process import HelpFormatter, checked, command, leave
from .sample import load
from .tokens import token_ids


def folder_of(options: argparse.Namespace) -> Path:
    """Where the checkpoint lies, and what belongs to it."""
    path: Path = options.checkpoint
    return path if path.is_dir() else path.parent


def options_of_run(options: argparse.Namespace) -> Options:
    """What training was started with, less what is said otherwise."""
    path = folder_of(options) / "checkpoint.safetensors"
    saved = read_metadata(path).get("options") if path.is_file() else None
    if isinstance(saved, dict):
        check_kinds(asdict(Options()) | saved, asdict(Options()), path)
    elif not options.data:
        raise ValueError(f"no run says in {path} what it held out: give a file with --data")
    run = Options(**saved) if isinstance(saved, dict) else Options()
    return replace(
        run,
        eval_batches=0,
        context_length=options.context_length or run.context_length,
        batch=options.batch or run.batch,
    )


def read_measured(
    options: argparse.Namespace, run: Options, config: Config
) -> tuple[Corpus, Options]:
    """What is measured, as the corpus' part that is held out, and in which windows."""
    kept = folder_of(options) / "tokenizer.json"
    name = options.tokenizer or (str(kept) if kept.exists() else "")
    if kept.exists() and not options.tokenizer:
        check_kept(kept, "say with --tokenizer that another is to be used")
    if options.data is None:
        corpus = read_corpus(
            run.data,
            name,
            run.validation,
            Config().vocab_size,
            cache_of(run),
            run.field,
            held_out=run.validation_data,
        )
        path = folder_of(options) / "checkpoint.safetensors"
        if not options.tokenizer:
            check_data(read_metadata(path), corpus.digests(), path, "give a file with --data")
    elif (path := Path(options.data[0])).suffix in (".bin", ".npy"):
        if len(options.data) > 1:
            raise ValueError(f"{path} holds tokens, and has to be all of --data")
        ids = token_ids(path, Config().vocab_size)
        corpus = Corpus(ids, ids, choose_tokenizer(name) if name else None)
    else:
        corpus = read_texts(options.data, choose_tokenizer(name), run)
    if len(corpus.validation) < 2:
        said = " ".join(options.data or run.validation_data or run.data)
        raise ValueError(f"{said} has too few tokens to foretell one")
    run = replace(run, context_length=min(run.context_length, len(corpus.validation) - 1))
    corpus, read = fitted(corpus, run, config)
    if read.vocab_size != config.vocab_size:
        sizes = f"{read.vocab_size} tokens, and the model {config.vocab_size}"
        raise ValueError(f"the tokenizer {name} makes a vocabulary of {sizes}")
    return corpus, run


def read_texts(data: list[str], tokenizer: Tokenizer, run: Options) -> Corpus:
    """All of some texts, as what is held out."""
    files = files_of(data)
    between = between_texts(tokenizer)
    blocks = encode_all(tokenizer, between, pieces_of(files, run.field))
    ids = np.concatenate([np.array(block, dtype=np.uint32) for block in blocks])
    sizes = [(len(text), len(text.encode())) for text, _ in pieces_of(files, run.field)]
    characters, size = (sum(each) for each in zip(*sizes, strict=True))
    return Corpus(ids, ids, tokenizer, size=(characters, size))


@torch.inference_mode()
def measure(model: Model, corpus: Corpus, run: Options, device: torch.device) -> tuple[float, int]:
    """The mean loss, and over how many tokens."""
    total, count = 0.0, 0
    for batch in validation_batches(corpus, run, 0, 1):
        count += batch.target_count
        batch = batch.to(device)
        loss = model(batch.tokens, batch.targets, reduction="sum")
        total += loss.item()
    return total / count, count


def size(corpus: Corpus) -> tuple[int, int] | None:
    """Characters and bytes of what is measured, if a tokenizer tells them."""
    if corpus.size is not None or corpus.tokenizer is None:
        return corpus.size
    text = corpus.tokenizer.decode(corpus.validation.tolist())
    return (len(text), len(text.encode())) if text else None


def figures(loss: float, corpus: Corpus) -> dict[str, str]:
    """Of the mean loss: each token of the text is taken to cost as much, its first one, too."""
    found = {
        "loss per token": f"{loss:8.4f}",
        "perplexity": f"{math.exp(min(loss, 99)):8.3f}",
        "bits per token": f"{loss / math.log(2):8.4f}",
    }
    if sizes := size(corpus):
        bits = loss / math.log(2) * len(corpus.validation)
        found["bits per character"] = f"{bits / sizes[0]:8.4f}"
        found["bits per byte"] = f"{bits / sizes[1]:8.4f}"
    return found


def parse_options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog=f"python -m {__package__}.evaluate",
        usage="%(prog)s [options]",
        description="How well a trained char_modern foretells a text.",
        formatter_class=HelpFormatter,
    )
    device = "cuda" if torch.cuda.is_available() else "cpu"
    add = parser.add_argument
    add("--checkpoint", type=Path, default="out/char_modern", help="a run's folder or one file")
    add("--tokenizer", default="", help="byte or a tokenizer.json, if not the one of the run")
    held_out = "texts, or tokens in .bin or .npy, if not what the run held out"
    add("--data", nargs="+", help=held_out)
    add("--context-length", type=int, default=0, help="tokens per window; 0: as in training")
    add("--batch", type=int, default=0, help="windows read together; 0: as in training")
    add("--device", default=device, help="cpu, cuda, ...")
    return checked(parser.parse_args(arguments))


@command
def main(arguments: list[str] | None = None) -> int:
    options = parse_options(arguments)
    model, run = load(options.checkpoint, options.device), options_of_run(options)
    corpus, run = read_measured(options, run, model.config)
    loss, count = measure(model, corpus, run, torch.device(options.device))
    print(f"{count:,} tokens of {' '.join(options.data or run.validation_data or run.data)}")
    for name, figure in figures(loss, corpus).items():
        print(f"  {name:22}{figure}")
    return 0


if __name__ == "__main__":
    leave(main())
