# Made from specs/longformer_like.yaml; make it again: tgen build specs/longformer_like.yaml
"""How well a trained longformer_like foretells a text.

    python -m generated.longformer_like.evaluate --checkpoint out/longformer_like
    python -m generated.longformer_like.evaluate --checkpoint out/longformer_like --data other.txt

It is what the run held out, or all of a file. It is read in windows as training reads them; what a
byte costs is what its tokens cost in all, over the bytes of the text.
"""

from __future__ import annotations

import argparse
import math
import sys
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import torch

from .checkpoint import check_kinds, read_checkpoint
from .data import (
    Corpus,
    choose_tokenizer,
    fitted,
    read_corpus,
    read_text,
    token_ids,
    validation_batches,
)
from .model import Config, Model
from .options import Options
from .process import HelpFormatter, failed
from .sample import load


def folder_of(options: argparse.Namespace) -> Path:
    """Where the checkpoint lies, and what belongs to it."""
    path: Path = options.checkpoint
    return path if path.is_dir() else path.parent


def options_of_run(options: argparse.Namespace) -> Options:
    """What training was started with, less what is said otherwise."""
    path = folder_of(options) / "checkpoint.safetensors"
    saved = read_checkpoint(path)[1].get("options") if path.is_file() else None
    if isinstance(saved, dict):
        check_kinds(saved, asdict(Options()), path)
    elif not options.data:
        raise ValueError(f"no run says in {path} what it held out: give a file with --data")
    run = Options(**saved) if isinstance(saved, dict) else Options()
    return replace(
        run,
        context_length=options.context_length or run.context_length,
        batch=options.batch or run.batch,
    )


def read_measured(
    options: argparse.Namespace, run: Options, config: Config
) -> tuple[Corpus, Options]:
    """What is measured, as the corpus' part that is held out, and in which windows."""
    kept = folder_of(options) / "tokenizer.json"
    name = options.tokenizer or (str(kept) if kept.exists() else "")
    if options.data is None:
        corpus = read_corpus(Path(run.data), name, run.validation, config.vocab_size)
    elif options.data.suffix in (".bin", ".npy"):
        ids = token_ids(options.data, config.vocab_size)
        corpus = Corpus(ids, ids, choose_tokenizer(name) if name else None)
    else:
        text, tokenizer = read_text(options.data), choose_tokenizer(name)
        ids = np.array(tokenizer.encode(text), dtype=np.uint32)
        corpus = Corpus(ids, ids, tokenizer, text)
    if len(corpus.validation) < 2:
        raise ValueError(f"{options.data or run.data} has too few tokens to foretell one")
    run = replace(run, context_length=min(run.context_length, len(corpus.validation) - 1))
    corpus, read = fitted(corpus, run, config)
    if read.vocab_size != config.vocab_size:
        sizes = f"{read.vocab_size} tokens, and the model {config.vocab_size}"
        raise ValueError(f"the tokenizer {name} makes a vocabulary of {sizes}")
    return corpus, run


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
    text = corpus.text
    if text is None and corpus.tokenizer is not None:
        text = corpus.tokenizer.decode(corpus.validation.tolist())
    return None if not text else (len(text), len(text.encode()))


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
        description="How well a trained longformer_like foretells a text.",
        formatter_class=HelpFormatter,
    )
    device = "cuda" if torch.cuda.is_available() else "cpu"
    add = parser.add_argument
    add("--checkpoint", type=Path, default="out/longformer_like", help="a run's folder or one file")
    add("--tokenizer", default="", help="byte or a tokenizer.json, if not the one of the run")
    add("--data", type=Path, help="a text, or tokens in .bin or .npy, if not what the run held out")
    add("--context-length", type=int, default=0, help="tokens per window; 0: as in training")
    add("--batch", type=int, default=0, help="windows read together; 0: as in training")
    add("--device", default=device, help="cpu, cuda, ...")
    options = parser.parse_args(arguments)
    if min(options.context_length, options.batch) < 0:
        raise ValueError("--context-length and --batch can't be negative")
    return options


def main(arguments: list[str] | None = None) -> int:
    try:
        options = parse_options(arguments)
        model, run = load(options.checkpoint, options.device), options_of_run(options)
        corpus, run = read_measured(options, run, model.config)
        loss, count = measure(model, corpus, run, torch.device(options.device))
    except (ValueError, OSError) as error:
        return failed(error)
    print(f"{count:,} tokens of {options.data or run.data}")
    for name, figure in figures(loss, corpus).items():
        print(f"  {name:22}{figure}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
