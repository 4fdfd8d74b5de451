"""What no text from a file may do to a terminal or to the log of a CI job."""

from __future__ import annotations

import re

COMMAND = re.compile(r"^\s*::[\w-]+.*::|##\[", re.MULTILINE)
# An escape, a title, a bell, line ends of all kinds, a mark of direction, and GitHub's commands.
EVIL = "\x1b[31m\x1b]0;title\x07\r\n::error::forged\u2028\u202e\x9b2J\n##[error]forged [red]x[bold]"


def forged(text: str) -> list[str]:
    """The characters and commands of a text that would do something."""
    odd = [c for c in text if not c.isprintable() and c not in "\n\t"]
    return odd + COMMAND.findall(text)
