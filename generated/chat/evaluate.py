# Made from specs/chat.yaml; make it again: tgen build specs/chat.yaml
"""How well trained models of chat foretell the answers of chats, and what they choose.

    python -m generated.chat.evaluate --checkpoint out/chat
    python -m generated.chat.evaluate --checkpoint out/chat --data chats.jsonl
    python -m generated.chat.evaluate --checkpoint out/chat --choices questions.jsonl

It is measured of the examples that the run held out, or of all of some files.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Iterator
from contextlib import redirect_stdout
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import torch

from .checkpoint import check_data, check_kept, check_kinds, folder_of, read_metadata
from .choices import LENGTHS, measure_choices, read_questions
from .data import IGNORE, Examples, batch_of, choose_tokenizer, joined, read_data, reader_of
from .figures import Figure, Figures, Found, lines_of, mean, write_json
from .files import files_of
from .load import load
from .model import Config, Model
from .options import Options
from .process import HelpFormatter, checked, command, leave

COMPARED = "loss per token", "perplexity", *LENGTHS  # in a table of several models


def tokenizer_of(options: argparse.Namespace) -> Path:
    """What --tokenizer says, else the file of the run."""
    kept = folder_of(options.checkpoint) / "tokenizer.json"
    if options.tokenizer or not kept.exists():
        return Path(options.tokenizer)
    check_kept(kept, "say with --tokenizer that another is to be used")
    return kept


def options_of_run(options: argparse.Namespace) -> Options:
    """What training was started with, less what is said otherwise."""
    folder = folder_of(options.checkpoint)
    path = folder / "checkpoint.safetensors"
    saved = read_metadata(path).get("options") if path.is_file() else None
    if isinstance(saved, dict):
        check_kinds(asdict(Options()) | saved, asdict(Options()), path)
    elif not options.data:
        raise ValueError(f"no run says in {path} what it held out: give files with --data")
    run = Options(**saved) if isinstance(saved, dict) else Options()
    return replace(run, out=str(folder), resume=True, batch=options.batch or run.batch)


def read_measured(options: argparse.Namespace, run: Options, config: Config) -> Examples:
    """The examples that are measured."""
    if not options.data:
        data, _ = read_data(run, config)
        path = folder_of(options.checkpoint) / "checkpoint.safetensors"
        check_data(read_metadata(path), data.digests(), path, "give files with --data")
        return data.validation
    path = tokenizer_of(options)
    reader = reader_of(path, replace(run, tokenizer=str(path)))
    rows = list(reader.read(files_of(options.data)))
    reader.tell()
    if not rows:
        raise ValueError(f"{' '.join(options.data)} has no row that fits a sequence")
    return joined([rows], [1.0])


@torch.inference_mode()
def measure(model: Model, examples: Examples, run: Options) -> Figures:
    """What a trained token costs, by the losses of each row."""
    losses: list[float] = []
    counts: list[int] = []
    device = next(iter(model.state_dict().values())).device
    for rows in np.array_split(np.arange(len(examples)), -(-len(examples) // run.batch)):
        batch = batch_of(examples, rows, run.context_length).to(device)
        each = model(
            batch.tokens,
            batch.targets,
            reduction="none",
            document_ids=batch.document_ids,
        )
        losses += each.float().sum(1).tolist()
        counts += (batch.targets != IGNORE).sum(1).tolist()
    loss = mean(np.array(losses), np.array(counts))
    value = math.exp(min(loss.value, 99))
    perplexity = Figure(value, loss.error and loss.error * value)
    return {"loss per token": loss, "perplexity": perplexity}


def found_of(options: argparse.Namespace) -> Iterator[Found]:
    """What is asked of one checkpoint."""
    model, path = load(options.checkpoint, options.device), str(options.checkpoint)
    if options.choices:
        questions = read_questions(options.choices)
        tokenizer = choose_tokenizer(str(tokenizer_of(options)))
        chosen = measure_choices(model, tokenizer, questions, options)
        yield Found(path, len(questions), f"questions of {options.choices}", chosen)
        if not options.data:
            return
    run = options_of_run(options)
    run = replace(
        run,
        context_length=min(
            options.context_length or run.context_length, model.config.context_length
        ),
    )
    with redirect_stdout(sys.stderr):  # what it says of rows
        examples = read_measured(options, run, model.config)
    said = " ".join(options.data or run.validation_data or run.data)
    yield Found(path, len(examples), f"examples of {said}", measure(model, examples, run))


def parse_options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog=f"python -m {__package__}.evaluate",
        usage="%(prog)s [options]",
        description="How well trained models of chat foretell the answers of chats.",
        formatter_class=HelpFormatter,
    )
    device = "cuda" if torch.cuda.is_available() else "cpu"
    add = parser.add_argument
    folders = "folders of runs or files; several are compared"
    add("--checkpoint", type=Path, nargs="+", default="out/chat", help=folders)
    add("--tokenizer", default="", help="a tokenizer.json, if not the one of the run")
    add("--data", nargs="+", help="files as in training, if not what the run held out")
    add("--choices", type=Path, help="a .jsonl of questions: context, choices and answer of each")
    add("--between", help="what stands between a context and a choice, if not a space")
    add("--context-length", type=int, default=0, help="tokens per sequence; 0: as in training")
    add("--batch", type=int, default=0, help="examples read together; 0: as in training")
    add("--json", type=Path, help="a file for all figures")
    add("--device", default=device, help="cpu, cuda, ...")
    return checked(parser.parse_args(arguments))


@command
def main(arguments: list[str] | None = None) -> int:
    options = parse_options(arguments)
    paths = options.checkpoint if isinstance(options.checkpoint, list) else [options.checkpoint]
    each = (argparse.Namespace(**{**vars(options), "checkpoint": path}) for path in paths)
    found = [one for asked in each for one in found_of(asked)]
    print("\n".join(lines_of(found, COMPARED)))
    if options.json:
        write_json(options.json, found)
    return 0


if __name__ == "__main__":
    leave(main())
