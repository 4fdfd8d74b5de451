"""`tgen import FILE`: the tensors of a network -> a spec, its package, and its weights."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from codegen.commands.import_ import Imported, Source, written_down
from codegen.commands.read_model import ReadModel, default_name, refuse_name
from codegen.commands.recognise import recognised, state_file, title_of
from codegen.importers.config import Config
from codegen.importers.image_facts import keep_image_facts, read_classes
from codegen.importers.network_text import network_text
from codegen.importers.tensors import Moved, open_tensors
from codegen.plan import lower
from codegen.project import Project
from codegen.quoting import short
from codegen.spec import load_text


def read_state_dict(
    file: Path,
    name: str | None = None,
    specs: str = "specs",
    *,
    architecture: str = "",
    image: int | None = None,
    allow_pickle: bool = False,
) -> ReadModel:
    """The spec of a network whose tensors lie in a file, and its plan. Nothing is written.

    `architecture` is LIBRARY:NAME, by default what the tensors' names and shapes tell.
    CheckpointError says why they are of none.
    """
    tensors = open_tensors(state_file(file, allow_pickle))
    found = recognised(tensors, architecture, image)
    name = default_name(found.name) if name is None else name
    refuse_name(name)
    text = network_text(name, found.spec, f"{title_of(found)} of {short(file.name)}")
    plan = lower(load_text(text, f"{specs}/{name}.yaml"))
    return ReadModel(name, f"{found.library}'s {found.name}", Config("", "", {}, {}), text, plan)


def import_file(
    file: Path,
    project: Project,
    *,
    name: str | None = None,
    specs: Path | None = None,
    out: Path | None = None,
    test: bool = True,
    allow_pickle: bool = False,
    architecture: str = "",
    image: int | None = None,
    classes: Path | None = None,
    moved: Moved | None = None,
) -> Imported:
    """Spec, package and weights of a state dict; an error leaves none of them behind."""
    specs, out = specs or project.specs, out or project.generated
    model = read_state_dict(
        file,
        name,
        project.shown(specs),
        architecture=architecture,
        image=image,
        allow_pickle=allow_pickle,
    )
    keep_facts = partial(keep_image_facts, model.plan, read_classes(model.plan, classes))
    source = Source(file, (file,))
    return written_down(source, model, project, specs, out, keep_facts, test=test, moved=moved)
