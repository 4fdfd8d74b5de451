# Made from specs/char_modern.yaml; make it again: tgen build specs/char_modern.yaml
"""Questions with several answers, of which a model chooses the one that it finds the likeliest.

An answer's likelihood is that of its tokens after those of the context, as in EleutherAI's
lm-evaluation-harness.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .data import IGNORE, Tokenizer, between_texts
from .figures import Figure, Figures, mean
from .files import rows_of
from .model import Model

FIELDS = {"context": str, "choices": list, "answer": int}
BATCH = 8  # rows that are read together, if nothing is said
LENGTHS: dict[str, Callable[[str], int]] = {  # by which a log-likelihood is divided
    "accuracy": lambda choice: 1,
    "accuracy by length": len,  # in characters
    "accuracy by bytes": lambda choice: len(choice.encode()),
}


@dataclass(frozen=True)
class Question:
    """A context, what may follow it, and which of that is right."""

    context: str
    choices: tuple[str, ...]
    answer: int


Row = tuple[list[int], int]  # tokens, and how many of them, its last, are a choice


def read_questions(path: Path) -> list[Question]:
    """Those of a .jsonl: objects with a context, a list of choices and the number of the right one.

    The first choice has the number 0.
    """
    if not path.is_file():
        raise ValueError(f"there is no file {path}")
    questions = [question_in(row, where) for where, row in rows_of(path)]
    if not questions:
        raise ValueError(f"{path} has no question")
    return questions


def question_in(row: Any, where: str) -> Question:
    for name, kind in FIELDS.items():
        if not isinstance(row, dict) or type(row.get(name)) is not kind:
            raise ValueError(f"{where} has no `{name}`, which is a {kind.__name__}")
    choices = row["choices"]
    if len(choices) < 2 or not all(isinstance(choice, str) and choice for choice in choices):
        raise ValueError(f"{where} has no two choices that are texts")
    if not 0 <= row["answer"] < len(choices):
        raise ValueError(f"{where}: answer is {row['answer']}, and there are {len(choices)}")
    try:
        "".join([row["context"], *choices]).encode()
    except UnicodeEncodeError:
        raise ValueError(f"{where} has half a character, a lone surrogate") from None
    return Question(row["context"], tuple(choices), row["answer"])


def encode_choice(tokenizer: Tokenizer, context: str, choice: str, start: list[int]) -> Row:
    """What the two are together; tokens after those of the context alone are the choice's.

    Spaces at the end of the context go with the choice, as many tokens begin with one. Where there
    is no context, `start` is in its place.
    """
    kept = context.rstrip()
    choice = context[len(kept) :] + choice
    if kept:
        given = tokenizer.encode(kept, special=True)
        whole = tokenizer.encode(kept + choice, special=True)
    else:
        given, whole = start, start + tokenizer.encode(choice)
    if not given or len(whole) <= len(given):
        what = "nothing before it" if not given else "no tokens of its own after its context"
        raise ValueError(f"the choice {choice!r:.60} has {what}")
    return whole, len(whole) - len(given)


def start_of(tokenizer: Tokenizer) -> list[int]:
    """What a text begins with: what its file adds, else the token that stands between two."""
    return tokenizer.encode("", special=True) or between_texts(tokenizer)


def measure_choices(
    model: Model, tokenizer: Tokenizer, questions: Sequence[Question], options: argparse.Namespace
) -> Figures:
    """How often the right choice is the likeliest, and how often it is for its length."""
    most = model.config.context_length
    context = min(options.context_length or most, most)
    between = " " if options.between is None else options.between
    start = start_of(tokenizer)
    rows = [
        encode_choice(tokenizer, question.context, between + choice, start)
        for question in questions
        for choice in question.choices
    ]
    scores = iter(log_likelihoods(model, rows, context, options.batch or BATCH))
    found = [np.array([next(scores) for _ in question.choices]) for question in questions]
    return {name: accuracy(questions, found, length) for name, length in LENGTHS.items()}


def accuracy(
    questions: Sequence[Question], found: Sequence[np.ndarray], length: Callable[[str], int]
) -> Figure:
    """The share of questions whose right choice has the most of the log-likelihood per length."""
    right = [
        (scores / [length(choice) for choice in question.choices]).argmax() == question.answer
        for question, scores in zip(questions, found, strict=True)
    ]
    return mean(np.array(right, dtype=np.float64), np.ones(len(right)))


@torch.inference_mode()
def log_likelihoods(model: Model, rows: Sequence[Row], context: int, batch: int) -> Iterator[float]:
    """Of each row's choice, in nats; of a longer row its last `context` + 1 tokens count."""
    device = next(iter(model.state_dict().values())).device
    for first in range(0, len(rows), batch):
        mine = rows[first : first + batch]
        read, targets = side_by_side(mine, context)
        losses = model(
            read.to(device),
            targets.to(device),
            reduction="none",
        )
        yield from (-losses.float().sum(1)).tolist()


def side_by_side(rows: Sequence[Row], context: int) -> tuple[Tensor, ...]:
    """What is read (B, T), and as targets what follows each token where a choice is."""
    kept = [(tokens[-context - 1 :], count) for tokens, count in rows]
    longest = max(len(tokens) for tokens, _ in kept) - 1
    read = torch.zeros(len(rows), longest, dtype=torch.int64)
    targets = torch.full_like(read, IGNORE)
    for at, (tokens, count) in enumerate(kept):
        size, whole = len(tokens) - 1, torch.tensor(tokens)
        if count > size:
            raise ValueError(f"a choice has {count} tokens, and a window only {context}")
        read[at, :size] = whole[:-1]
        targets[at, size - count : size] = whole[-count:]
    return read, targets
