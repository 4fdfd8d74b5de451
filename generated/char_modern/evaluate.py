# Made from specs/char_modern.yaml; make it again: tgen build specs/char_modern.yaml
"""How well trained models of char_modern foretell texts, and which answers they choose.

    python -m generated.char_modern.evaluate --checkpoint out/char_modern
    python -m generated.char_modern.evaluate --checkpoint out/char_modern --data other.txt
    python -m generated.char_modern.evaluate --checkpoint out/char_modern --choices questions.jsonl

It is what the run held out, or all of some files. It is read in windows as training reads them, or
with --stride in windows that overlap, so that each token has more before it; what a byte costs is
what its tokens cost in all, over the bytes of the text.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import torch

from .checkpoint import check_data, check_kept, check_kinds, folder_of, read_metadata
from .choices import LENGTHS, measure_choices, read_questions
from .curve import points_of, show
from .data import (
    IGNORE,
    Batch,
    Corpus,
    Tokenizer,
    cache_of,
    choose_tokenizer,
    encoder_of,
    fitted,
    read_corpus,
    windows,
)
from .figures import Figure, Figures, Found, lines_of, mean, write_json
from .files import Sizes, files_of, sizes_of
from .load import load
from .model import Config, Model
from .options import Options
from .process import HelpFormatter, checked, command, leave
from .tokens import one_at_a_time, token_ids, tokens_of

# In a table of several models.
COMPARED = "loss per token", "perplexity", "bits per byte", *LENGTHS


def tokenizer_name(options: argparse.Namespace) -> str:
    """What --tokenizer says, else the file of the run; "" where there is none."""
    kept = folder_of(options.checkpoint) / "tokenizer.json"
    if options.tokenizer or not kept.exists():
        return str(options.tokenizer)
    check_kept(kept, "say with --tokenizer that another is to be used")
    return str(kept)


def options_of_run(options: argparse.Namespace) -> Options:
    """What training was started with, less what is said otherwise."""
    path = folder_of(options.checkpoint) / "checkpoint.safetensors"
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
    name = tokenizer_name(options)
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
        path = folder_of(options.checkpoint) / "checkpoint.safetensors"
        if not options.tokenizer:
            check_data(read_metadata(path), corpus.digests(), path, "give a file with --data")
    elif (path := Path(options.data[0])).suffix in (".bin", ".npy"):
        if len(options.data) > 1:
            raise ValueError(f"{path} holds tokens, and has to be all of --data")
        ids = token_ids(path, Config().vocab_size)
        corpus = Corpus(ids, ids, choose_tokenizer(name) if name else None)
    else:
        cache = Path(options.cache or run.cache or folder_of(options.checkpoint).parent / "tokens")
        corpus = read_texts(options.data, choose_tokenizer(name), cache, run)
    if len(corpus.validation) < 2:
        said = " ".join(options.data or run.validation_data or run.data)
        raise ValueError(f"{said} has too few tokens to foretell one")
    run = replace(run, context_length=min(run.context_length, len(corpus.validation) - 1))
    corpus, read = fitted(corpus, run, config)
    if read.vocab_size != config.vocab_size:
        sizes = f"{read.vocab_size} tokens, and the model {config.vocab_size}"
        raise ValueError(f"the tokenizer {name} makes a vocabulary of {sizes}")
    return corpus, run


def read_texts(data: list[str], tokenizer: Tokenizer, cache: Path, run: Options) -> Corpus:
    """All of some texts, as what is held out; their tokens are kept, as those of training are."""
    encoder = encoder_of(tokenizer)
    with one_at_a_time(cache) as seen:
        _, ids, kept = tokens_of(cache, seen, files_of(data), run.field, 1.0, encoder)
    size = Sizes(kept.characters, kept.bytes, kept.words)
    return Corpus(ids, ids, tokenizer, largest=kept.largest, size=size)


def batches_of(corpus: Corpus, run: Options, stride: int) -> Iterator[Batch]:
    """Windows of the text, each `stride` tokens on, where each token is a target once.

    All but the first have `context_length - stride` tokens before their targets.
    """
    ids, context = corpus.validation, run.context_length
    count = 1 + math.ceil(max(0, len(ids) - 1 - context) / stride)
    starts = stride * np.arange(count)
    for first in range(0, count, run.batch):
        mine = starts[first : first + run.batch]
        batch = windows(ids, mine, run)
        batch.targets[int(first == 0) :, : context - stride] = IGNORE
        yield batch


@torch.inference_mode()
def measure(
    model: Model, corpus: Corpus, options: argparse.Namespace, run: Options
) -> tuple[int, Figures]:
    """How many tokens are foretold, and what they cost, by the losses of each window."""
    losses, counts = [], []
    context = run.context_length
    batches = batches_of(corpus, run, min(options.stride or context, context))
    for batch in batches:
        counts += (batch.targets != IGNORE).sum(1).tolist()
        batch = batch.to(torch.device(options.device))
        each = model(batch.tokens, batch.targets, reduction="none")
        losses += each.float().sum(1).tolist()
    return sum(counts), figures(mean(np.array(losses), np.array(counts)), corpus)


def figures(loss: Figure, corpus: Corpus) -> Figures:
    """Of the mean loss: each token of the text is taken to cost as much, its first one, too."""
    found = of_loss(loss)
    if sizes := size(corpus):
        whole = loss.times(len(corpus.validation))
        found["bits per character"] = whole.times(1 / math.log(2) / sizes.characters)
        found["bits per byte"] = whole.times(1 / math.log(2) / sizes.bytes)
        if sizes.words:
            found["loss per word"] = whole.times(1 / sizes.words)
            found["perplexity per word"] = perplexity(found["loss per word"])
    return found


def size(corpus: Corpus) -> Sizes | None:
    """How much text is measured, if a tokenizer tells that."""
    if corpus.size is not None or corpus.tokenizer is None:
        return corpus.size
    text = corpus.tokenizer.decode(corpus.validation.tolist())
    return sizes_of([(text, False)]) if text else None


def of_loss(loss: Figure) -> Figures:
    """The mean loss of a token, said in three ways."""
    return {
        "loss per token": loss,
        "perplexity": perplexity(loss),
        "bits per token": loss.times(1 / math.log(2)),
    }


def perplexity(loss: Figure) -> Figure:
    value = math.exp(min(loss.value, 99))
    return Figure(value, loss.error and loss.error * value)


def parse_options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog=f"python -m {__package__}.evaluate",
        usage="%(prog)s [options]",
        description="How well trained models of char_modern foretell texts.",
        formatter_class=HelpFormatter,
    )
    device = "cuda" if torch.cuda.is_available() else "cpu"
    add = parser.add_argument
    folders = "folders of runs or files; several are compared"
    add("--checkpoint", type=Path, nargs="+", default="out/char_modern", help=folders)
    add("--tokenizer", default="", help="byte or a tokenizer.json, if not the one of the run")
    held_out = "texts, or tokens in .bin or .npy, if not what the run held out"
    add("--data", nargs="+", help=held_out)
    add("--cache", default="", help="folder to keep tokens of texts in; else tokens/ beside runs")
    add("--choices", type=Path, help="a .jsonl of questions: context, choices and answer of each")
    add("--between", help="what stands between a context and a choice, if not a space")
    add("--context-length", type=int, default=0, help="tokens per window; 0: as in training")
    add("--stride", type=int, default=0, help="tokens from window to window; 0: a whole window")
    add("--batch", type=int, default=0, help="windows read together; 0: as in training")
    add("--json", type=Path, help="a file for all figures")
    help = "a folder for a table of bytes, memory and speed, too, and a picture of it"
    add("--table", type=Path, help=help)
    add("--device", default=device, help="cpu, cuda, ...")
    return checked(parser.parse_args(arguments))


def found_of(options: argparse.Namespace) -> Iterator[Found]:
    """What is asked of one checkpoint."""
    model, path = load(options.checkpoint, options.device), str(options.checkpoint)
    if options.choices:
        tokenizer = choose_tokenizer(tokenizer_name(options))
        questions = read_questions(options.choices)
        chosen = measure_choices(model, tokenizer, questions, options)
        yield Found(path, len(questions), f"questions of {options.choices}", chosen)
        if not options.data:
            return
    run = options_of_run(options)
    corpus, run = read_measured(options, run, model.config)
    count, measured = measure(model, corpus, options, run)
    said = " ".join(options.data or run.validation_data or run.data)
    yield Found(path, count, f"tokens of {said}", measured)


@command
def main(arguments: list[str] | None = None) -> int:
    options = parse_options(arguments)
    paths = options.checkpoint if isinstance(options.checkpoint, list) else [options.checkpoint]
    if options.table:
        data = options.data or []
        show(points_of(paths, options.device, data), options.table)
        return 0
    each = (argparse.Namespace(**{**vars(options), "checkpoint": path}) for path in paths)
    found = [one for asked in each for one in found_of(asked)]
    print("\n".join(lines_of(found, COMPARED)))
    if options.json:
        write_json(options.json, found)
    return 0


if __name__ == "__main__":
    leave(main())
