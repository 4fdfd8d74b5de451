"""Commands that write packages, or compare them with what is written."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

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
from codegen.exit_codes import ExitCode


@click.command(epilog="Example: tgen build specs/gpt.yaml --set model.layers=6 --out try")
@paths_argument
@set_option
@out_option
@click.option("--no-test", is_flag=True, help="Don't run the generated tests.")
@click.option("--dry-run", is_flag=True, help="Say what would change; write nothing.")
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
    prove: bool | None,
    jobs: int | None,
    as_json: bool,
) -> None:
    """Write and test the packages of SPECS (files or folders; by default all)."""
    from codegen import pipeline, report
    from codegen.project import find_specs

    project = project_of(specs)
    started = report.Stopwatch()
    with report.working("building" if no_test else "building and testing", not as_json) as moved:
        outcomes = pipeline.build(
            find_specs(specs, project),
            project,
            out=(out or project.generated).resolve(),
            overrides=overrides,
            jobs=jobs or default_jobs(),
            test=not no_test,
            dry_run=dry_run,
            prove=prove,
            progress=moved,
        )
    printer = report.build_json if as_json else report.build_text
    printer(outcomes, project, dry_run=dry_run, seconds=started.seconds)
    sys.exit(pipeline.exit_code(outcomes))


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
    from codegen.project import find_specs

    project = project_of(specs)
    outcomes, orphans = pipeline.check(
        find_specs(specs, project),
        project,
        out=(out or project.generated).resolve(),
        jobs=jobs or default_jobs(),
        orphans=not specs,
    )
    printer = report.check_json if as_json else report.check_text
    printer(outcomes, orphans, project)
    sys.exit(max(pipeline.exit_code(outcomes), ExitCode.STALE if orphans else ExitCode.FINE))
