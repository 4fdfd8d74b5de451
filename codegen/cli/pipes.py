"""The group of all commands.

A reader that goes away (`tgen render x | head`) ends a command as it ends any Unix filter.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Any, NoReturn

import click

from codegen.cli.help import HelpContext, summary

EXAMPLES = (
    ("tgen init", "make this folder a project, with a first spec"),
    ("tgen new my_gpt --from specs/gpt.yaml --set model.layers=6", ""),
    ("tgen import checkpoints/gpt2", "a Hugging Face checkpoint: spec, code, weights"),
    ("tgen capture my.models:net", "the same of a network that code makes"),
    ("tgen build specs/my_gpt.yaml", "write generated/my_gpt/ and test it"),
    ("tgen watch", "build and test again with every save"),
    ("tgen plan specs/my_gpt.yaml", "layers, shapes, parameters, FLOPs, bytes"),
    ("tgen check", "prove that the packages are what the specs say"),
)


class PipedGroup(click.Group):
    """Commands that end quietly, and not with an exit code of tgen's, if nobody reads on."""

    context_class = HelpContext

    def add_command(self, cmd: click.Command, name: str | None = None) -> None:
        """A command whose help is written as the group's is."""
        cmd.context_class = HelpContext
        super().add_command(cmd, name)

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """What it is for, and what is done with it first."""
        super().format_help_text(ctx, formatter)
        formatter.write_paragraph()
        with formatter.indentation():
            formatter.write_dl(EXAMPLES, col_max=28)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Each command with its summary, which click would cut to a line."""
        with formatter.section("Commands"):
            formatter.write_dl(
                [(name, summary(self.commands[name])) for name in self.list_commands(ctx)]
            )

    def invoke(self, ctx: click.Context) -> Any:
        """Runs the command, and writes out what it printed."""
        try:
            try:
                return super().invoke(ctx)
            finally:
                sys.stdout.flush()
        except BrokenPipeError:
            _end_by_signal()


def _end_by_signal() -> NoReturn:
    """What is still to be flushed at exit goes nowhere; the shell sees 128 + SIGPIPE."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if hasattr(signal, "SIGPIPE"):
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGPIPE)
    sys.exit(0)
