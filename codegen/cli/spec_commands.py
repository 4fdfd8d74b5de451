"""Commands about specs: what they come to, and new ones."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from codegen.cli.options import (
    json_option,
    paths_argument,
    set_option,
    spec_argument,
)
from codegen.exit_codes import ExitCode


@click.command(epilog="Example: tgen plan specs/llama.yaml --set model.layers=4")
@spec_argument
@set_option
@click.option("--variant", metavar="NAME", help="The package to show, of a spec with variants.")
@json_option
def plan(spec: Path, overrides: Sequence[str], variant: str | None, as_json: bool) -> None:
    """Show what a spec comes to: layers, parameters, FLOPs, bytes."""
    from codegen import report
    from codegen.commands.asked import project_of
    from codegen.plan import lower
    from codegen.spec import load_spec

    made = lower(load_spec(spec, project_of([spec]).root, overrides, variant))
    printer = report.plan_json if as_json else report.plan_text
    printer(made)


@click.command(epilog="Example: tgen render specs/gpt.yaml --file model.py | less")
@spec_argument
@click.option("--file", "name", metavar="NAME", help="Only this file of the package.")
@set_option
@json_option
def render(spec: Path, name: str | None, overrides: Sequence[str], as_json: bool) -> None:
    """Print the package of a spec and write nothing.

    SPEC is a file, or `-` for standard input.

    Each file comes after a line `# ---- PACKAGE/FILE ----`, a single one alone.
    """
    from codegen import report
    from codegen.commands import render as preview
    from codegen.commands.asked import project_of

    if str(spec) == "-":
        made = preview.preview_text(sys.stdin.buffer.read(), project_of([]), overrides)
    else:
        made = preview.preview(spec, project_of([spec]), overrides)
    for warning in made.warnings:
        report.show_diagnostic(warning)
    printer = report.render_json if as_json else report.render_text
    printer(made.plan.name, preview.chosen(made, name), whole=name is None)


@click.command(epilog="Example: tgen diff specs/gpt.yaml specs/llama.yaml")
@click.argument("a", type=click.Path(path_type=Path))
@click.argument("b", type=click.Path(path_type=Path))
@json_option
def diff(a: Path, b: Path, as_json: bool) -> None:
    """Show how the models of two specs differ, and what each costs."""
    from codegen import report
    from codegen.build import rendering
    from codegen.commands.asked import project_of, spec_asked
    from codegen.spec.knobs import differences

    specs = [spec_asked(path) for path in (a, b)]
    (one, first), (other, second) = (rendering.spec_and_plan(p, project_of([p])) for p in specs)
    printer = report.diff_json if as_json else report.diff_text
    printer(first, second, differences(one, other))


@click.command(epilog="Example: tgen new small_gpt --from specs/gpt.yaml --set model.layers=6")
@click.argument("name")
@click.option(
    "--from",
    "start",
    required=True,
    metavar="SPEC",
    type=click.Path(path_type=Path),
    help="Spec to start from: a path or a name, of this project's or of tgen's own.",
)
@click.option(
    "--finetune",
    type=click.Choice(["lora", "dora"]),
    help="Of weights that are there it trains what it adds to them.",
)
@set_option
def new(name: str, start: Path, finetune: str | None, overrides: Sequence[str]) -> None:
    """Write a spec that starts from another and says what differs.

    It extends one of this project and says only what differs; of any other it is a copy.
    Its task is the other's, or another with --set task=TASK: causal-lm, chat, preference,
    masked-lm, seq2seq-lm, sequence-classification, tagging, embedding, image-classification,
    image-segmentation, image-embedding, super-resolution, image-to-image, image-generation,
    image-translation, regression, classification.
    """
    from codegen import report
    from codegen.commands import new as scaffold
    from codegen.commands.asked import project_of

    more = any("finetune." in override.partition("=")[0] for override in overrides)
    field = "train.finetune.method" if more else "train.finetune"
    said = (*overrides, f"{field}={finetune}") if finetune else overrides
    path = scaffold.write_variant(name, start, said, project_of([]))
    report.new_text(os.path.relpath(path))


@click.command(epilog="Example: tgen migrate --diff")
@paths_argument
@click.option(
    "--dry-run", "--diff", "dry_run", is_flag=True, help="Print the changes; write nothing."
)
def migrate(specs: Sequence[Path], dry_run: bool) -> None:
    """Bring specs to this version of the spec language.

    SPECS are files or folders; by default all of the project. Only the characters that must
    change do; the specs that they extend come along.
    """
    from codegen import report
    from codegen.commands import migrate as migrating
    from codegen.commands.asked import asked
    from codegen.project import find_specs

    meant = asked(specs)
    found = find_specs(meant.specs, meant.project)
    migrations = migrating.migrate(found, meant.project, dry_run=dry_run)
    report.migrate_text(migrations, dry_run=dry_run)
    sys.exit(max((migration.exit_code for migration in migrations), default=ExitCode.FINE))


@click.command(epilog="Example: tgen init && tgen build && tgen check")
@click.argument("folder", default=".", type=click.Path(path_type=Path))
@click.option(
    "--install-from",
    metavar="URL",
    help="Where CI installs tgen from: git+https://...@COMMIT; by default as this one was.",
)
def init(folder: Path, install_from: str | None) -> None:
    """Make a folder a project: settings, a first spec, CI.

    FOLDER is by default the current one. The first spec is of the task causal-lm, and names the
    others.
    """
    from codegen import report
    from codegen.commands import init as new_project

    made = new_project.init_project(folder, install_from)
    report.init_text(made, folder.resolve())


@click.command(epilog="Example: tgen schema > tgen.schema.json")
@click.option("--markdown", is_flag=True, help="The reference that is docs/spec.md.")
def schema(markdown: bool) -> None:
    """Print the spec language, for editors or for people.

    JSON Schema, or Markdown with --markdown.
    """
    from codegen.spec import json_schema, reference

    click.echo(reference.markdown() if markdown else json_schema.json_schema(), nl=False)
