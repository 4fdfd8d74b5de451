"""The command that stays."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Sequence
from pathlib import Path

import click

from codegen.cli.options import default_jobs, jobs_option, out_option, paths_argument


@click.command(epilog="Example: tgen watch specs/gpt.yaml")
@paths_argument
@out_option
@click.option("--no-test", is_flag=True, help="Don't run the generated tests.")
@jobs_option
def watch(specs: Sequence[Path], out: Path | None, no_test: bool, jobs: int | None) -> None:
    """Build specs again whenever they are saved.

    SPECS are files or folders; by default all of the project. Built again is also what extends a
    saved spec, and everything when a template is saved. The tests of what was built run in the
    background, until a newer save. Ctrl-C ends it.
    """
    from codegen import report
    from codegen.commands import watch as watching
    from codegen.commands.asked import asked

    for name in ("SIGTERM", "SIGHUP"):  # a closed terminal ends it as Ctrl-C does
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) == signal.SIG_DFL:
            signal.signal(number, signal.default_int_handler)
    meant = asked(specs, out)
    events = watching.watch(
        meant.specs,
        meant.project,
        out=meant.out,
        wait=watching.Saves(),
        jobs=jobs or default_jobs(),
        test=not no_test,
    )
    with contextlib.closing(events), report.status_line() as status:
        for event in events:
            report.watch_text(event, meant.project, status)
