"""The command line: options are parsed here, work is done by `commands/`, text made by report."""

from __future__ import annotations

import gc
import io
import os
import sys
from collections.abc import Iterable
from typing import Any, NoReturn

import click

from codegen import __version__
from codegen.cli.capture_command import capture
from codegen.cli.edit_commands import edits, resolve
from codegen.cli.help import usage_finding
from codegen.cli.kernel_commands import kernels, mask, tune
from codegen.cli.package_commands import build, check, import_
from codegen.cli.pipes import PipedGroup
from codegen.cli.prune_command import prune
from codegen.cli.spec_commands import diff, init, migrate, new, plan, render, schema
from codegen.cli.watch_command import watch
from codegen.errors import Diagnostic, TgenError
from codegen.exit_codes import ExitCode, exit_code_lines

NO_ARGUMENTS = getattr(click.exceptions, "NoArgsIsHelpError", ())  # since click 8.2: the help
FEW_COLLECTIONS = 100_000, 50, 100  # a command makes trees, keeps them and ends

EXIT_CODES = "\n".join(["\b", "Exit codes; of several findings, the largest:", *exit_code_lines()])


@click.group(
    cls=PipedGroup,
    epilog=EXIT_CODES,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(__version__, prog_name="tgen", message="%(prog)s %(version)s")
@click.pass_context
def cli(context: click.Context) -> None:
    """A short YAML spec becomes the PyTorch you would have written by hand."""
    if os.environ.get("NO_COLOR"):
        context.color = False


PACKAGES = (init, build, import_, capture, prune, watch, check, edits, resolve, render)
SPECS = (plan, diff, new, migrate, schema)
for command in (*PACKAGES, *SPECS, kernels, tune, mask):
    cli.add_command(command)


@cli.command(epilog='Example: eval "$(tgen completion bash)"')
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the script that makes SHELL complete tgen's commands."""
    from click.shell_completion import get_completion_class

    complete = get_completion_class(shell)
    assert complete is not None, shell
    click.echo(complete(cli, {}, "tgen", "_TGEN_COMPLETE").source())


def main(**options: Any) -> None:
    """Runs the command line; what a user can cause ends in a message and an exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # whatever a spec holds can be said somehow
            stream.reconfigure(errors="backslashreplace")
    gc.set_threshold(*FEW_COLLECTIONS)
    try:
        cli.main(standalone_mode=False, **options)
    except TgenError as error:
        _end(error.diagnostics, error.exit_code)
    except NO_ARGUMENTS as error:
        error.show()
        sys.exit(error.exit_code)
    except click.ClickException as error:
        _end([usage_finding(error)], error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        click.echo("interrupted", err=True)
        sys.exit(ExitCode.INTERRUPTED)


def _end(findings: Iterable[Diagnostic], exit_code: int) -> NoReturn:
    from codegen.report.diagnostic import show_diagnostic

    for finding in findings:
        show_diagnostic(finding)
    sys.exit(exit_code)
