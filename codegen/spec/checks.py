"""What no spec of any family can say, of its name, training and target. One function a rule."""

from __future__ import annotations

import importlib.util
import keyword
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from codegen.importers.libraries import HUGGINGFACE, LIBRARIES, families
from codegen.spec.close_words import suggestion
from codegen.spec.head import SpecHead
from codegen.spec.mistake import Mistake
from codegen.spec.optimizers import SGD
from codegen.spec.schedules import OneCycle, Steps
from codegen.spec.techniques.distill import check_distill
from codegen.spec.techniques.factor import check_factor
from codegen.spec.techniques.prune import check_prune
from codegen.spec.techniques.quantize import check_quantize
from codegen.spec.yaml.characters import word

MAX_NAME = 80
NAME = re.compile(r"[a-z][a-z0-9_]*")  # of a package, and of what has a class
TARGETS = Path(__file__).parent.parent / "targets"


def check_name(name: str) -> Iterator[Mistake]:
    """A package name that can be imported and hides nothing."""
    if len(name) > MAX_NAME:
        message = f"`{word(name)}` has {len(name)} characters, a package name at most {MAX_NAME}"
        yield Mistake(("name",), message, "a shorter `name`")
    elif not NAME.fullmatch(name):
        hint = "lower-case letters, digits and `_`, beginning with a letter"
        yield Mistake(("name",), f"`{word(name)}` can't be a package name", hint)
    elif keyword.iskeyword(name) or keyword.issoftkeyword(name):
        yield Mistake(("name",), f"`{name}` is a Python keyword", f"for example `{name}_model`")
    elif _is_module(name):
        message = f"`{name}` is the name of an installed module"
        yield Mistake(("name",), message, f"for example `{name}_model`")


def _is_module(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ValueError:  # imported, but by hand
        return True


def check_schedule(spec: SpecHead) -> Iterator[Mistake]:
    """The warm-up ends before the run does, and rates fall in order."""
    schedule, steps = spec.train.schedule, spec.train.steps
    if isinstance(schedule, Steps) and schedule.milestones != sorted(set(schedule.milestones)):
        message = "the rate falls at one milestone after the other, and these are not in order"
        yield Mistake(("train", "schedule", "milestones"), message)
    if isinstance(schedule, OneCycle) or spec.train.epochs:
        return
    if "warmup" in schedule.model_fields_set and schedule.warmup > steps:
        message = f"{schedule.warmup} steps of warm-up in a run of {steps}"
        hint = None if "steps" in spec.train.model_fields_set else "say `steps` too"
        yield Mistake(("train", "schedule", "warmup"), message, hint)


def check_length(spec: SpecHead) -> Iterator[Mistake]:
    """A run is so many steps long, or so many passes over its data."""
    if spec.train.epochs and "steps" in spec.train.model_fields_set:
        message = "the run is said to be so many `steps` long, and so many `epochs`"
        yield Mistake(("train", "epochs"), message, "drop one of them")


def check_optimizer(spec: SpecHead) -> Iterator[Mistake]:
    """Nesterov's gradient is further on by the momentum."""
    optimizer = spec.train.optimizer
    if isinstance(optimizer, SGD) and optimizer.nesterov and not optimizer.momentum:
        message = "Nesterov's gradient is taken where the momentum leads to, and there is none"
        yield Mistake(("train", "optimizer", "nesterov"), message, "momentum: 0.9")


def check_checkpoint(spec: SpecHead) -> Iterator[Mistake]:
    """The other library's model type is one we have a mapping for."""
    said = [library for library in LIBRARIES.values() if spec.checkpoint.of(library.name)]
    for library in said:
        wanted, known = spec.checkpoint.of(library.name), families(library.name)
        if wanted not in known and not (library.name == HUGGINGFACE and _is_other_head(wanted)):
            hint = suggestion(wanted, known) or "docs/importing.md says how to add one"
            message = f"no mapping for {library.owner} `{word(wanted)}`"
            yield Mistake(("checkpoint", library.name), message, hint)
        elif library.name != HUGGINGFACE and spec.family != "network":
            message = f"{library.owner} {word(wanted)} is a network of plain layers"
            yield Mistake(("checkpoint", library.name), message, "say `family: network`")
    for library in said[1:]:
        message = f"{said[0].title} and {library.title}: a checkpoint is of one library"
        yield Mistake(("checkpoint", library.name), message, "drop one of them")
    for field in ("skipped_layers", "language"):
        if getattr(spec.checkpoint, field) and spec.checkpoint.huggingface is None:
            message = f"`{field}` means nothing without `huggingface`"
            yield Mistake(("checkpoint", field), message, "drop it, or say `huggingface`")
    if spec.checkpoint.skipped_layers and spec.task == "seq2seq-lm":
        message = "which of two stacks has the skipped layers is not known"
        yield Mistake(("checkpoint", "skipped_layers"), message)


def _is_other_head(wanted: str) -> bool:
    """Whether a name such as `bert.embedding` follows from the mapping of its type."""
    from codegen.importers.mapping import other_heads  # which reads specs' own YAML

    model_type, dot, _ = wanted.partition(".")
    return bool(dot) and wanted in other_heads(model_type)


def check_target(spec: SpecHead) -> Iterator[Mistake]:
    """The device is described, and of the kind that the target says."""
    arch = spec.target.arch
    known = sorted(path.stem for path in TARGETS.glob("*.yaml"))
    if arch is not None and arch not in known:
        from codegen.spec.hints.devices import device_called  # which right specs never need

        meant = device_called(arch)
        hint = f"did you mean `{meant}`?" if meant else f"known: {', '.join(known)}"
        yield Mistake(("target", "arch"), f"no device `{word(arch)}`", hint)


CHECKS: tuple[Callable[[SpecHead], Iterator[Mistake]], ...] = (
    check_schedule,
    check_length,
    check_optimizer,
    check_checkpoint,
    check_target,
    check_distill,
    check_factor,
    check_prune,
    check_quantize,
)
