"""Commands about kernels and the masks that they go by."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import click

from codegen.cli.options import default_jobs, jobs_option, json_option, spec_argument


@click.command(epilog="Example: tgen kernels specs/streaming.yaml --target sm_90 --keep asm")
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
    """Compile a spec's kernels for GPUs that need not be here.

    And show what they use there: registers, shared memory, tensor cores.
    """
    from codegen import prove, report
    from codegen.build import rendering
    from codegen.commands.asked import project_of
    from codegen.plan.kernels.tiles import fixed_tiles

    project = project_of([spec])
    plan, source, found = rendering.rendered_kernels(spec, project)
    names = prove.targets_for(targets, all_targets, plan.target) if found else ()
    with report.counting("compiling", not as_json) as moved:
        cache, cores = project.root / ".tgen/kernels", jobs or default_jobs()
        choices = prove.prove(source, found, names, cache, cores, moved, keep, fixed_tiles(found))
    (report.kernels_json if as_json else report.kernels_text)(choices)


@click.command(epilog="Example: tgen tune specs/streaming.yaml --write tiles/streaming.yaml")
@spec_argument
@click.option("--target", default="sm_90", metavar="GPU", help="What to show without a GPU.")
@click.option(
    "--write", type=click.Path(path_type=Path, dir_okay=False), help="The file of winners."
)
def tune(spec: Path, target: str, write: Path | None) -> None:
    """Time the tiles of kernels on this GPU, and keep the fastest.

    The winners are a file of `tiles:` (by default tiles/NAME.yaml) that SPEC can `extends`.
    """
    from codegen import report
    from codegen.build import rendering
    from codegen.commands import tune
    from codegen.commands.asked import project_of

    project = project_of([spec])
    plan, source, found = rendering.rendered_kernels(spec, project)
    here = tune.gpu_here() if found else None
    trials = tune.trials(plan, here or target)
    if here is None or not trials:
        report.trials_text(trials, here or target, plan.name)
        return
    winners = tune.tune(plan, source, here, tune.bench, report.timed)
    path = write or _tiles_path(project.root, plan.name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(tune.tiles_yaml(project.shown(spec), here, winners), encoding="utf-8")
    click.echo(
        f"written {project.shown(path)}; add `extends: {_from_spec(path, spec)}` to the spec"
    )


def _tiles_path(root: Path, name: str) -> Path:
    from codegen.emit.disk import refuse_link

    path = root / "tiles" / f"{name}.yaml"
    for place in (path.parent, path):
        refuse_link(place)
    return path


def _from_spec(path: Path, spec: Path) -> str:
    return Path(os.path.relpath(path.resolve(), spec.resolve().parent)).as_posix()


class _WithAtoms(click.Command):
    """A command whose help ends with what masks are made of."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Before the example, a line for each atom; docs/spec.md has their pictures."""
        from codegen.spec.masks.notes import summary

        with formatter.section("Masks: query q sees key k where"):
            formatter.write_dl(summary())
        super().format_epilog(ctx, formatter)


@click.command(
    cls=_WithAtoms, epilog="Example: tgen mask 'causal & (window(16) | sink(4))' --png mask.png"
)
@click.argument("expression")
@click.option("--length", type=click.IntRange(1, 512), default=64, help="Tokens.  [default: 64]")
@click.option(
    "--tile", type=click.IntRange(1), default=16, show_default=True, help="Queries per tile."
)
@click.option("--png", type=click.Path(path_type=Path, dir_okay=False), help="Save an image.")
@click.option("--code", is_flag=True, help="Print it as Python and Triton, with its ranges.")
def mask(expression: str, length: int, tile: int, png: Path | None, code: bool) -> None:
    """Draw who sees whom under a mask.

    And say which share of the work the tiles of a kernel skip under EXPRESSION.
    """
    from codegen.report import mask as pictures
    from codegen.spec.masks.tree import read_mask

    picture = pictures.draw(expression, read_mask(expression), length, tile)
    pictures.show(picture)
    if code:
        pictures.show_code(picture)
    if png:
        pictures.save_png(picture, png)
        click.echo(f"wrote {png}")
