"""`tgen capture`: a live nn.Module -> a spec, its package, and its weights in our layout.

In memory, for many modules that are known (`tried` takes what `look_at` returns):

    text, compared = tried(looked, factory, size, folder)    # CaptureError says why not
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from codegen.build.outcome import Outcome
from codegen.capture.compare import LARGEST, Compared, compare, fill, pairs_of
from codegen.capture.ends import NAMED_CLASSES, task_of
from codegen.capture.fold import folded
from codegen.capture.graph import CaptureError
from codegen.capture.item import Line, tensors_in
from codegen.capture.process import Looked, look_at
from codegen.capture.read import read_graph
from codegen.capture.spec import spec_text
from codegen.capture.training import unsaid_of, without_growing_rates
from codegen.commands.import_ import written
from codegen.commands.read_model import default_name
from codegen.emit.disk import refuse_link
from codegen.errors import SpecError
from codegen.frozen import frozen
from codegen.importers.convert import FILE, RECORD, digest, imported_modules, keep, staged
from codegen.importers.tensors import open_tensors
from codegen.plan import lower
from codegen.project import Project
from codegen.spec import load_text
from codegen.spec.checks import check_name

if TYPE_CHECKING:
    from codegen.plan import Plan

MAX_NAMED = 4  # parameters in a message
IMAGES = "images.json"  # what predict.py asks of classes and channels
NEEDED = ("model", "checkpoint")
FILES = ("model.py", "checkpoint.py", "digests.py", "process.py")


@frozen
class Captured:
    """What `tgen capture` made."""

    factory: str
    looked: Looked
    line: Line
    text: str
    spec: Path
    weights: Path
    compared: Compared
    outcome: Outcome
    remarks: tuple[str, ...] = ()  # what isn't kept


def capture(
    factory: str,
    project: Project,
    *,
    name: str | None = None,
    size: tuple[int, ...] = (3, 224, 224),
    arguments: Mapping[str, Any] | None = None,
    specs: Path | None = None,
    out: Path | None = None,
    test: bool = True,
) -> Captured:
    """Spec, package and weights of what a factory makes; an error leaves none of them behind."""
    from codegen.build.rendering import render_specs
    from codegen.commands.build import finish

    specs, out = specs or project.specs, out or project.generated
    name = default_name(factory.rpartition(":")[2].rpartition(".")[2]) if name is None else name
    check_asked(name, size)
    path, weights = specs / f"{name}.yaml", project.root / "weights" / name
    for place in (path, weights, weights.parent):
        refuse_link(place)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tgen-")))
        looked = look_at(factory, arguments or {}, size, Path.cwd(), folder)
        line, remarks = layers_of(looked, size)
        text = spec_text(name, factory, line, size)
        check_count(text, project.shown(path), looked)
        stack.enter_context(written(path, text))
        rendered, failed = render_specs([path], project, out=out)
        if failed:
            raise CaptureError(failed[0].problems)
        staging = stack.enter_context(staged(weights))
        compared = convert(rendered[0].files, rendered[0].plan, looked, line, staging)
        (outcome,) = finish(rendered, project, out=out, test=test)
        if outcome.written is None:
            raise CaptureError(outcome.problems)
        keep(staging, weights)
    return Captured(factory, looked, line, text, path, weights, compared, outcome, remarks)


def tried(looked: Looked, factory: str, size: tuple[int, ...], to: Path) -> tuple[str, Compared]:
    """The spec of a module, and how nearly its package agrees; weights alone are written."""
    from codegen.render import render_package

    line, _ = layers_of(looked, size)
    text = spec_text("captured", factory, line, size)
    check_count(text, "specs/captured.yaml", looked)
    plan = lower(load_text(text, "specs/captured.yaml"))
    return text, convert(render_package(plan, only=FILES), plan, looked, line, to)


def check_asked(name: str, size: tuple[int, ...]) -> None:
    """CaptureError where no spec can be called so, or is of such images."""
    for problem in check_name(name):
        raise CaptureError(problem.message, problem.hint or "choose another with --name")
    if len(size) != 1 and (len(size) != 3 or size[1] != size[2]):
        message = f"--input {'x'.join(map(str, size))}: square images are captured, and rows"
        raise CaptureError(message, "as in --input 3x224x224, or 1x13 of rows")


def layers_of(looked: Looked, size: tuple[int, ...]) -> tuple[Line, tuple[str, ...]]:
    """The layers of a module, and what of it they don't keep."""
    line, remarks = without_growing_rates(read_graph(looked.graph))
    line = folded(line)
    check_all_there(looked, line)
    task = task_of(size, line[-1].outgoing) if line else ""
    if not task:
        shape = " x ".join(map(str, line[-1].outgoing)) if line else "what it gets"
        message = f"{looked.owner} gives {shape} for an item, no row of scores and no picture"
        raise CaptureError(message)
    unknown = ("names of classes, mean and deviation of channels: say them in images.json",)
    images = unknown if task in NAMED_CLASSES else ()
    return line, (*remarks, *unsaid_of(looked.graph), *images)


