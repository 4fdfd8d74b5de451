# Made from specs/chat.yaml; make it again: tgen build specs/chat.yaml
"""Text from tokens as they come: whole characters only, and nothing of what ends a text."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from .data import Tokenizer

KEPT = 8  # tokens of a prompt that the next ones are decoded with: one may change another's blank


class Detokenizer:
    """The text after a prompt, up to one of the `ends` (tokens) or `stops` (texts)."""

    def __init__(
        self,
        tokenizer: Tokenizer,
        prompt: list[int],
        stops: Sequence[str],
        ends: Collection[int],
        *,
        whole: bool = False,
    ) -> None:
        self.tokenizer, self.stops, self.ends = tokenizer, stops, ends
        self.whole = whole  # whether the text of an end is shown, if it has one
        self.tokens = prompt[-KEPT:]
        self.known = len(self.tokens)  # tokens whose text has been given
        self.held = ""  # text that may be the beginning of a stop
        self.ended = False
        self.made = 0  # tokens, that of an end, too

    def add(self, token: int) -> str:
        """The text that is certain with one token more."""
        if self.ended:
            return ""
        self.made += 1
        self.ended = token in self.ends
        if self.ended and not self.whole:
            return ""
        self.tokens.append(token)
        before = self.tokenizer.decode(self.tokens[: self.known])
        text = self.tokenizer.decode(self.tokens)
        if text.endswith("\N{REPLACEMENT CHARACTER}"):  # a part of a character
            return ""
        self.tokens = self.tokens[max(0, self.known - KEPT) :]
        self.known = len(self.tokens)
        self.held += text[len(before) :]
        return self.certain()

    def certain(self) -> str:
        """Takes from what is held all that can't be a part of a stop."""
        places = [place for stop in self.stops if (place := self.held.find(stop)) >= 0]
        if places:
            self.ended, text, self.held = True, self.held[: min(places)], ""
            return text
        begun = max((beginning(self.held, stop) for stop in self.stops), default=0)
        end = len(self.held) - begun
        text, self.held = self.held[:end], self.held[end:]
        return text

    def rest(self) -> str:
        """What was held back, where no more tokens come."""
        if self.ended and not self.held:
            return ""
        before = self.tokenizer.decode(self.tokens[: self.known])
        text, self.held = self.held + self.tokenizer.decode(self.tokens)[len(before) :], ""
        self.known = len(self.tokens)
        return text


def beginning(text: str, stop: str) -> int:
    """How many characters at the end of a text begin a stop."""
    sizes = range(min(len(text), len(stop) - 1), 0, -1)
    return next((size for size in sizes if text.endswith(stop[:size])), 0)


def pieces(steps: Iterator[list[int]], texts: list[Detokenizer]) -> Iterator[list[str]]:
    """What each step adds to the texts, until all of them have ended."""
    for step in steps:
        yield [text.add(token) for text, token in zip(texts, step, strict=True)]
        if all(text.ended for text in texts):
            break
    yield [text.rest() for text in texts]
