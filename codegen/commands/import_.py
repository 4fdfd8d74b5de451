"""`tgen import`: a checkpoint folder -> a spec, its package, and its weights in our layout.

read_model.py has what is done in memory alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import field
from pathlib import Path
from typing import Any

from codegen.build.outcome import Outcome
from codegen.commands.read_model import ReadModel, read_model
from codegen.emit.disk import refuse_link
from codegen.errors import CheckpointError
from codegen.frozen import frozen
from codegen.importers.companions import keep_companions
from codegen.importers.convert import convert, imported, keep, staged
from codegen.importers.dense import dense_file
from codegen.importers.image_facts import keep_image_facts, labels_of
from codegen.importers.sentences import dense_folder
from codegen.importers.tensors import Moved, weight_files
from codegen.plan.tasks.text import TextTask
from codegen.project import Project


@frozen
class Imported:
    """What `tgen import` made."""

    folder: Path
    model: ReadModel
    spec: Path
    outcome: Outcome
    files: tuple[Path, ...] = ()  # of weights, there
    weights: Path | None = None
    record: Mapping[str, Any] = field(default_factory=dict)


def import_folder(
    folder: Path,
    project: Project,
    *,
    name: str | None = None,
    specs: Path | None = None,
    out: Path | None = None,
    test: bool = True,
    allow_pickle: bool = False,
    pairs: bool = False,
    part: str = "",
    moved: Moved | None = None,
) -> Imported:
    """Spec, package and weights of a checkpoint folder; an error leaves none of them behind."""
    specs, out = specs or project.specs, out or project.generated
    model = read_model(folder, name, project.shown(specs), pairs=pairs, part=part)
    files = weight_files(folder, allow_pickle) if folder.is_dir() else ()
    layer = dense_folder(folder) if files else None
    dense = dense_file(layer, allow_pickle=allow_pickle) if layer else None
    writes = isinstance(model.plan.task, TextTask) and bool(model.plan.task.prompt)

    def keep_facts(to: Path) -> None:
        keep_companions(folder, model.config, to, writes=writes)
        keep_image_facts(model.plan, labels_of(model.config.fields, model.plan), to)

    source = Source(folder, files, dense)
    return written_down(source, model, project, specs, out, keep_facts, test=test, moved=moved)


@frozen
class Source:
    """Where weights come from: their files, and that of a dense layer beside them."""

    path: Path
    files: tuple[Path, ...]
    dense: Path | None = None


def written_down(
    source: Source,
    model: ReadModel,
    project: Project,
    specs: Path,
    out: Path,
    keep_facts: Callable[[Path], None],
    *,
    test: bool,
    moved: Moved | None,
) -> Imported:
    """What was read, on the disk; `keep_facts` puts beside the weights what else is known."""
    from codegen.build.rendering import render_specs
    from codegen.commands.build import finish

    files = source.files
    path, weights = specs / f"{model.name}.yaml", project.root / "weights" / model.name
    for place in (path, weights, weights.parent):
        refuse_link(place)
    with ExitStack() as stack:
        stack.enter_context(written(path, model.text))
        rendered, failed = render_specs([path], project, out=out)
        if failed:
            raise CheckpointError(failed[0].problems)
        record = {}
        if files:
            staging = stack.enter_context(staged(weights))
            with imported(rendered[0].files) as package:
                record = convert(package, model.plan, files, staging, moved, source.dense)
            keep_facts(staging)
        if moved:
            moved(len(files), len(files), "writing" if not test else "writing and testing")
        (outcome,) = finish(rendered, project, out=out, test=test)
        if outcome.written is None:
            raise CheckpointError(outcome.problems)
        if files:
            keep(staging, weights)
    return Imported(source.path, model, path, outcome, files, weights if files else None, record)


@contextmanager
def written(path: Path, text: str) -> Iterator[None]:
    """The spec on the disk, gone again if what follows fails and it is new."""
    known = path.exists()
    if known and path.read_text(encoding="utf-8") != text:
        message = f"{path} exists already, and says something else"
        raise CheckpointError(message, "choose another name with --name")
    folders = [one for one in (path.parent, *path.parent.parents) if not one.exists()]
    path.parent.mkdir(parents=True, exist_ok=True)
    if not known:
        with open(path, "x", encoding="utf-8", newline="\n") as file:  # through no link
            file.write(text)
    try:
        yield
    except BaseException:
        if not known:
            path.unlink(missing_ok=True)
            for made in folders:
                with suppress(OSError):  # something else lies in it
                    made.rmdir()
        raise
