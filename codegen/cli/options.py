"""Options that several commands have, and what they stand for."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

Command = Callable[..., Any]


def _spec(context: click.Context, _: click.Parameter, path: Path) -> Path:
    """The spec that an argument names; a path in a package names the package's."""
    from codegen.commands.asked import spec_asked

    return path if context.resilient_parsing or str(path) == "-" else spec_asked(path)


paths_argument = click.argument("specs", nargs=-1, type=click.Path(path_type=Path))
spec_argument = click.argument("spec", type=click.Path(path_type=Path), callback=_spec)
set_option = click.option(
    "--set", "overrides", multiple=True, metavar="FIELD=VALUE", help="Override a field of the spec."
)
out_option = click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), help="Folder of the packages."
)
jobs_option = click.option(
    "--jobs", type=click.IntRange(1), default=None, help="Worker processes.  [default: the cores]"
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for machines.")


def renamed_option(name: str, meaning: str) -> Callable[[Command], Command]:
    """An option that is no more: whoever gives it is told what it did, and of its new name."""

    def refuse(context: click.Context, _: click.Parameter, given: bool) -> None:
        if given and not context.resilient_parsing:
            raise click.UsageError(f"{name} is no more: it {meaning}")

    return click.option(
        name, is_flag=True, hidden=True, expose_value=False, is_eager=True, callback=refuse
    )


def in_ci() -> bool:
    """Whether a service runs this, which sets CI to true."""
    return os.environ.get("CI", "").lower() not in ("", "0", "false", "no")


def default_jobs() -> int:
    """How many workers there are by default."""
    return os.cpu_count() or 1
