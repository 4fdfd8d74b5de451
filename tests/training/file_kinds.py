"""The kinds of files that packages read: who reads each, by which command, and a good one."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tokenizers
from PIL import Image

from tests.training.conftest import MODEL, TEXT
from tests.training.two_players import players

IMAGES = {"image": 8, "classes": 3, "layers": ["flatten", {"linear": "classes"}]}
SPECS: dict[str, dict[str, Any]] = {
    "causal": {"model": MODEL, "data": {"tokenizer": "char"}},
    "imported": {
        "model": MODEL,
        "data": {"tokenizer": "char"},
        "checkpoint": {"huggingface": "llama"},
    },
    "pairs": {"task": "seq2seq-lm", "model": {**MODEL, "encoder": {"layers": 1}}},
    "worded": {
        "task": "seq2seq-lm",
        "model": {**MODEL, "encoder": {"layers": 1}},
        "data": {"tokenizer": "word"},
    },
    "classes": {"task": "sequence-classification", "model": {**MODEL, "classes": 2}},
    "blanks": {"task": "masked-lm", "model": MODEL, "data": {"tokenizer": "char"}},
    "tags": {"task": "tagging", "model": {**MODEL, "classes": 2}},
    "twins": {"task": "embedding", "model": MODEL},
    "table": {
        "family": "network",
        "task": "regression",
        "model": {"layers": ["linear"]},
        "data": {"inputs": ["x", "z"], "target": "y"},
    },
    "pictures": {"family": "network", "task": "image-classification", "model": IMAGES},
    "digits": {
        "family": "network",
        "task": "image-classification",
        "model": {**IMAGES, "image": {"size": 8, "channels": 1}},
    },
    "photographs": {
        "family": "network",
        "task": "super-resolution",
        "model": {"image": 4, "layers": [{"conv": 12}, {"pixel_shuffle": "upscale"}]},
    },
    "segmented": {
        "family": "network",
        "task": "image-segmentation",
        "model": {**IMAGES, "layers": [{"conv": "classes"}]},
    },
    "players": players("players", model={"classes": 3}),
    "sorted": {
        "family": "network",
        "task": "classification",
        "model": {"layers": ["linear"]},
        "data": {"inputs": ["x", "z"], "target": "y"},
    },
}
RUN = ["--batch", "2", "--steps", "1", "--log-every", "1", "--warmup", "0"]
CONTEXT = ["--context-length", "16"]


# ---- files as they should be ----


def npy(path: Path, count: int = 600) -> None:
    np.save(path, (np.arange(count) % 290).astype(np.uint16))


def npz(path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (12, 8, 8, 3), dtype=np.uint8)
    np.savez_compressed(path, images=images, labels=np.arange(12) % 3)


def idx(path: Path) -> None:
    path.write_bytes(bytes([0, 0, 8, 3, 0, 0, 0, 12, 0, 0, 0, 8, 0, 0, 0, 8]) + bytes(12 * 64))
    labels = path.with_name(path.name.replace("images-idx3", "labels-idx1"))
    labels.write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 12]) + bytes(range(3)) * 4)


def png(path: Path) -> None:
    for name in ("a", "b", "c"):
        folder = path.parent.parent / name
        folder.mkdir(parents=True, exist_ok=True)
        for index in [1] if name == "b" else range(3):  # b has no picture but the one
            Image.new("RGB", (9, 8), (index * 40, 9, 9)).save(folder / f"{index}.png")


def grey(path: Path) -> None:
    """As png, in folders of classes that each have several."""
    for name in ("a", "b", "c"):
        folder = path.parent.parent / name
        folder.mkdir(parents=True, exist_ok=True)
        for index in range(3):
            Image.new("L", (8, 8), index * 40).save(folder / f"{index}.png")


def photograph(path: Path) -> None:
    folder = path.parent.parent / "train"
    for index, file in enumerate((path, folder / "2.png", folder / "3.png")):  # one is held out
        file.parent.mkdir(parents=True, exist_ok=True)
        random = np.random.default_rng(index)
        Image.fromarray(random.integers(0, 256, (17, 18, 3), dtype=np.uint8)).save(file)


def masked(path: Path) -> None:
    """The only mask for training, its image, and a pair for validation."""
    for part in ("train", "val"):
        for name in ("images", "masks"):
            (path.parents[2] / part / name).mkdir(parents=True, exist_ok=True)
        file = path.parents[2] / part / "images/1.png"
        Image.new("RGB", (9, 8), (40, 9, 9)).save(file)
        classes = (np.arange(72) % 3).astype(np.uint8).reshape(8, 9)
        Image.fromarray(classes).save(path.parents[2] / part / "masks/1.png")


def masks(path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (12, 8, 8, 3), dtype=np.uint8)
    np.savez_compressed(path, images=images, masks=(images[..., 0] // 86))


def tokenizer(path: Path) -> None:
    made = tokenizers.Tokenizer(tokenizers.models.BPE(unk_token="[?]"))
    made.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    trainer = tokenizers.trainers.BpeTrainer(vocab_size=90, special_tokens=["[?]"])
    made.train_from_iterator([TEXT], trainer)
    made.save(str(path))


def table(path: Path) -> None:
    path.write_text("x,z,y\n" + "".join(f"{n},{n * n},{3 * n}\n" for n in range(20)))


def classed(path: Path) -> None:
    path.write_text("x,z,y\n" + "".join(f"{n},{n * n},{n % 3}\n" for n in range(20)))


def rows(path: Path) -> None:
    lines = (f"{n} green bottles\t{n % 2}\n" for n in range(20))
    path.write_text("".join(lines))


def tagged(path: Path) -> None:
    path.write_text("".join(f"{n} B-N\ngreen O\nbottles O\n\n" for n in range(20)))


def packed(path: Path) -> None:
    lines = "".join(f"{n} green bottles\t{n % 2}\n" for n in range(20))
    path.write_bytes(gzip.compress(lines.encode()))


def parallel(path: Path) -> None:
    for file in (path, path.with_name("x.txt")):
        file.write_text("".join(f"{n} green bottles\n" for n in range(20)))


def objects(first: str, second: str) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        lines = (json.dumps({first: f"{n} bottles", second: str(n % 2)}) for n in range(20))
        path.write_text("\n".join(lines))

    return write


@dataclass(frozen=True)
class Kind:
    """A kind of file: who reads it, how, and how it is written or left by a run."""

    package: str
    module: str
    file: str
    arguments: list[str]
    write: Callable[[Path], object] | None = None  # else a run has left it
    needs: list[str] | None = None  # the arguments of that run


TRAIN = ["--out", "out", *RUN]
TRAINED = ["--data", "good", *TRAIN]
PLAYED = ["--data", "good", "--out", "out", "--batch", "4", "--steps", "1", "--samples", "8"]
GOOD: dict[str, Callable[[Path], object]] = {
    "causal": lambda path: path.write_text(TEXT),
    "imported": lambda path: path.write_text(TEXT),
    "blanks": lambda path: path.write_text(TEXT),
    "classes": rows,
    "tags": tagged,
    "worded": rows,
    "twins": rows,
    "table": table,
    "sorted": classed,
    "pictures": lambda path: png(path / "b/1.png"),
    "segmented": lambda path: masked(path / "train/masks/1.png"),
    "players": lambda path: grey(path / "b/1.png"),
}
KINDS: dict[str, Kind] = {
    "text": Kind("causal", "train", "x.txt", [*TRAIN, *CONTEXT, "--data", "x.txt"], GOOD["causal"]),
    "bin": Kind(
        "causal",
        "train",
        "x.bin",
        [*TRAIN, *CONTEXT, "--data", "x.bin"],
        lambda path: (np.arange(600) % 290).astype(np.uint16).tofile(path),
    ),
    "npy": Kind("causal", "train", "x.npy", [*TRAIN, *CONTEXT, "--data", "x.npy"], npy),
    "split": Kind("causal", "train", "d/val.npy", [*TRAIN, *CONTEXT, "--data", "d"], npy),
    "tokenizer": Kind(
        "causal",
        "train",
        "t.json",
        [*TRAIN, *CONTEXT, "--data", "good", "--tokenizer", "t.json"],
        tokenizer,
    ),
    "pairs": Kind(
        "pairs",
        "train",
        "x.tsv",
        [*TRAIN, *CONTEXT, "--data", "x.tsv", "--tokenizer", "byte"],
        rows,
    ),
    "pairs as JSONL": Kind(
        "pairs",
        "train",
        "x.jsonl",
        [*TRAIN, *CONTEXT, "--data", "x.jsonl", "--tokenizer", "byte"],
        objects("source", "target"),
    ),
    "targets of pairs": Kind(
        "pairs",
        "train",
        "y.txt",
        [*TRAIN, *CONTEXT, "--source", "x.txt", "--target", "y.txt", "--tokenizer", "byte"],
        parallel,
    ),
    "pairs that gzip has compressed": Kind(
        "pairs",
        "train",
        "x.tsv.gz",
        [*TRAIN, *CONTEXT, "--data", "x.tsv.gz", "--tokenizer", "byte"],
        packed,
    ),
    "sentences": Kind("tags", "train", "x.tsv", [*TRAIN, *CONTEXT, "--data", "x.tsv"], tagged),
    "labels of a run": Kind(
        "tags",
        "predict",
        "out/classes.json",
        ["--checkpoint", "out", "--sentence", "9 green bottles"],
        needs=[*TRAINED, *CONTEXT],
    ),
    "words of sentences": Kind(
        "tags",
        "predict",
        "out/tokenizer.json",
        ["--checkpoint", "out", "--sentence", "9 green bottles"],
        needs=[*TRAINED, *CONTEXT],
    ),
    "text to measure": Kind(
        "causal",
        "evaluate",
        "x.txt",
        ["--checkpoint", "out", "--data", "x.txt"],
        GOOD["causal"],
        [*TRAINED, *CONTEXT],
    ),
    "run to measure": Kind(
        "causal",
        "evaluate",
        "out/checkpoint.safetensors",
        ["--checkpoint", "out"],
        needs=[*TRAINED, *CONTEXT],
    ),
    "classes as TSV": Kind(
        "classes",
        "train",
        "x.tsv",
        [*TRAIN, *CONTEXT, "--data", "x.tsv", "--tokenizer", "byte"],
        rows,
    ),
    "classes as JSONL": Kind(
        "classes",
        "train",
        "x.jsonl",
        [*TRAIN, *CONTEXT, "--data", "x.jsonl", "--tokenizer", "byte"],
        objects("text", "label"),
    ),
    "twins as JSONL": Kind(
        "twins",
        "train",
        "x.jsonl",
        [*TRAIN, *CONTEXT, "--data", "x.jsonl", "--tokenizer", "byte"],
        objects("anchor", "positive"),
    ),
    "csv": Kind("table", "train", "x.csv", [*TRAIN, "--data", "x.csv"], table),
    "npz": Kind("pictures", "train", "x.npz", [*TRAIN, "--data", "x.npz"], npz),
    "png": Kind("pictures", "train", "p/b/1.png", [*TRAIN, "--data", "p"], png),
    "photograph": Kind("photographs", "train", "f/val/1.png", [*TRAIN, "--data", "f"], photograph),
    "mask": Kind("segmented", "train", "s/train/masks/1.png", [*TRAIN, "--data", "s"], masked),
    "npz of masks": Kind("segmented", "train", "x.npz", [*TRAIN, "--data", "x.npz"], masks),
    "facts of masks": Kind(
        "segmented", "predict", "out/images.json", ["--checkpoint", "out", "good"], needs=TRAINED
    ),
    "idx": Kind(
        "digits",
        "train",
        "e/train-images-idx3-ubyte",
        [*TRAIN, "--data", "e/train-images-idx3-ubyte"],
        idx,
    ),
    "csv of classes": Kind("sorted", "train", "x.csv", [*TRAIN, "--data", "x.csv"], classed),
    "facts of pictures": Kind(
        "pictures", "predict", "out/images.json", ["--checkpoint", "out", "good"], needs=TRAINED
    ),
    "facts of classed rows": Kind(
        "sorted",
        "predict",
        "out/columns.json",
        ["--checkpoint", "out", "--x", "1", "--z", "2"],
        needs=TRAINED,
    ),
    "checkpoint to sample from": Kind(
        "causal",
        "sample",
        "out/best.safetensors",
        ["--checkpoint", "out", "--prompt", "green", "--tokens", "3"],
        needs=[*TRAINED, *CONTEXT],
    ),
    "one file to sample from": Kind(
        "causal",
        "sample",
        "out/checkpoint.safetensors",
        ["--checkpoint", "out/checkpoint.safetensors", "--prompt", "green", "--tokens", "3"],
        needs=[*TRAINED, *CONTEXT],
    ),
    "vocabulary of a run": Kind(
        "causal",
        "sample",
        "out/tokenizer.json",
        ["--checkpoint", "out", "--prompt", "green", "--tokens", "3"],
        needs=[*TRAINED, *CONTEXT],
    ),
    "words of a run": Kind(
        "worded",
        "sample",
        "out/tokenizer.json",
        ["--checkpoint", "out", "--source", "green", "--tokens", "3"],
        needs=[*TRAINED, *CONTEXT],
    ),
    "generation config": Kind(
        "imported",
        "sample",
        "out/generation_config.json",
        ["--checkpoint", "out", "--prompt", "green", "--tokens", "3"],
        lambda path: path.write_text('{"eos_token_id": [1, 2], "do_sample": true, "top_k": 5}'),
        [*TRAINED, *CONTEXT],
    ),
    "checkpoint to go on from": Kind(
        "causal",
        "train",
        "out/checkpoint.safetensors",
        ["--out", "out", "--resume", "--steps", "2"],
        needs=[*TRAINED, *CONTEXT],
    ),
    "log to go on with": Kind(
        "causal",
        "train",
        "out/log.jsonl",
        ["--out", "out", "--resume", "--steps", "2"],
        needs=[*TRAINED, *CONTEXT],
    ),
    "names of classes": Kind(
        "classes",
        "predict",
        "out/classes.json",
        ["--checkpoint", "out", "--text", "green"],
        needs=[*TRAINED, *CONTEXT, "--tokenizer", "byte"],
    ),
    "scale of columns": Kind(
        "table",
        "predict",
        "out/columns.json",
        ["--checkpoint", "out", "--x", "1", "--z", "2"],
        needs=TRAINED,
    ),
    "facts of made images": Kind(
        "players", "sample", "out/images.json", ["--checkpoint", "out"], needs=PLAYED
    ),
    "generator to sample from": Kind(
        "players", "sample", "out/best.safetensors", ["--checkpoint", "out"], needs=PLAYED
    ),
    "run to compare with real images": Kind(
        "players",
        "evaluate",
        "out/checkpoint.safetensors",
        ["--checkpoint", "out", "--count", "4"],
        needs=PLAYED,
    ),
}
