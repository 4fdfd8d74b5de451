"""Commands that write packages, or compare them with what is written."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from codegen.cli.options import (
    default_jobs,
    jobs_option,
    json_option,
    out_option,
    paths_argument,
    project_of,
    set_option,
)

if TYPE_CHECKING:
    from codegen.emit import Side


@click.command(epilog="Example: tgen build specs/gpt.yaml --set model.layers=6 --out try")
@paths_argument
@set_option
@out_option
@click.option("--no-test", is_flag=True, help="Don't run the generated tests.")
@click.option("--dry-run", is_flag=True, help="Say what would change; write nothing.")
@click.option(
    "--theirs",
    "side",
    flag_value="theirs",
    help="Where you and the new rendering both changed something, keep your text.",
)
@click.option("--ours", "side", flag_value="ours", help="There, take the new rendering.")
@click.option(
    "--prove/--no-prove",
    default=None,
    help="Compile the kernels for their GPUs and choose tiles that fit; by default where the "
    "spec's target is a GPU.",
)
@jobs_option
@json_option
def build(
    specs: Sequence[Path],
    overrides: Sequence[str],
    out: Path | None,
    no_test: bool,
    dry_run: bool,
    side: Side | None,
    prove: bool | None,
    jobs: int | None,
    as_json: bool,
) -> None:
    """Write and test the packages of SPECS (files or folders; by default all)."""
    from codegen import pipeline, report
    from codegen.emit import recover

    project = project_of(specs)
    folder = (out or project.generated).resolve()
    started = report.Stopwatch()
    report.recovered_text(recover(folder))
    with report.working("building" if no_test else "building and testing", not as_json) as moved:
        outcomes = pipeline.build(
            pipeline.specs_to_build(specs, project, folder),
            project,
            out=folder,
            overrides=overrides,
            jobs=jobs or default_jobs(),
            test=not no_test,
            dry_run=dry_run,
            side=side,
            prove=prove,
            progress=moved,
        )
    lost = [] if specs else pipeline.orphans(folder, outcomes)
    if not dry_run:
        lost = pipeline.remove_orphans(lost, project)
    printer = report.build_json if as_json else report.build_text
    printer(outcomes, lost, project, dry_run=dry_run, seconds=started.seconds)
    sys.exit(pipeline.exit_code([*outcomes, *lost]))


@click.command("import", epilog="Example: tgen import checkpoints/Qwen3-0.6B --name qwen3")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--name", help="Of the spec and the package; by default the model type.")
@click.option("--specs", type=click.Path(path_type=Path, file_okay=False), help="Folder of specs.")
@out_option
@click.option("--no-test", is_flag=True, help="Don't run the generated tests.")
@click.option("--allow-pickle", is_flag=True, help="Read pytorch_model*.bin, with weights_only.")
def import_(
    folder: Path,
    name: str | None,
    specs: Path | None,
    out: Path | None,
    no_test: bool,
    allow_pickle: bool,
) -> None:
    """Bring in a Hugging Face checkpoint FOLDER: its config.json becomes a spec and a package.

    Weights (*.safetensors) are converted into weights/NAME/, with tokenizer.json beside them.
    """
    from codegen import importing, report
    from codegen.project import find_project

    project = find_project(specs or Path.cwd())
    started = report.Stopwatch()
    with report.counting("importing", shown=True) as moved:
        made = importing.import_folder(
            folder,
            project,
            name=name,
            specs=specs and specs.resolve(),
            out=out and out.resolve(),
            test=not no_test,
            allow_pickle=allow_pickle,
            moved=moved,
        )
    report.import_text(made, project, seconds=started.seconds)
    sys.exit(made.outcome.exit_code)


@click.command(epilog="Example: tgen check || tgen build")
@paths_argument
@out_option
@jobs_option
@json_option
def check(specs: Sequence[Path], out: Path | None, jobs: int | None, as_json: bool) -> None:
    """Exit 0 if the packages are what the specs say, 3 with a diff if not; writes nothing."""
    from codegen import pipeline, report
    from codegen.emit import recover

    project = project_of(specs)
    folder = (out or project.generated).resolve()
    interrupted = recover(folder)
    outcomes = pipeline.check(
        pipeline.specs_to_build(specs, project, folder),
        project,
        out=folder,
        jobs=jobs or default_jobs(),
    )
    lost = [] if specs else pipeline.orphans(folder, outcomes)
    printer = report.check_json if as_json else report.check_text
    printer(outcomes, lost, interrupted, project)
    sys.exit(pipeline.check_code(outcomes, lost, interrupted))
