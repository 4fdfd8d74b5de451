"""Where a scalar's characters stand in its file: after quotes, in blocks, over line breaks."""

from __future__ import annotations

import re
from dataclasses import replace

from codegen.errors import Position
from codegen.frozen import frozen

BREAK = re.compile("\r\n|[\r\n\x85\u2028\u2029]")  # what libyaml counts as the end of a line
ANCHOR = re.compile(r"(?:&[^\s,\[\]{}]+\s+)*")
MAX_SHOWN = 300  # characters of a line
MAX_WORD = 60


@frozen
class ScalarText:
    """A text as its file has it: the characters from its first sign to its end, and the lines."""

    raw: str
    style: str | None  # YAML's sign: a quote, `|`, `>`, None if plain
    lines: tuple[str, ...]

    def position(self, start: Position, value: str, offset: int, length: int) -> Position:
        """The place of `value[offset]`; `start` where escapes hide it."""
        found = self._find(value, offset)
        if found is None:
            return start
        before = self.raw[:found].split("\n")
        line = start.line + len(before) - 1
        column = len(before[-1]) + (start.column if len(before) == 1 else 1)
        return line_position(replace(start, line=line, column=column, length=length), self.lines)

    def _find(self, value: str, offset: int) -> int | None:
        if self.style == '"' and "\\" in self.raw:
            return None
        anchor = ANCHOR.match(self.raw)
        at = anchor.end() if anchor else 0
        if self.style in ("|", ">"):
            at = self.raw.find("\n", at) + 1
        elif self.style:
            at += 1
        # Folding changes white space only: the other characters follow each other in both.
        for character in value[:offset]:
            if not character.isspace():
                at = self.raw.find(character, at) + 1
        return at if offset >= len(value) else self.raw.find(value[offset], at)


def line_position(at: Position, lines: tuple[str, ...]) -> Position:
    """A position with its line as people are shown it; none of it if the column is far out."""
    number = min(at.line, len(lines))  # libyaml sees the end of the text a line too far
    line = lines[number - 1]
    column = min(at.column, len(line) + 1) if number == at.line else len(line) + 1
    text = printable(line[:MAX_SHOWN]) if column <= MAX_SHOWN else ""
    return replace(at, line=number, column=column, text=text)


def printable(text: str) -> str:
    """Without characters that do something to a terminal; tabs stay."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c == "\t" else "\ufffd" for c in text)


def word(text: str) -> str:
    """A name from outside, fit for a message: short and printable."""
    text = printable(text)
    return text if len(text) <= MAX_WORD else text[: MAX_WORD - 3] + "..."
