# Made from specs/mixtral.yaml; make it again: tgen build specs/mixtral.yaml
"""A smaller model guesses ahead; this one reads all guesses at once and keeps the right ones.

Speculative decoding (arXiv:2211.17192, section 2.3) of the likeliest tokens: the text is the one
that comes without guesses.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from .generate import Choice, Picker, Session
from .model import Model

AHEAD = 4  # tokens that are guessed before the model reads them


@dataclass
class Guesses:
    """How many tokens were guessed, and how many of them were right."""

    made: int = 0
    right: int = 0

    def __str__(self) -> str:
        share = f" ({self.right / self.made:.0%})" if self.made else ""
        return f"draft: {self.right} of {self.made} guesses were right{share}"


def load_draft(package: str, checkpoint: Path | None, device: str) -> Any:
    """The model of another package: generated.small, or its name beside this one."""
    name = package_called(package)
    try:
        module = importlib.import_module(f"{name}.sample")
    except ImportError as error:
        raise ValueError(f"--draft {package} is no package that samples: {error}") from None
    folder = checkpoint or Path("out", name.rpartition(".")[2])
    return module.load(folder, device)


def package_called(name: str) -> str:
    """What to import: generated.other, or other for the package of that name beside this one."""
    beside = __package__.rpartition(".")[0]
    return name if "." in name or not beside else f"{beside}.{name}"


def check_draft(model: Model, draft: Any) -> None:
    """Refuses a draft of other tokens."""
    if draft.config.vocab_size != model.config.vocab_size:
        sizes = f"{draft.config.vocab_size} tokens, not {model.config.vocab_size}"
        raise ValueError(f"the --draft has a vocabulary of {sizes}")


@torch.inference_mode()
def speculate(
    model: Model, draft: Any, prompt: list[int], tokens: int, choice: Choice, guesses: Guesses
) -> Iterator[list[int]]:
    """The likeliest next token, again and again, each as a list; counts the guesses.

    Where the context of one of the two ends, so do the guesses.
    """
    check_draft(model, draft)
    context = min(model.config.context_length, draft.config.context_length)
    text, small = Session(model, 1), Session(draft, 1)
    logits = text.read([prompt], tokens + AHEAD)
    picker = Picker(text.texts, model, choice.ends, choice.barred, choice.repetition_penalty)
    how = 0.0, 0, 1.0, 0.0
    made = [int(picker.pick(logits, *how, None))]
    yield [*made]
    while len(made) < tokens and not picker.ended.all():
        read = [*prompt, *made]
        if len(read) + AHEAD > context:
            logits = text.read([made[-1:]], tokens - len(made))
            made.append(int(picker.pick(logits, *how, None)))
            yield [made[-1]]
            continue
        ahead = guess(small, read, tokens + AHEAD)
        told = text.after_each([made[-1], *ahead])
        for logits, guessed in zip(told, [*ahead, None], strict=True):
            made.append(int(picker.pick(logits[None], *how, None)))
            yield [made[-1]]
            if made[-1] != guessed or len(made) == tokens or picker.ended.all():
                break
        agreed = len(prompt) + len(made) - len(read) - (made[-1] != guessed)
        guesses.made, guesses.right = guesses.made + AHEAD, guesses.right + agreed
        text.take_back(len(read) + agreed)


def guess(session: Session, text: list[int], expected: int) -> list[int]:
    """The draft's likeliest tokens after a text."""
    logits = session.go_on(text, expected)
    guesses = [int(logits.argmax(-1))]
    while len(guesses) < AHEAD:
        logits = session.step(logits.argmax(-1))
        guesses.append(int(logits.argmax(-1)))
    return guesses
