"""What is well-formed and still wrong, by the kind of file: other shapes, kinds and numbers."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from tests.plain import EVIL
from tests.training.damage import Change, written

HUGE = 10**12
DIGESTS = ("digest", "digests", "tensors", "log")  # of a checkpoint
PIXELS = np.zeros((12, 8, 8, 3), np.uint8)


def array(values: Any) -> Change:
    def damage(path: Path) -> None:
        with path.open("wb") as file:  # which keeps its name, whatever that ends in
            np.save(file, values, allow_pickle=True)

    return damage


def arrays(**values: Any) -> Change:
    return lambda path: np.savez(path, **values)


def archive(path: Path) -> None:
    with path.open("wb") as file:
        np.savez(file, x=np.arange(600))


def claimed(shape: str) -> Change:
    """A header that promises more than there is."""
    return lambda path: path.write_bytes(
        b"\x93NUMPY\x01\x00v\x00"
        + f"{{'descr': '<u2', 'fortran_order': False, 'shape': {shape}, }}".ljust(117).encode()
        + b"\n"
    )


def table(cell: str) -> Change:
    lines = "".join(f"{n},{n * n},{3 * n}\n" for n in range(20))
    return lambda path: path.write_text(f"x,z,y\n{lines}1,{cell},2\n")


def line(text: str) -> Change:
    """One line more, that is no row."""
    return lambda path: path.write_text(f"{path.read_text()}\n{text}\n")


def said(change: Callable[[Any], object]) -> Change:
    """A JSON file with something else in it."""

    def damage(path: Path) -> None:
        facts = json.loads(path.read_text())
        change(facts)
        path.write_text(json.dumps(facts))

    return damage


def checkpoint(
    change: Callable[[dict[str, torch.Tensor], dict[str, Any]], object],
) -> Change:
    """A checkpoint with other tensors or metadata, and no digests that would tell so at once."""

    def damage(path: Path) -> None:
        tensors = load_file(path)
        with safe_open(path, framework="pt") as file:
            texts = file.metadata()
        metadata = {key: json.loads(texts[key]) for key in texts if key not in DIGESTS}
        change(tensors, metadata)
        save_file(tensors, path, {key: json.dumps(value) for key, value in metadata.items()})

    return damage


def configured(**values: Any) -> Change:
    return checkpoint(lambda _, metadata: metadata["config"].update(values))


NORM = "model.norm.weight"
OF_CHECKPOINTS: dict[str, Change] = {
    "a config that is a list": checkpoint(lambda _, said: said.update(config=[1])),
    "a config that is a text": checkpoint(lambda _, said: said.update(config="x")),
    "no config": checkpoint(lambda _, said: said.pop("config")),
    "half a config": checkpoint(lambda _, said: said["config"].pop("heads")),
    "a strange field": configured(**{EVIL: 1}),
    "a text for a number": configured(layers=EVIL),
    "a fraction for a count": configured(layers=1.5),
    "a list for a number": configured(d_model=[1]),
    "nothing for a number": configured(d_model=None),
    "no finite number": configured(init_std=float("nan")),
    "layers without end": configured(layers=HUGE),
    "a width without end": configured(d_model=HUGE),
    "a vocabulary without end": configured(vocab_size=HUGE),
    "below zero": configured(d_model=-32),
    "zero": configured(heads=0),
    "integers for weights": checkpoint(lambda them, _: them.update({NORM: them[NORM].int()})),
    "float8 for weights": checkpoint(
        lambda them, _: them.update({NORM: them[NORM].to(torch.float8_e4m3fn)})
    ),
    "another shape": checkpoint(lambda them, _: them.update({NORM: torch.ones(3)})),
    "a missing tensor": checkpoint(lambda them, _: them.pop(NORM)),
    "a strange tensor": checkpoint(lambda them, _: them.update({f"model.{EVIL}": torch.ones(3)})),
}
MOMENT = "optimizer.norm.weight.exp_avg"
SPECIAL: dict[str, dict[str, Change]] = {
    "npy": {
        "objects": array(np.array([None, 1], dtype=object)),
        "a table": array(np.zeros((300, 2), np.uint16)),
        "a number": array(np.uint16(3)),
        "fractions": array(np.zeros(600)),
        "no finite numbers": array(np.full(600, np.nan)),
        "below zero": array(np.full(600, -1)),
        "above the vocabulary": array(np.full(600, 2**40)),
        "records": array(np.zeros(600, [("a", "<u2")])),
        "texts": array(np.full(600, "a")),
        "a row without end": claimed("(1000000000000000,)"),
        "a size below zero": claimed("(-5,)"),
        "code for a shape": claimed("(__import__('os'),)"),
        "an archive": archive,
    },
    "npz": {
        "objects": arrays(images=np.array([None] * 12, dtype=object), labels=np.arange(12)),
        "no labels": arrays(images=PIXELS),
        "no images": arrays(images=PIXELS[:0], labels=np.arange(0)),
        "no pixels": arrays(images=PIXELS[:, :0], labels=np.arange(12) % 3),
        "fractions for pixels": arrays(images=PIXELS / 2, labels=np.arange(12) % 3),
        "other channels": arrays(images=PIXELS[..., :2], labels=np.arange(12) % 3),
        "fractions for labels": arrays(images=PIXELS, labels=np.arange(12) / 3),
        "labels below zero": arrays(images=PIXELS, labels=np.arange(12) - 1),
        "labels without end": arrays(images=PIXELS, labels=np.arange(12) + HUGE),
        "too few labels": arrays(images=PIXELS, labels=np.arange(11) % 3),
        "a table of labels": arrays(images=PIXELS, labels=np.zeros((12, 1), int)),
        "one array": array(PIXELS),
    },
    "csv": {
        "no finite number": table("nan"),
        "more than any number": table("inf"),
        "more than float32 holds": table("1e300"),
        "a text": table(EVIL.split("\r")[0]),
        "an empty cell": table(""),
        "a cell without end": table("9" * 200_000),
        "one cell more": table("1,2"),
        "no such column": written(b"x,y\n1,2\n" * 9),
        "a column twice": written(b"x,z,y,y\n1,2,3,4\n" * 9),
        "names alone": written(b"x,z,y\n"),
    },
    "classes as JSONL": {
        "a list": line("[1]"),
        "a number": line("7"),
        "nothing": line("null"),
        "another field": line('{"text": "a", "class": "b"}'),
        "a number for a text": line('{"text": 1, "label": "0"}'),
        "a list for a class": line('{"text": "a", "label": ["0"]}'),
        "half a character": line(r'{"text": "\ud800", "label": "0"}'),
        "half a class": line(r'{"text": "a", "label": "\udfff"}'),
        "no text": line('{"text": "", "label": "0"}'),
        "half an object": line('{"text": "a"'),
        "without end": line("[" * 100_000),
    },
    "twins as JSONL": {
        "one text": line('{"anchor": "a"}'),
        "an empty text": line('{"anchor": "a", "positive": ""}'),
        "half a character": line(r'{"anchor": "a", "positive": "\udc00"}'),
    },
    "classes as TSV": {"three columns": line("a\tb\tc"), "one column": line(EVIL.split("\r")[0])},
    "pairs": {"three columns": line("a\tb\tc"), "one column": line("a"), "no target": line("a\t")},
    "vocabulary of a run": {
        "no characters": said(lambda facts: facts.pop("characters")),
        "a list": said(lambda facts: facts.update(characters=["a"])),
        "a character twice": said(lambda facts: facts.update(characters="aa")),
        "half a character": said(lambda facts: facts.update(characters="gren\ud800")),
        "one kind more": said(lambda facts: facts.update(kind=EVIL)),
    },
    "names of classes": {
        "too few": written(b'["a"]'),
        "too many": written(b'["a", "b", "c"]'),
        "a mapping": written(b"{}"),
    },
    "scale of columns": {
        "one number": said(lambda facts: facts.update(mean=1.0)),
        "too few": said(lambda facts: facts["mean"].pop()),
        "texts": said(lambda facts: facts.update(mean=["1", "2", "3"])),
        "no finite number": said(lambda facts: facts.update(mean=[float("nan")] * 3)),
        "no deviation": said(lambda facts: facts.update(deviation=[0.0] * 3)),
    },
    "generation config": {
        "a text for a number": written(json.dumps({"repetition_penalty": EVIL}).encode()),
        "no token": written(b'{"eos_token_id": 1.5}'),
        "no finite number": written(b'{"do_sample": true, "temperature": NaN}'),
    },
    "one file to sample from": OF_CHECKPOINTS,
    "checkpoint to go on from": {
        **OF_CHECKPOINTS,
        "no step": checkpoint(lambda _, said: said.pop("step")),
        "a text for a step": checkpoint(lambda _, said: said.update(step="1")),
        "no best loss": checkpoint(lambda _, said: said.update(best=None)),
        "no options": checkpoint(lambda _, said: said.pop("options")),
        "options that are a list": checkpoint(lambda _, said: said.update(options=[1])),
        "a strange option": checkpoint(lambda _, said: said["options"].update({EVIL: 1})),
        "a text for an option": checkpoint(lambda _, said: said["options"].update(batch="x")),
        "a fraction for an option": checkpoint(lambda _, said: said["options"].update(batch=2.5)),
        "a strange moment": checkpoint(
            lambda them, _: them.update({f"optimizer.{EVIL}.exp_avg": torch.ones(3)})
        ),
        "a moment of another shape": checkpoint(
            lambda them, _: them.update({MOMENT: torch.ones(3)})
        ),
    },
    "log to go on with": {
        "no step": written(b'{"loss": 1}\n'),
        "a list": written(b"[1]\n"),
        "a text": written(b'{"step": "1"}\n'),
    },
}
