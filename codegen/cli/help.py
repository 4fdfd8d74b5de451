"""What `--help` and bad usage say: whole sentences and whole words, at any width."""

from __future__ import annotations

import re
from collections.abc import Iterable

import click

from codegen.errors import Diagnostic

HYPHEN = re.compile(r"(?<=\w)-(?=\w)")
UNBREAKABLE = "\u2011"  # a hyphen where no line ends
SUGGESTED = re.compile(r" \(?(?:Did you mean (?:one of: )?|Possible \w+: )([^?)]+)\??\)?$")


class WholeWords(click.HelpFormatter):
    """Breaks lines between words only: `masked-lm` and `--keep-mine` stay in one piece."""

    def write_text(self, text: str) -> None:
        """A paragraph or several."""
        super().write_text(_unbreakable(text))

    def write_dl(
        self, rows: Iterable[tuple[str, str]], col_max: int = 30, col_spacing: int = 2
    ) -> None:
        """Terms and what they mean."""
        kept = [(_unbreakable(term), _unbreakable(meaning)) for term, meaning in rows]
        super().write_dl(kept, col_max, col_spacing)

    def getvalue(self) -> str:
        """All that was written."""
        return super().getvalue().replace(UNBREAKABLE, "-")


def _unbreakable(text: str) -> str:
    return HYPHEN.sub(UNBREAKABLE, text)


class HelpContext(click.Context):
    """Of a command whose help is written so."""

    formatter_class = WholeWords


def summary(command: click.Command) -> str:
    """The first sentence of a command's help."""
    first = (command.help or "").strip().split("\n\n")[0]
    return " ".join(first.split()).removesuffix(".")


def usage_finding(error: click.ClickException) -> Diagnostic:
    """Bad usage in the form of every other error."""
    text = error.format_message()
    meant = SUGGESTED.search(text)
    text = (text[: meant.start()] if meant else text).removesuffix(".")
    if text[:1].isupper() and text[1:2].islower():
        text = text[0].lower() + text[1:]
    hints = [f"did you mean {meant[1].strip()}?"] if meant else []
    context = error.ctx if isinstance(error, click.UsageError) else None
    if context:
        hints.append(f"`{context.command_path} --help` says how it is used")
    return Diagnostic(text, hint="; ".join(hints).replace("?; ", "? ") or None)
