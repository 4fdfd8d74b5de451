"""Pairs that networks learn from, strings of programs with their translations and words with their
pronunciations, and how answers are judged."""

from __future__ import annotations

import gzip
import random
import re
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

Pairs = list[tuple[str, str]]

LONGEST = 200  # characters of a side; longer strings are a few help texts
STRINGS_TO_WATCH, STRINGS_HELD_OUT = 500, 1_000
WORDS_TO_WATCH, WORDS_HELD_OUT = 2_000, 12_000
CATALOGUE = 0x950412DE  # how a .mo file begins


@dataclass(frozen=True)
class Split:
    """Pairs to learn from, to watch the learning with, and to be judged by."""

    train: Pairs
    watched: Pairs
    held_out: dict[str, list[str]]  # sources, each with every target that is right

    def write(self, folder: Path) -> None:
        """As files of tab-separated pairs: train.tsv, watched.tsv and held_out.tsv."""
        folder.mkdir(parents=True, exist_ok=True)
        judged = [(source, targets[0]) for source, targets in self.held_out.items()]
        parts = {"train": self.train, "watched": self.watched, "held_out": judged}
        for name, pairs in parts.items():
            lines = "".join(f"{source}\t{target}\n" for source, target in pairs)
            (folder / f"{name}.tsv").write_text(lines, encoding="utf-8")


# ---- strings and their translations ----


def catalogue(path: Path) -> Iterator[tuple[str, str]]:
    """Texts of a .mo file of gettext and their translations, without contexts and plurals."""
    content = path.read_bytes()
    magic, _, count, originals, translations = struct.unpack_from("<5I", content)
    if magic != CATALOGUE:
        raise ValueError(f"{path} is no little-endian catalogue of gettext")
    for index in range(count):
        sides = []
        for table in (originals, translations):
            length, start = struct.unpack_from("<2I", content, table + 8 * index)
            sides.append(content[start : start + length].decode())
        source = sides[0].rpartition("\4")[2]
        if source and "\0" not in source:
            yield source, sides[1]


def cleaned(text: str) -> str:
    """Without what underlines a menu's letter (`_Open`, `~Open`), and with single spaces."""
    return " ".join(re.sub(r"[~_](?=\w)", "", text).split())


def strings(folder: Path, seed: int) -> Split:
    """English and German of the catalogues below a folder; a source is there once."""
    files = sorted(folder.rglob("*.mo"))
    if not files:
        raise ValueError(f"there is no .mo file below {folder}")
    found: dict[str, str] = {}
    for path in files:
        for pair in catalogue(path):
            source, target = map(cleaned, pair)
            if source and target and max(len(source), len(target)) <= LONGEST:
                found.setdefault(source, target)
    pairs = sorted(found.items())
    random.Random(seed).shuffle(pairs)
    held_out, rest = pairs[:STRINGS_HELD_OUT], pairs[STRINGS_HELD_OUT:]
    answers = {source: [target] for source, target in held_out}
    return Split(rest[STRINGS_TO_WATCH:], rest[:STRINGS_TO_WATCH], answers)


# ---- sentences and their translations ----


def sentences(folder: Path, seed: int) -> Split:
    """German and English of Multi30k's task 1 (arXiv:1605.00459), as it is split there."""
    del seed

    def read(part: str) -> Pairs:
        sides = [
            gzip.decompress((folder / f"{part}.{language}.gz").read_bytes()).decode().splitlines()
            for language in ("de", "en")
        ]
        return [(cleaned(source), cleaned(target)) for source, target in zip(*sides, strict=True)]

    held_out: dict[str, list[str]] = {}
    for source, target in read("test_2016_flickr"):
        held_out.setdefault(source, []).append(target)
    return Split(read("train"), read("val"), held_out)


# ---- words and their pronunciations ----


def pronunciations(path: Path, seed: int) -> Split:
    """Words of cmudict.dict and their phonemes, without stress; all of a word's are in one part."""
    found: dict[str, list[str]] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        entry, *phonemes = line.partition("#")[0].split()
        word = re.sub(r"\(\d+\)$", "", entry)
        said = " ".join(phoneme.rstrip("012") for phoneme in phonemes)
        if said not in found.setdefault(word, []):
            found[word].append(said)
    words = sorted(found)
    random.Random(seed).shuffle(words)
    held_out, rest = words[:WORDS_HELD_OUT], words[WORDS_HELD_OUT:]
    return Split(
        [(word, said) for word in rest[WORDS_TO_WATCH:] for said in found[word]],
        [(word, found[word][0]) for word in rest[:WORDS_TO_WATCH]],
        {word: found[word] for word in held_out},
    )


# ---- figures ----


def edits(answer: Sequence[str], target: Sequence[str]) -> int:
    """The fewest insertions, deletions and replacements between the two (Levenshtein, 1966)."""
    row = list(range(len(target) + 1))
    for count, mine in enumerate(answer, 1):
        corner, row[0] = row[0], count
        for place, wanted in enumerate(target, 1):
            least = min(row[place] + 1, row[place - 1] + 1, corner + (mine != wanted))
            corner, row[place] = row[place], least
    return row[-1]


def error_rates(answers: list[str], held_out: dict[str, list[str]]) -> tuple[float, float]:
    """Words that aren't as any of their pronunciations, and wrong phonemes of the nearest; in %."""
    wrong, edited, phonemes = 0, 0, 0
    for answer, targets in zip(answers, held_out.values(), strict=True):
        wrong += answer not in targets
        ways = [target.split() for target in targets]
        errors, length = min((edits(answer.split(), way), len(way)) for way in ways)
        edited, phonemes = edited + errors, phonemes + length
    return 100 * wrong / len(answers), 100 * edited / phonemes


def bleu(answers: list[str], held_out: dict[str, list[str]]) -> float:
    """By sacrebleu: tokenizer 13a, exponential smoothing."""
    try:
        from sacrebleu.metrics.bleu import BLEU
    except ImportError:
        raise ValueError("BLEU needs sacrebleu: pip install sacrebleu") from None
    targets = [[targets[0] for targets in held_out.values()]]
    return float(BLEU().corpus_score(answers, targets).score)
