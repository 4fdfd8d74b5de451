"""Commands about what people changed in generated code."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import click

from codegen.cli.options import default_jobs, json_option, out_option, paths_argument


@click.command(epilog="Example: tgen edits specs/gpt.yaml")
@paths_argument
@out_option
@click.option("--names", is_flag=True, help="Only which definitions they are of.")
@json_option
def edits(specs: Sequence[Path], out: Path | None, names: bool, as_json: bool) -> None:
    """Show what people changed in generated packages.

    As diffs, for the packages of SPECS; by default for all.
    """
    from codegen import report
    from codegen.build.outcome import exit_code
    from codegen.commands.asked import asked
    from codegen.commands.build import specs_to_build
    from codegen.commands.edits import list_edits

    meant = asked(specs, out)
    project, folder = meant.project, meant.out
    outcomes = list_edits(
        specs_to_build(meant.specs, project, folder), project, out=folder, jobs=default_jobs()
    )
    if as_json:
        report.edits_json(outcomes, project)
    else:
        report.edits_text(outcomes, diffs=not names)
    sys.exit(exit_code(outcomes))


@click.command(epilog="Example: tgen resolve specs/gpt.yaml")
@paths_argument
@out_option
@click.option("--no-test", is_flag=True, help="Don't run the generated tests.")
def resolve(specs: Sequence[Path], out: Path | None, no_test: bool) -> None:
    """Take conflicts as resolved, and finish the build.

    The text of each file in conflict is that of its `.merge` file, which a person has mended.
    """
    from codegen import report
    from codegen.build.outcome import exit_code
    from codegen.commands.asked import asked
    from codegen.commands.build import specs_to_build
    from codegen.commands.resolve import resolve_conflicts

    meant = asked(specs, out)
    project, folder = meant.project, meant.out
    started = report.Stopwatch()
    outcomes = resolve_conflicts(
        specs_to_build(meant.specs, project, folder), project, out=folder, test=not no_test
    )
    report.build_text(outcomes, [], project, dry_run=False, seconds=started.seconds)
    sys.exit(exit_code(outcomes))
