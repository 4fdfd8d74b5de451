# Made from specs/chat.yaml; make it again: tgen build specs/chat.yaml
"""Which tokens of a chat are trained: those of the answers, with what ends each."""

from __future__ import annotations

import re
import sys
import textwrap
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from .chat import BEGIN, END, ChatTemplate, Message, Span
from .process import plain

WIDTH = 79


class Text(NamedTuple):
    """A chat as a text, what an error calls it, and which parts of it are trained."""

    text: str
    spans: list[Span]
    where: str


class Example(NamedTuple):
    """The tokens of a chat, and which of them are trained."""

    tokens: np.ndarray  # (N,) int32
    trained: np.ndarray  # (N,) bool


def answers_in(template: ChatTemplate, messages: Sequence[Message]) -> tuple[str, list[Span]]:
    """The text of a chat, and where the assistant's answers are in it.

    The template marks them by {% generation %}. One without marks is filled turn by turn:
    an answer is what it adds to what asks for one.
    """
    turns = [at for at, said in enumerate(messages) if said.role == "assistant"]
    if template.marks:
        text, spans = template.marked(messages)
    else:
        text = template.render(messages, answer=False)
        spans = [turn(template, messages, at, text) for at in turns]
    for at in turns:
        if messages[at].content.strip() not in text:
            raise ValueError(f"the template of {template.path} leaves out a part of an answer")
    spans = [span for span in spans if span[0] < span[1]]
    if not spans:
        raise ValueError(f"the template of {template.path} makes no text of the answers")
    return text, spans


def turn(template: ChatTemplate, messages: Sequence[Message], at: int, text: str) -> Span:
    """Where in the text an answer is, with the token that ends it."""
    before = template.render(messages[:at], answer=True)
    after = template.render(messages[: at + 1], answer=False)
    if not after.startswith(before):
        why = "writes what comes before an answer in another way once there is one"
    elif not text.startswith(after):
        why = "writes an answer in another way once more is said"
    else:
        return len(before), len(after)
    raise ValueError(
        f"the template of {template.path} {why}: mark with {{% generation %}} there what is trained"
    )


def encoded(tokenizer: Any, texts: Sequence[Text]) -> Iterator[Example]:
    """The tokens of texts by the `tokenizers` package, which are trained where answers are."""
    found = tokenizer.encode_batch([text.text for text in texts], add_special_tokens=False)
    for text, one in zip(texts, found, strict=True):
        places = np.array(one.offsets, dtype=np.int64).reshape(-1, 2)
        yield Example(np.array(one.ids, dtype=np.int32), trained_at(places, text))


def trained_at(places: np.ndarray, text: Text) -> np.ndarray:
    """Whether the token of each place (N, 2) is an answer's (N,); none may be so in part."""
    start, stop = places.T
    trained = np.zeros(len(places), dtype=bool)
    for begin, end in text.spans:
        inside = (begin <= start) & (stop <= end) & (start < stop)
        partly = (start < end) & (begin < stop) & ~inside
        if partly.any():
            first, last = places[partly.argmax()]
            odd = text.text[first:last]
            raise ValueError(f"{text.where}: the token {odd!r:.40} is only in part an answer's")
        trained |= inside
    return trained


def shown(text: Text) -> str:
    """A chat with its answers in brackets, or in colour on a terminal, in lines that fit."""
    begin, end = ("\x1b[32m", "\x1b[0m") if sys.stdout.isatty() else ("[", "]")
    whole, done = "", 0
    for start, stop in text.spans:
        whole += text.text[done:start] + BEGIN + text.text[start:stop] + END
        done = stop
    whole += text.text[done:]
    lines = (line for part in whole.split("\n") for line in folded(part))
    return "\n".join(lines).replace(BEGIN, begin).replace(END, end)


def folded(line: str) -> list[str]:
    pieces = re.split(f"([{BEGIN}{END}])", line)
    line = "".join(piece if piece in (BEGIN, END) else plain(piece) for piece in pieces)
    return textwrap.wrap(line, WIDTH, drop_whitespace=False, replace_whitespace=False) or [""]