def check_all_there(looked: Looked, line: Line) -> None:
    """CaptureError where a parameter is in no layer, or in two."""
    found = [name for names in tensors_in(line) for name in names]
    twice = sorted({name for name in found if found.count(name) > 1})
    if twice:
        raise CaptureError(f"modules that run twice: {_named(twice)}")
    if missing := [name for name in looked.parameters if name not in found]:
        message = f"{len(missing)} parameters take no part in what comes out: {_named(missing)}"
        raise CaptureError(message, "make the module without them: --arg NAME=VALUE")


def _named(names: list[str]) -> str:
    rest = f" and {len(names) - MAX_NAMED} more" if len(names) > MAX_NAMED else ""
    return ", ".join(names[:MAX_NAMED]) + rest


def check_count(text: str, path: str, looked: Looked) -> None:
    """CaptureError where the spec's model has not as many parameters."""
    try:
        planned = lower(load_text(text, path)).cost.parameters
    except SpecError as error:
        raise CaptureError(error.diagnostics) from None
    count = sum(looked.parameters.values())
    if planned != count:
        raise CaptureError(f"the module has {count:,} parameters, its spec {planned:,}")


def facts_of_images(config: Mapping[str, Any]) -> dict[str, Any]:
    """What a module doesn't know: classes by their numbers, pixels as they are."""
    channels, classes = config["channels"], config["classes"]
    names = [str(number) for number in range(classes)]
    return {"classes": names, "mean": [0.0] * channels, "deviation": [1.0] * channels}


def convert(files: Mapping[str, str], plan: Plan, looked: Looked, line: Line, to: Path) -> Compared:
    """Compares both with drawn weights, and writes the module's own.

    CaptureError if they differ.
    """
    import torch

    values = dict(open_tensors((looked.drawn,)))
    with imported_modules(files, NEEDED) as (module, checkpoint):
        torch.manual_seed(0)
        model = module.Model(module.Config()).eval()
        names = pairs_of(line, model)
        compared = compare(model, names, values)
        if max(compared.scores, compared.gradients) > LARGEST:
            message = (
                f"scores differ by {compared.scores:.1g} of the largest, and gradients by "
                f"{compared.gradients:.1g}"
            )
            raise CaptureError(message)
        fill(model, names, open_tensors((looked.made,)))
        own = {f"model.{name}": t for name, t in checkpoint.weights(model).items()}
        config = {field: getattr(model.config, field) for field in vars(model.config)}
        checkpoint.write_checkpoint(to / FILE, own, {"config": config})
    if plan.task.name in NAMED_CLASSES:
        (to / IMAGES).write_text(json.dumps(facts_of_images(config), indent=2) + "\n")
    record = {
        "class": looked.owner,
        "spec_digest": plan.spec_digest,
        "digests": {FILE: digest(to / FILE)},
        "keys": names,
    }
    (to / RECORD).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    return compared
