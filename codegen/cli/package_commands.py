"""Commands that write packages, or compare them with what is written."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from codegen.cli.options import (
    default_jobs,
    in_ci,
    jobs_option,
    json_option,
    out_option,
    paths_argument,
    renamed_option,
    set_option,
)
from codegen.cli.training import WithTraining, runs_asked, train, train_option
from codegen.errors import TgenError

if TYPE_CHECKING:
    from codegen.commands.asked import Asked
    from codegen.emit import Side
    from codegen.report import Checked


@click.command(
    cls=WithTraining, epilog="Example: tgen build specs/gpt.yaml --set model.layers=6 --out try"
)
@paths_argument
@set_option
@out_option
@click.option("--no-test", is_flag=True, help="Don't run the generated tests.")
@click.option("--dry-run", is_flag=True, help="Say what would change; write nothing.")
@click.option(
    "--keep-mine",
    "side",
    flag_value="mine",
    default=None,
    help="Where you and the new rendering both changed something, keep your text.",
)
@click.option(
    "--take-new",
    "side",
    flag_value="new",
    default=None,
    help="There, take the new rendering and drop yours.",
)
@renamed_option("--theirs", "kept your text, which is --keep-mine now")
@renamed_option("--ours", "dropped your text for the new rendering, which is --take-new now")
@click.option(
    "--prove/--no-prove",
    default=None,
    help="Compile the kernels for their GPUs and choose tiles that fit; by default where the "
    "spec's target is a GPU.",
)
@train_option
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
    trains: bool,
    jobs: int | None,
    as_json: bool,
) -> None:
    """Write and test the packages of specs.

    SPECS are files or folders; by default all of the project.
    """
    from codegen import report
    from codegen.build.orphans import orphans_of, remove_orphans
    from codegen.build.outcome import exit_code
    from codegen.commands.asked import asked
    from codegen.commands.build import build_packages, specs_to_build
    from codegen.counted import unheard
    from codegen.emit import around, recover
    from codegen.exit_codes import ExitCode

    runs = runs_asked(trains, bool(specs), as_json or dry_run)
    meant = asked(specs, out)
    project, folder = meant.project, meant.out
    started = report.Stopwatch()
    report.recovered_text(recover(folder))
    paths = specs_to_build(meant.specs, project, folder)
    listed = len(paths) > report.FEW and not as_json
    with report.following(not as_json, report.done_line if listed else unheard) as progress:
        outcomes = build_packages(
            paths,
            project,
            out=folder,
            overrides=overrides,
            jobs=jobs or default_jobs(),
            test=not no_test,
            dry_run=dry_run,
            side=side,
            prove=prove,
            progress=progress,
        )
    outside = around(folder, project.root)
    lost = [] if meant.specs else orphans_of(folder, outcomes)
    if not dry_run:
        lost = remove_orphans(lost, project)
    printer = report.build_json if as_json else report.build_text
    printer(
        outcomes, lost, project, dry_run=dry_run, seconds=started.seconds, around=outside.in_the_way
    )
    code = max(exit_code([*outcomes, *lost]), ExitCode.STALE if outside.in_the_way else 0)
    sys.exit(max(code, train(outcomes, runs)) if runs else code)


@click.command("import", epilog="Example: tgen import checkpoints/Qwen3-0.6B --name qwen3")
@click.argument("source", type=click.Path(path_type=Path))
@click.option("--name", help="Of the spec and the package; by default the model type.")
@click.option("--specs", type=click.Path(path_type=Path, file_okay=False), help="Folder of specs.")
@out_option
@click.option("--no-test", is_flag=True, help="Don't run the generated tests.")
@click.option("--allow-pickle", is_flag=True, help="Read .pth, .pt, .bin, with weights_only.")
@click.option("--pairs", is_flag=True, help="A classifier reads two texts together (NLI, ranking).")
@click.option("--part", type=click.Choice(["text", "images"]), help="Of two models in one: which.")
@click.option(
    "--as",
    "architecture",
    metavar="LIBRARY:NAME",
    help="Of a file: which architecture its tensors are of, such as torchvision:resnet18; by "
    "default, what their names and shapes tell.",
)
@click.option("--image", type=click.IntRange(1), help="Of a file: pixels of an image's side.")
@click.option(
    "--classes",
    type=click.Path(path_type=Path),
    help="Of a file: the names of its classes, in a text file, one a line.",
)
def import_(
    source: Path,
    name: str | None,
    specs: Path | None,
    out: Path | None,
    no_test: bool,
    allow_pickle: bool,
    pairs: bool,
    part: str | None,
    architecture: str | None,
    image: int | None,
    classes: Path | None,
) -> None:
    """Bring in a checkpoint: a spec, its package and its weights.

    Weights go to weights/NAME/.

    SOURCE is a folder of Hugging Face's, whose config.json says what the model is, with
    *.safetensors (tokenizer.json and generation_config.json are kept beside the weights); or a
    file of a network's tensors, .safetensors or .pth, under the names of torchvision or timm.
    """
    from codegen import report
    from codegen.commands.import_ import import_folder
    from codegen.commands.import_file import import_file
    from codegen.commands.recognise import SUFFIXES
    from codegen.project import find_project

    is_file = source.suffix in SUFFIXES and not source.is_dir()
    of_files = {"--as": architecture, "--image": image, "--classes": classes}
    of_folders = {"--pairs": pairs, "--part": part}
    odd = [name for name, value in (of_folders if is_file else of_files).items() if value]
    if odd:
        other = "folders, and this is a file" if is_file else "files of weights, and this is none"
        raise click.UsageError(f"{odd[0]} is for {other}")
    import_one = (
        partial(
            import_file,
            architecture=architecture or "",
            image=image,
            classes=classes,
        )
        if is_file
        else partial(import_folder, pairs=pairs, part=part or "")
    )
    project = find_project(specs or Path.cwd())
    started = report.Stopwatch()
    with report.counting("importing", shown=True) as moved:
        made = import_one(
            source,
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
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "github", "sarif"]),
    default="text",
    help="For people, for programs, as annotations of a pull request, or for code scanning.",
)
@click.option(
    "--json", "form", flag_value="json", default="text", help="Short for --format json."
)  # a default each: before click 8.3 a flag without one is False
@click.option(
    "--diff-only", is_flag=True, help="Print only the diffs, for `git apply`; the rest to stderr."
)
@click.option("--names", is_flag=True, help="Only which files they are, without diffs.")
@click.option("--no-edits", is_flag=True, help="Exit 4 if a package was edited by hand.")
@click.option(
    "--no-cache",
    is_flag=True,
    default=in_ci,
    help="Believe nothing that earlier runs kept in .tgen/.  [default: where CI=true]",
)
@jobs_option
def check(
    specs: Sequence[Path],
    out: Path | None,
    form: str,
    diff_only: bool,
    names: bool,
    no_edits: bool,
    no_cache: bool,
    jobs: int | None,
) -> None:
    """Tell whether the packages are what the specs say.

    Exit 0 if so, 3 with a diff if not; nothing is written.

    What people edited by hand and a build would carry over is fresh, unless --no-edits is given.
    """
    from codegen import report
    from codegen.commands.asked import asked, project_of

    for option, given in (("--diff-only prints diffs", diff_only), ("--names prints names", names)):
        if given and form != "text":
            raise click.UsageError(f"{option}, not {form}")
    if diff_only and names:
        raise click.UsageError("--diff-only prints diffs, and --names none")
    try:
        meant = asked(specs, out)
        if no_cache:
            meant = replace(meant, project=replace(meant.project, believing=False))
        found = _checked(meant, out, no_edits, jobs or default_jobs(), form)
    except TgenError as error:
        if form == "text":
            raise
        found = report.Checked(project_of(specs), error.exit_code, errors=error.diagnostics)
    report.check_report(found, form, diff_only=diff_only, names=names)
    sys.exit(found.exit_code)


def _checked(meant: Asked, out: Path | None, no_edits: bool, jobs: int, form: str) -> Checked:
    """All that a check finds; machines are told of edits in full."""
    from codegen import report
    from codegen.build.orphans import orphans_of
    from codegen.commands.build import specs_to_build
    from codegen.commands.check import check_code, check_packages
    from codegen.emit import around, recover

    project, folder = meant.project, meant.out
    interrupted = recover(folder)
    paths = specs_to_build(meant.specs, project, folder)
    with report.following(form == "text") as progress:
        outcomes = check_packages(
            paths,
            project,
            out=folder,
            jobs=jobs,
            edits=no_edits or form == "json",
            progress=progress,
        )
    orphans = [] if meant.specs else orphans_of(folder, outcomes)
    outside = around(folder, project.root)
    return report.Checked(
        project,
        check_code(outcomes, orphans, interrupted, outside, no_edits),
        outcomes,
        orphans,
        interrupted,
        around=outside,
        no_edits=no_edits,
        out=out or (None if folder == project.generated.resolve() else folder),
    )
