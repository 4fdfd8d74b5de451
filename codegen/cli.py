"""The command line: options are parsed here, work is done by the pipeline, text made by report."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from codegen import __version__
from codegen.errors import ExitCode, TgenError

if TYPE_CHECKING:
    from codegen.project import Project

EXIT_CODES = """\b
Exit codes: 0 fine, 1 internal error, 2 bad spec or usage, 3 stale,
4 hand edit in the way, 5 smoke tests failed, 130 interrupted."""

paths_argument = click.argument("specs", nargs=-1, type=click.Path(path_type=Path))
spec_argument = click.argument("spec", type=click.Path(path_type=Path))
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


@click.group(epilog=EXIT_CODES, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="tgen", message="%(prog)s %(version)s")
def cli() -> None:
    """A short YAML spec becomes the PyTorch you would have written by hand.

    \b
    tgen new my_gpt --from specs/gpt.yaml --set model.layers=6
    tgen import checkpoints/gpt2       a Hugging Face checkpoint: spec, package, weights
    tgen build specs/my_gpt.yaml       write generated/my_gpt/ and test it
    tgen plan specs/my_gpt.yaml        layers, shapes, parameters, FLOPs, bytes
    tgen check                         prove that the packages are what the specs say
    """


@cli.command(epilog="Example: tgen build specs/gpt.yaml --set model.layers=6 --out try")
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

    project = _project(specs)
    started = report.Stopwatch()
    with report.working("building" if no_test else "building and testing", not as_json) as moved:
        outcomes = pipeline.build(
            find_specs(specs, project),
            project,
            out=(out or project.generated).resolve(),
            overrides=overrides,
            jobs=jobs or _cores(),
            test=not no_test,
            dry_run=dry_run,
            prove=prove,
            progress=moved,
        )
    printer = report.build_json if as_json else report.build_text
    printer(outcomes, project, dry_run=dry_run, seconds=started.seconds)
    sys.exit(pipeline.exit_code(outcomes))


@cli.command("import", epilog="Example: tgen import checkpoints/Qwen3-0.6B --name qwen3")
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


@cli.command(epilog="Example: tgen check || tgen build")
@paths_argument
@out_option
@jobs_option
@json_option
def check(specs: Sequence[Path], out: Path | None, jobs: int | None, as_json: bool) -> None:
    """Exit 0 if the packages are what the specs say, 3 with a diff if not; writes nothing."""
    from codegen import pipeline, report
    from codegen.project import find_specs

    project = _project(specs)
    outcomes, orphans = pipeline.check(
        find_specs(specs, project),
        project,
        out=(out or project.generated).resolve(),
        jobs=jobs or _cores(),
        orphans=not specs,
    )
    printer = report.check_json if as_json else report.check_text
    printer(outcomes, orphans, project)
    sys.exit(max(pipeline.exit_code(outcomes), ExitCode.STALE if orphans else ExitCode.FINE))


@cli.command(epilog="Example: tgen kernels specs/streaming.yaml --target sm_90 --keep asm")
@spec_argument
@click.option("--target", "targets", multiple=True, metavar="GPU", help="A GPU, such as sm_90.")
@click.option("--all-targets", is_flag=True, help="Every GPU that is known.")
@click.option(
    "--keep", type=click.Path(path_type=Path, file_okay=False), help="Folder for the assembly."
)
@jobs_option
@json_option
def kernels(
    spec: Path,
    targets: Sequence[str],
    all_targets: bool,
    keep: Path | None,
    jobs: int | None,
    as_json: bool,
) -> None:
    """Compile SPEC's kernels for GPUs that need not be here, and show what they use."""
    from codegen import prove, rendering, report
    from codegen.plan.tiles import fixed_tiles

    project = _project([spec])
    plan, source, found = rendering.rendered_kernels(spec, project)
    names = prove.targets_for(targets, all_targets, plan.target) if found else ()
    with report.counting("compiling", not as_json) as moved:
        cache, cores = project.root / ".tgen/kernels", jobs or _cores()
        choices = prove.prove(source, found, names, cache, cores, moved, keep, fixed_tiles(found))
    (report.kernels_json if as_json else report.kernels_text)(choices)


@cli.command(epilog="Example: tgen tune specs/streaming.yaml --write tiles/streaming.yaml")
@spec_argument
@click.option("--target", default="sm_90", metavar="GPU", help="What to show without a GPU.")
@click.option(
    "--write", type=click.Path(path_type=Path, dir_okay=False), help="The file of winners."
)
def tune(spec: Path, target: str, write: Path | None) -> None:
    """Time the tiles of SPEC's kernels on this machine's GPU, and keep the fastest.

    The winners are a file of `tiles:` (by default tiles/NAME.yaml) that SPEC can `extends`.
    """
    from codegen import rendering, report, tune

    project = _project([spec])
    plan, source, found = rendering.rendered_kernels(spec, project)
    here = tune.gpu_here() if found else None
    trials = tune.trials(plan, here or target)
    if here is None or not trials:
        report.trials_text(trials, here or target, plan.name)
        return
    winners = tune.tune(plan, source, here, tune.bench, report.timed)
    path = write or project.root / "tiles" / f"{plan.name}.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(tune.tiles_yaml(project.shown(spec), here, winners), encoding="utf-8")
    click.echo(
        f"written {project.shown(path)}; add `extends: {_from_spec(path, spec)}` to the spec"
    )


