# Made from specs/dcgan.yaml; make it again: tgen build specs/dcgan.yaml
"""How near the pictures of a trained dcgan come to real ones.

    python -m generated.dcgan.evaluate --checkpoint out/dcgan
    python -m generated.dcgan.evaluate --features generated.CLASSIFIER

Generated images stand beside as many that training has seen; both are compared with those that were
held out. What training has seen is as near as images of dcgan can be expected to come.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .checkpoint import check_data, check_kinds, read_metadata
from .data import Images, Split, read_data
from .features import Classifier, read_classifier
from .generate import generated, noise_of
from .load import load
from .model import Config
from .options import Options
from .process import HelpFormatter, checked, command, leave, plain
from .quality import (
    class_entropy,
    confidence,
    distinctness,
    frechet,
    shrunk,
    too_few,
    variety,
)

SHRUNK = "the pixels of images shrunk to at most 8 x 8"
FIGURES = {  # of the table: how each is called and shown
    "frechet": ("Frechet distance", "{:.4g}"),
    "variety": ("variety", "{:.3f}"),
    "distinctness": ("distinctness", "{:.3f}"),
    "confidence": ("confidence", "{:.2%}"),
    "class_entropy": ("class entropy, nats", "{:.3f}"),
}


@dataclass(frozen=True)
class Look:
    """What is seen in some images: features (N, D), and of a classifier what they may be of."""

    features: Tensor
    probabilities: Tensor  # (N, classes), without columns where no classifier looks


def saved_options(checkpoint: Path) -> Options:
    """Those of the run, so that the images that it held out are held out."""
    path = checkpoint / "checkpoint.safetensors" if checkpoint.is_dir() else checkpoint
    saved = read_metadata(path).get("options")
    if not isinstance(saved, dict):
        raise ValueError(f"{path} does not say on which data it was trained; name a run's folder")
    check_kinds(asdict(Options()) | saved, asdict(Options()), path)
    return Options(**saved)


def real_images(split: Split, count: int, options: argparse.Namespace) -> Iterator[Tensor]:
    """So many of a split's images, from all over it."""
    rows = np.linspace(0, len(split.targets) - 1, count).round().astype(int)
    for start in range(0, count, options.batch):
        batch = split.read(rows[start : start + options.batch])
        if len(batch.targets):
            batch = batch.to(torch.device(options.device))
            yield batch.images


@torch.no_grad()
def look(batches: Iterable[Tensor], classifier: Classifier | None) -> Look:
    """What is seen in images (B, C, H, W) from -1 to 1."""
    parts = [seen_in(images, classifier) for images in batches]
    return Look(*(torch.cat(part).cpu() for part in zip(*parts, strict=True)))


def seen_in(images: Tensor, classifier: Classifier | None) -> tuple[Tensor, Tensor]:
    """Features (B, D) and class probabilities (B, classes)."""
    if classifier:
        return classifier.look(images)
    return shrunk(images), images.new_empty(len(images), 0)


def figures(images: Look, held_out: Look) -> dict[str, float]:
    """How images compare with those held out."""
    found = {
        "frechet": frechet(images.features, held_out.features),
        "variety": variety(images.features, held_out.features),
        "distinctness": distinctness(images.features, held_out.features),
    }
    if images.probabilities.size(1):
        found["confidence"] = confidence(images.probabilities)
        found["class_entropy"] = class_entropy(images.probabilities)
    return found


def evaluate(options: argparse.Namespace) -> dict[str, Any]:
    """The figures of generated images and of training's, and what they are figures of."""
    model = load(options.checkpoint, options.device)
    data = read_images_of(options, model.config)
    classifier = None
    if options.features:
        classifier = read_classifier(options.features, options.features_checkpoint, options.device)
    count = min(options.count, len(data.train.targets))
    held = min(options.count, len(data.validation.targets))
    noise = noise_of(model.config, count, options.seed)
    made = look(generated(model, noise, options.batch), classifier)
    train = look(real_images(data.train, count, options), classifier)
    held_out = look(real_images(data.validation, held, options), classifier)
    sides = {"generated": made, "training": train}
    found = {name: figures(side, held_out) for name, side in sides.items()}
    few = too_few(min(count, held), made.features.size(1))
    if few:
        print(f"warning: {few}", file=sys.stderr)
    return {
        "features": classifier.words if classifier else SHRUNK,
        "images": len(made.features),
        "held_out": len(held_out.features),
        "classes": made.probabilities.size(1),
        **found,
    }


def read_images_of(options: argparse.Namespace, config: Config) -> Images:
    """The images of the run, or of --data, as training splits them."""
    given = options.data
    said = Options(data=str(given)) if given and options.checkpoint.is_file() else None
    said = said or saved_options(options.checkpoint)
    data, _ = read_data(replace(said, data=str(given)) if given else said, config)
    if not given:
        folder = options.checkpoint
        path = folder / "checkpoint.safetensors" if folder.is_dir() else folder
        check_data(read_metadata(path), data.digests(), path, "name the images with --data")
    return data


def show(found: dict[str, Any]) -> None:
    """A table of at most 80 columns."""
    print(textwrap.fill(f"features: {plain(found['features'])}", 80))
    print(f"{found['images']:,} images each, beside {found['held_out']:,} that were held out\n")
    print(f"{'':20}{'generated':>12}{'training':>12}")
    most = f"   of {math.log(found['classes'] or 1):.3f}"
    for name, (words, form) in FIGURES.items():
        if name in found["generated"]:
            numbers = (form.format(found[side][name]) for side in ("generated", "training"))
            end = most if name == "class_entropy" else ""
            print(f"{words:20}{''.join(f'{number:>12}' for number in numbers)}{end}")


def parse_options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog=f"python -m {__package__}.evaluate",
        usage="%(prog)s [options]",
        description="How near the pictures of a trained dcgan come to real ones.",
        formatter_class=HelpFormatter,
    )
    device = "cuda" if torch.cuda.is_available() else "cpu"
    add = parser.add_argument
    add("--checkpoint", type=Path, default="out/dcgan", help="a run's folder or one file")
    add("--data", type=Path, help="real images, if not those of the run")
    add("--features", default="", help="a trained classifier: a package's name or folder")
    add("--features-checkpoint", type=Path, help="its run's folder; by default out/ and its name")
    add("--count", type=int, default=10_000, help="images of each kind, at most")
    add("--seed", type=int, default=0, help="of the noise")
    add("--batch", type=int, default=64, help="images at once")
    add("--json", action="store_true", help="print JSON")
    add("--device", default=device, help="cpu, cuda, ...")
    options = checked(parser.parse_args(arguments), positive=("count", "batch"))
    if options.features_checkpoint and not options.features:
        raise ValueError("--features-checkpoint goes with --features, whose run it is")
    return options


@command
def main(arguments: list[str] | None = None) -> int:
    options = parse_options(arguments)
    found = evaluate(options)
    if options.json:
        print(json.dumps(found, indent=2))
    else:
        show(found)
    return 0


if __name__ == "__main__":
    leave(main())
