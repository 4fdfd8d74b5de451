# Made from specs/text_lstm.yaml; make it again: tgen build specs/text_lstm.yaml
"""Tell the classes of texts with a trained text_lstm.

python -m generated.text_lstm.predict --checkpoint out/text_lstm --text "Well done"
"""

from __future__ import annotations

import argparse
import os
from dataclasses import asdict
from pathlib import Path

import torch

from .checkpoint import check_kept, check_kinds, load_weights, read_checkpoint, read_json
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
def predict(
    model: Model, tokenizer: Tokenizer, texts: list[str], context: int, device: str
) -> list[list[float]]:
    """The probability of each class, for each text."""
    context = min(context, model.config.context_length)
    tokens, lengths = padded([encode(tokenizer, text, context) for text in texts])
    scores = model(tokens.to(device), lengths=lengths.to(device))
    probabilities: list[list[float]] = scores.float().softmax(-1).tolist()
    return probabilities


def read_classes(checkpoint: Path, count: int) -> list[str]:
    """The classes' names, as training wrote them; without, their numbers."""
    path = (checkpoint if checkpoint.is_dir() else checkpoint.parent) / "classes.json"
    if os.path.lexists(path):
        names = read_json(path)
        if not isinstance(names, list) or len(names) != count:
            raise ValueError(f"{path} does not name the {count} classes of the model")
        return [name if name.isprintable() else ascii(name) for name in map(str, names)]
    return [str(number) for number in range(count)]


def parse_options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog=f"python -m {__package__}.predict",
        usage="%(prog)s [options]",
        description="Tell the classes of texts with a trained text_lstm.",
        formatter_class=HelpFormatter,
    )
    device = "cuda" if torch.cuda.is_available() else "cpu"
    add = parser.add_argument
    add("--checkpoint", type=Path, default="out/text_lstm", help="a run's folder or one file")
    add("--tokenizer", default="", help="byte or a tokenizer.json, if not the one of the run")
    add("--text", action="append", required=True, help="may be given several times")
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
    rows = predict(model, tokenizer, options.text, options.context_length, options.device)
    classes = read_classes(options.checkpoint, model.config.classes)
    for text, row in zip(options.text, rows, strict=True):
        best = max(range(len(row)), key=row.__getitem__)
        print(f"{classes[best]}\t{row[best]:.4f}\t{text}")
    return 0


if __name__ == "__main__":
    leave(main())
