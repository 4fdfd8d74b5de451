"""`tgen capture`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from codegen.cli.options import out_option


@click.command(epilog="Example: tgen capture torchvision.models:resnet18 --name r18")
@click.argument("factory")
@click.option("--name", help="Of the spec and the package; by default the factory's.")
@click.option(
    "--input", "size", default="3x224x224", show_default=True, help="What it takes; 1x13: rows."
)
@click.option("--arg", "given", multiple=True, metavar="NAME=VALUE", help="Of the factory.")
@click.option("--specs", type=click.Path(path_type=Path, file_okay=False), help="Folder of specs.")
@out_option
@click.option("--no-test", is_flag=True, help="Don't run the generated tests.")
def capture(
    factory: str,
    name: str | None,
    size: str,
    given: tuple[str, ...],
    specs: Path | None,
    out: Path | None,
    no_test: bool,
) -> None:
    """Bring in a network that Python code makes.

    FACTORY is MODULE:NAME, a function or class that makes an nn.Module. What it computes is
    traced in a process of its own, and becomes a spec, a package and weights/NAME/, if layers of
    `family: network` say what it computes: with as many parameters, and scores and gradients that
    agree.
    """
    from codegen import report
    from codegen.commands import capture as capturing
    from codegen.project import find_project

    project = find_project(specs or Path.cwd())
    started = report.Stopwatch()
    made = capturing.capture(
        factory,
        project,
        name=name,
        size=_size(size),
        arguments=dict(map(_argument, given)),
        specs=specs and specs.resolve(),
        out=out and out.resolve(),
        test=not no_test,
    )
    report.capture_text(made, project, seconds=started.seconds)
    sys.exit(made.outcome.exit_code)


def _size(text: str) -> tuple[int, ...]:
    parts = text.split("x")
    if not all(part.isdigit() and int(part) for part in parts) or len(parts) not in (2, 3, 4):
        raise click.BadParameter(f"{text}, not as in 3x224x224 or 1x13", param_hint="--input")
    return tuple(map(int, parts[1:] if len(parts) != 3 else parts))


def _argument(text: str) -> tuple[str, Any]:
    from codegen.errors import SpecError
    from codegen.spec.yaml.source import parse

    name, equals, value = text.partition("=")
    if not equals or not name.isidentifier():
        raise click.BadParameter(f"{text}, not as in num_classes=10", param_hint="--arg")
    try:
        return name, parse(value, "--arg").data  # as a spec would be read
    except SpecError:
        return name, value
