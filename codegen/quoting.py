"""What a file says, as a terminal and the log of a CI job may show it.

A name from a stranger's file may hold escapes that rewrite a terminal, line breaks and marks of
direction that forge a message, or `::error::`, which GitHub runs.
"""

from __future__ import annotations

import re

MOST = 1200  # characters
COMMAND = re.compile(r"(?<=:):(?=[\w-]+(?: [^\n]*)?::)|#(?=\[)")  # `::name ...::` and `##[name]`


def plain(text: str) -> str:
    """A text in one line of printable characters, those that are none escaped as in Python."""
    return COMMAND.sub(lambda found: f"\\x{ord(found[0]):02x}", visible(text))


def short(text: str, most: int = MOST) -> str:
    """The same, of what is longer than `most` the beginning and the end."""
    if len(text) > most:
        tail = most // 4
        text = f"{text[: most - tail]} ... {text[-tail:]}"
    return plain(text)


def plain_lines(text: str) -> str:
    """The same of a text of several lines, which stay lines; tabs stay, too."""
    lines = ("\t".join(map(plain, line.split("\t"))) for line in text.split("\n"))
    return "\n".join(lines)


def visible(text: str, keep: str = "") -> str:
    """With the characters that are not printable escaped, but those to keep."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in keep else ascii(c)[1:-1] for c in text)
