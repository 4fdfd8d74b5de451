"""The commands that a text prints: in its blocks of code, and between backticks."""

from __future__ import annotations

import re
from collections.abc import Iterator

PROGRAMS = ("tgen", "python", "torchrun", "pytest", "pip", "git")
# An indented line or one in a fence, perhaps after a prompt; it goes on after a backslash.
BLOCK = re.compile(
    r"^ {4,}(?:\$ )?((?:PROGRAM) (?:.*\\\n)*.*)$".replace("PROGRAM", "|".join(PROGRAMS))
)
INLINE = re.compile(r"`((?:tgen|python -m|torchrun|pytest) [^`]+)`")
FORM = re.compile(r"\.\.\.|\b[A-Z]{3,}\b")  # in a sentence, of a command that is no whole one
FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def commands(text: str) -> list[str]:
    """Every command of a page, a docstring or what a program printed, in reading order."""
    found = [(match.start(1), match[1]) for match in _blocks(text)]
    for match in INLINE.finditer(text):
        if not FORM.search(match[1]):
            found.append((match.start(1), match[1].replace("\n", " ").replace("\\|", "|")))
    return list(dict.fromkeys(_tidy(command) for _, command in sorted(found)))


def _blocks(text: str) -> Iterator[re.Match[str]]:
    indented = FENCED.sub(_as_block, text)
    return re.compile(BLOCK.pattern, re.MULTILINE).finditer(indented)


def _as_block(fence: re.Match[str]) -> str:
    """A fence's lines as an indented block, unless they are of another language."""
    if fence[1] not in ("", "sh", "bash", "console"):
        return re.sub(r"[^\n]", " ", fence[0])
    return re.sub(r"^", "    ", fence[2], flags=re.MULTILINE)


def _tidy(command: str) -> str:
    """On one line, without the remark after it."""
    return re.sub(r"\s+# .*$", "", re.sub(r"\\\n\s*", "", command)).strip()
