# Made from specs/translation_transformer.yaml; make it again with tgen build
"""How near answers come to what was wanted: BLEU, chrF, rates of errors."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence

import numpy as np

ENTITIES = {"&quot;": '"', "&amp;": "&", "&lt;": "<", "&gt;": ">"}
SPLITS = (  # in this order, as mteval-v13a.pl has them
    (re.compile(r"([!-&(-+/:-@[-`{-~])"), r" \1 "),  # ASCII's marks but for ' , - .
    (re.compile(r"([^0-9])([.,])"), r"\1 \2 "),  # which part where no digit stands before
    (re.compile(r"([.,])([^0-9])"), r" \1 \2"),  # or behind
    (re.compile(r"([0-9])(-)"), r"\1 \2 "),
)


def words_13a(text: str) -> list[str]:
    """Words and marks, as WMT's evaluation parts them: sacrebleu's tokenizer 13a."""
    text = text.rstrip().replace("<skipped>", "").replace("-\n", "").replace("\n", " ")
    for entity, mark in ENTITIES.items():
        text = text.replace(entity, mark)
    text = f" {text} "
    for pattern, parted in SPLITS:
        text = pattern.sub(parted, text)
    return text.split()


def grams(tokens: Sequence[str], size: int) -> Counter[tuple[str, ...]]:
    """How often each run of so many tokens is there."""
    return Counter(zip(*(tokens[start:] for start in range(size)), strict=False))


def bleu(answers: list[str], targets: list[str]) -> float:
    """Corpus BLEU (Papineni et al., 2002) in percent, of 1- to 4-grams of words and marks.

    Of sizes that have nothing right the first counts 1/2, the next 1/4, ... as sacrebleu's `exp`.
    """
    right, made, lengths = [0] * 4, [0] * 4, [0, 0]
    for sides in zip(answers, targets, strict=True):
        answer, target = map(words_13a, sides)
        lengths = [lengths[0] + len(answer), lengths[1] + len(target)]
        for size in range(4):
            ours = grams(answer, size + 1)
            right[size] += (ours & grams(target, size + 1)).total()
            made[size] += ours.total()
    if not any(right) or not all(made):
        return 0.0
    smoothed, precisions = 1.0, []
    for some, all_ in zip(right, made, strict=True):
        smoothed /= 1 if some else 2
        precisions.append((some or smoothed) / all_)
    brevity = min(0.0, 1 - lengths[1] / lengths[0])
    return 100 * math.exp(brevity + sum(map(math.log, precisions)) / 4)


def chrf(answers: list[str], targets: list[str]) -> float:
    """chrF2 (Popovic, 2015) in percent: of 1- to 6-grams of characters, recall counting twice.

    Spaces don't count, and sizes that either side has none of.
    """
    right, made, wanted = [0] * 6, [0] * 6, [0] * 6
    for sides in zip(answers, targets, strict=True):
        answer, target = ("".join(side.split()) for side in sides)
        for size in range(6):
            ours, theirs = grams(answer, size + 1), grams(target, size + 1)
            right[size] += (ours & theirs).total()
            made[size] += ours.total() if theirs else 0
            wanted[size] += theirs.total()
    counted = [row for row in zip(right, made, wanted, strict=True) if all(row[1:])]
    precision = sum(some / of for some, of, _ in counted)
    recall = sum(some / of for some, _, of in counted)
    if not precision + recall:
        return 0.0
    return 100 * 5 * precision * recall / (4 * precision + recall) / len(counted)


def edits(answer: Sequence[str], target: Sequence[str]) -> int:
    """The fewest insertions, deletions and replacements between the two (Levenshtein, 1966)."""
    numbers = {symbol: number for number, symbol in enumerate({*answer, *target})}
    wanted = np.array([numbers[symbol] for symbol in target], dtype=np.int64)
    places = np.arange(len(target) + 1)
    row = places  # from nothing of the answer to each beginning of the target
    for symbol in answer:
        kept = row[:-1] + (wanted != numbers[symbol])
        row = np.concatenate((row[:1] + 1, np.minimum(kept, row[1:] + 1)))
        row = np.minimum.accumulate(row - places) + places  # and what is inserted
    return int(row[-1])


def error_rate(answers: Sequence[Sequence[str]], targets: Sequence[Sequence[str]]) -> float:
    """Edits per symbol of the targets, in percent; more than 100 where answers are far longer."""
    wrong = sum(edits(*sides) for sides in zip(answers, targets, strict=True))
    return 100 * wrong / sum(map(len, targets))
