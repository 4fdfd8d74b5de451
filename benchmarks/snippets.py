"""Opinions of movies, told by encoders that start from weights, from nothing, and by words alone.

    python -m benchmarks.snippets --archive hutto_ICWSM_2014.tar.gz --write

The archive lies in additional_resources/ of the source distribution of PyPI's vaderSentiment 3.3.2
(Hutto and Gilbert, ICWSM 2014): 23,700 snippets of movies, products, tweets and editorials, each
with the mean of its ratings from -4 to 4. Of the movies' snippets the sign of the rating is to be
told; 2,000 are held out, of each seed others. An encoder is trained as masked-lm on all snippets
but these, for --reading steps; then as a classifier of the movies' snippets for --telling steps,
starting from those weights, and once more from nothing, each at the rate that is best for it of
those that were tried. Beside them: logistic regression over TF-IDF of words and pairs of words
(scikit-learn). CPU time is of one thread, the training of what a run starts from included.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import math
import random
import statistics
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks.tables import machine, markdown_table, replace_section
from tests.packages import import_package

MOVIES = "movieReviewSnippets"
OTHERS = ("amazonReviewSnippets", "nytEditorialSnippets", "tweets")
HELD_OUT = 2_000
TOKENS, CONTEXT = 4_000, 64
ENCODER: dict[str, Any] = {
    "vocab_size": TOKENS,
    "context_length": CONTEXT,
    "d_model": 128,
    "layers": 4,
    "norm": {"kind": "layer"},
    "attention": {"heads": 4, "bias": True},
    "mlp": {"kind": "plain", "activation": "gelu", "bias": True},
    "dropout": 0.1,
}
RATE: dict[str, Any] = {
    "optimizer": {"lr": 1e-3, "weight_decay": 0.05},
    "schedule": {"kind": "linear"},
}
READER: dict[str, Any] = {
    "name": "reader",
    "task": "masked-lm",
    "model": {**ENCODER, "embedding": {"tied": True}},
    "train": {**RATE, "batch": 32},
}
JUDGE: dict[str, Any] = {
    "name": "judge",
    "task": "sequence-classification",
    "model": {**ENCODER, "classes": 2, "pooling": "mean"},
    "data": {"tokenizer": "file"},
    "train": {**RATE, "batch": 32},
}

STARTS = {"from nothing": ["--lr", "1e-3"], "from weights": ["--lr", "3e-4"]}

Rated = tuple[float, str]
Told = tuple[float, float]  # an accuracy, and CPU seconds


def snippets(archive: Path, name: str) -> list[Rated]:
    """Mean ratings and texts of one of the archive's collections."""
    with tarfile.open(archive) as files:
        member = files.extractfile(f"hutto_ICWSM_2014/{name}_GroundTruth.txt")
        assert member is not None, name
        text = member.read().decode("utf-8", errors="replace")
    rows = (line.split("\t") for line in text.splitlines() if line.strip())
    return [(float(rating), " ".join(words.split())) for _, rating, words in rows]


def labelled(rows: Sequence[Rated]) -> list[tuple[str, str]]:
    return [(text, "good" if rating > 0 else "bad") for rating, text in rows if rating]


def train_tokenizer(texts: Sequence[str], path: Path) -> None:
    """BPE of bytes, with a token that hides others."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel()
    made.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=TOKENS,
        special_tokens=["[MASK]", "<|endoftext|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    made.train_from_iterator(texts, trainer)
    made.save(str(path))


def seconds_of(main: Callable[[list[str]], int], arguments: list[str]) -> float:
    """CPU seconds of a command that prints nothing here."""
    began = time.process_time()
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        if main(arguments) != 0:
            sys.exit(f"{' '.join(arguments)}: {printed.getvalue()[-500:]}")
    return time.process_time() - began


def by_words(told: list[tuple[str, str]], asked: list[tuple[str, str]]) -> float:
    """The accuracy of logistic regression over TF-IDF."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    judge = make_pipeline(words, LogisticRegression(C=10, max_iter=1_000))
    judge.fit(*map(list, zip(*told, strict=True)))
    return float(judge.score(*map(list, zip(*asked, strict=True))))


