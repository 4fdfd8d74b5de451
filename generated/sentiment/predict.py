# Made from specs/sentiment.yaml; make it again: tgen build specs/sentiment.yaml
"""Tell the classes of texts with a trained sentiment.

python -m generated.sentiment.predict --checkpoint out/sentiment --text "Well done"
python -m generated.sentiment.predict --data texts.txt --out predictions.csv
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import torch

from .answers import Answer, add_format, aligned, write
from .checkpoint import check_kept, folder_of, read_json
from .data import Tokenizer, choose_tokenizer, encode, padded
from .load import load
from .model import Model
from .process import HelpFormatter, checked, command, leave
from .texts import Text, add_texts, batches_of, tell_cut

ROOM = 5  # most columns of numbers in a table


@torch.no_grad()
def predict(
    model: Model, tokenizer: Tokenizer, texts: list[Text], context: int, device: str
) -> list[list[float]]:
    """The probability of each class, for each text."""
    tokens, lengths = padded([encode(tokenizer, text, context) for text in texts])
    scores = model(tokens.to(device), lengths=lengths.to(device))
    probabilities: list[list[float]] = scores.float().softmax(-1).tolist()
    return probabilities


def read_classes(checkpoint: Path, count: int) -> list[str]:
    """The classes' names, as training wrote them; without, their numbers."""
    path = folder_of(checkpoint) / "classes.json"
    if os.path.lexists(path):
        names = read_json(path)
        if not isinstance(names, list) or len(names) != count:
            raise ValueError(f"{path} does not name the {count} classes of the model")
        if len(set(map(str, names))) < count:
            raise ValueError(f"{path} names two classes alike")
        return [name if name.isprintable() else ascii(name) for name in map(str, names)]
    return [str(number) for number in range(count)]


def parse_options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog=f"python -m {__package__}.predict",
        usage="%(prog)s [options]",
        description="Tell the classes of texts with a trained sentiment.",
        formatter_class=HelpFormatter,
    )
    device = "cuda" if torch.cuda.is_available() else "cpu"
    add = parser.add_argument
    add("--checkpoint", type=Path, default="out/sentiment", help="a run's folder or one file")
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
    """Of each text what it is of, and how likely each class is."""
    model, tokenizer = load(options.checkpoint, options.device), find_tokenizer(options)
    classes = read_classes(options.checkpoint, model.config.classes)
    context, longer = min(options.context_length, model.config.context_length), 0
    for texts in batches_of(options):
        read = [encode(tokenizer, text, context + 1) for text in texts]
        longer += sum(len(row) > context for row in read)
        rows = predict(model, tokenizer, texts, context, options.device)
        for text, row in zip(texts, rows, strict=True):
            yield answer(text, dict(zip(classes, row, strict=True)))
    tell_cut(longer, context)


def answer(text: Text, likely: dict[str, float]) -> Answer:
    """Of the likeliest class."""
    best = max(likely, key=lambda name: likely[name])
    return {"text": text, "class": best, "probabilities": likely}


def table(answers: Iterable[Answer]) -> Iterator[str]:
    """The class, each one's probability if a line has room for that, and the text."""
    found = [*answers]
    names = [*found[0]["probabilities"]]
    names = names if len(names) <= ROOM else []
    rows = [["class", *(names or ["probability"]), "text"]]
    for each in found:
        likely = each["probabilities"]
        numbers = [likely[name] for name in names] or [likely[each["class"]]]
        rows.append([each["class"], *(f"{number:.4f}" for number in numbers), each["text"]])
    return aligned(rows, left=1)


@command
def main(arguments: list[str] | None = None) -> int:
    options = parse_options(arguments)
    write(answers(options), options, table)
    return 0


if __name__ == "__main__":
    leave(main())