def _from_spec(path: Path, spec: Path) -> str:
    return Path(os.path.relpath(path.resolve(), spec.resolve().parent)).as_posix()


@cli.command(epilog="Example: tgen plan specs/llama.yaml --set model.layers=4")
@spec_argument
@set_option
@json_option
def plan(spec: Path, overrides: Sequence[str], as_json: bool) -> None:
    """Show what SPEC comes to: layers, shapes, parameters, FLOPs and bytes."""
    from codegen import rendering, report

    made = rendering.make_plan(spec, _project([spec]), overrides)
    printer = report.plan_json if as_json else report.plan_text
    printer(made)


@cli.command(epilog="Example: tgen diff specs/gpt.yaml specs/llama.yaml")
@click.argument("a", type=click.Path(path_type=Path))
@click.argument("b", type=click.Path(path_type=Path))
@json_option
def diff(a: Path, b: Path, as_json: bool) -> None:
    """Show how the models of the specs A and B differ, knob by knob, and what each costs."""
    from codegen import rendering, report
    from codegen.spec.knobs import differences

    (one, first), (other, second) = (rendering.spec_and_plan(p, _project([p])) for p in (a, b))
    printer = report.diff_json if as_json else report.diff_text
    printer(first, second, differences(one, other))


@cli.command(epilog="Example: tgen new small_gpt --from specs/gpt.yaml --set model.layers=6")
@click.argument("name")
@click.option(
    "--from", "parent", required=True, type=click.Path(path_type=Path), help="Spec to start from."
)
@set_option
def new(name: str, parent: Path, overrides: Sequence[str]) -> None:
    """Write a spec NAME that extends another and says only what differs."""
    from codegen import scaffold

    path = scaffold.write_variant(name, parent, overrides, _project([parent]))
    click.echo(f"wrote {path}\nnext: tgen build {path}")


@cli.command(epilog="Example: tgen mask 'causal & (window(16) | sink(4))' --png mask.png")
@click.argument("expression")
@click.option("--length", type=click.IntRange(1, 512), default=64, help="Tokens.  [default: 64]")
@click.option(
    "--tile", type=click.IntRange(1), default=16, show_default=True, help="Queries a tile."
)
@click.option("--png", type=click.Path(path_type=Path, dir_okay=False), help="Save an image.")
@click.option("--code", is_flag=True, help="Print it as Python and Triton, with its ranges.")
def mask(expression: str, length: int, tile: int, png: Path | None, code: bool) -> None:
    """Draw who sees whom under a mask EXPRESSION, and the work that its tiles skip."""
    from codegen.report import mask as pictures
    from codegen.spec.mask import read_mask

    picture = pictures.draw(expression, read_mask(expression), length, tile)
    pictures.show(picture)
    if code:
        pictures.show_code(picture)
    if png:
        pictures.save_png(picture, png)
        click.echo(f"wrote {png}")


@cli.command(epilog="Example: tgen schema > tgen.schema.json")
@click.option("--markdown", is_flag=True, help="The reference that is docs/spec.md.")
def schema(markdown: bool) -> None:
    """Print the spec language: JSON Schema for editors, or Markdown for people."""
    from codegen.spec import reference

    click.echo(reference.markdown() if markdown else reference.json_schema(), nl=False)


@cli.command(epilog='Example: eval "$(tgen completion bash)"')
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the script that makes SHELL complete tgen's commands."""
    from click.shell_completion import get_completion_class

    complete = get_completion_class(shell)
    assert complete is not None, shell
    click.echo(complete(cli, {}, "tgen", "_TGEN_COMPLETE").source())


def _project(paths: Sequence[Path]) -> Project:
    """The project that the first path, or else the current folder, belongs to."""
    from codegen.project import find_project

    start = paths[0].absolute() if paths else Path.cwd()
    return find_project(start if start.is_dir() else start.parent)


def _cores() -> int:
    import os

    return os.cpu_count() or 1


def main(**options: Any) -> None:
    """Runs the command line; what a user can cause ends in a message and an exit code."""
    try:
        cli.main(standalone_mode=False, **options)
    except TgenError as error:
        for finding in error.diagnostics:
            click.echo(str(finding), err=True)
        sys.exit(error.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        click.echo("interrupted", err=True)
        sys.exit(ExitCode.INTERRUPTED)


if __name__ == "__main__":
    main()