def compared(given: argparse.Namespace, seed: int, folder: Path) -> Iterator[tuple[str, Told]]:
    """The accuracy of each way, with the CPU seconds that it took."""
    movies = snippets(given.archive, MOVIES)
    random.Random(seed).shuffle(movies)
    told, asked = labelled(movies[HELD_OUT:]), labelled(movies[:HELD_OUT])
    others = [text for name in OTHERS for _, text in snippets(given.archive, name)]
    texts = [text for _, text in movies[HELD_OUT:]] + others
    for name, rows in (("told", told), ("asked", asked)):
        lines = "".join(f"{text}\t{label}\n" for text, label in rows)
        (folder / f"{name}.tsv").write_text(f"text\tlabel\n{lines}", encoding="utf-8")
    random.Random(seed).shuffle(texts)
    corpus, tokenizer = folder / "texts.txt", folder / "tokenizer.json"
    corpus.write_text("\n".join(texts), encoding="utf-8")
    train_tokenizer(texts, tokenizer)

    began = time.process_time()
    accuracy = by_words(told, asked)
    yield "TF-IDF, logistic regression", (accuracy, time.process_time() - began)
    (read,) = import_package(folder, READER, "train")
    judge, evaluate = import_package(folder, JUDGE, "train", "evaluate")
    usual = ["--device", "cpu", "--seed", str(seed), "--tokenizer", str(tokenizer)]
    usual += ["--log-every", "1000"]
    reader = ["--data", str(corpus), "--out", str(folder / "reader"), *usual, "--lr", "2e-3"]
    reader += ["--steps", str(given.reading), "--validation", "0.02"]
    reading = seconds_of(read.main, [*reader, "--eval-every", str(given.reading // 8)])
    for how, start in STARTS.items():
        out = folder / how.replace(" ", "_")
        source = ["--from", str(folder / "reader")] if how == "from weights" else []
        telling = ["--data", str(folder / "told.tsv"), "--out", str(out), *usual, *source, *start]
        telling += ["--steps", str(given.telling), "--eval-every", str(given.telling // 8)]
        seconds = seconds_of(judge.main, telling) + (reading if source else 0)
        found = folder / "found.json"
        asking = ["--checkpoint", str(out), "--data", str(folder / "asked.tsv"), "--device", "cpu"]
        seconds_of(evaluate.main, [*asking, "--json", str(found)])
        yield f"encoder, {how}", (accuracy_in(found), seconds)


def accuracy_in(path: Path) -> float:
    (model,) = json.loads(path.read_text(encoding="utf-8"))
    return float(model["figures"]["accuracy"]["value"])


def table_of(found: dict[str, list[Told]], seeds: Sequence[int]) -> str:
    """A line for each way: of each seed, and of all."""
    header = ["accuracy, %", *(f"seed {seed}" for seed in seeds), "mean", "CPU min a seed"]
    rows = []
    for how, told in found.items():
        each = [100 * accuracy for accuracy, _ in told]
        minutes = statistics.mean(seconds for _, seconds in told) / 60
        cells = [*(f"{one:.2f}" for one in each), f"{statistics.mean(each):.2f}"]
        rows.append([how, *cells, f"{minutes:.1f}"])
    return markdown_table(header, rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--archive", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--reading", type=int, default=2_400, help="steps as masked-lm")
    parser.add_argument("--telling", type=int, default=800, help="steps as a classifier")
    parser.add_argument("--write", action="store_true", help="the table of benchmarks/README.md")
    given = parser.parse_args()
    torch.set_num_threads(1)
    found: dict[str, list[Told]] = {}
    for seed in given.seeds:
        with tempfile.TemporaryDirectory() as folder:
            for how, told in compared(given, seed, Path(folder)):
                found.setdefault(how, []).append(told)
                print(f"seed {seed}: {how}: {told[0]:.4f}, {told[1]:.0f} CPU s", flush=True)
    table = table_of(found, given.seeds)
    print(table)
    if given.write:
        error = 100 * math.sqrt(0.78 * 0.22 / HELD_OUT)
        text = f"Standard error of each figure {error:.1f} points; {machine()}.\n\n{table}"
        replace_section("snippets", text)


if __name__ == "__main__":
    main()
