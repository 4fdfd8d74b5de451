"""A file of torchvision's, timm's or another library's weights: of which architecture they are."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from codegen.errors import CheckpointError, SpecError
from codegen.frozen import frozen
from codegen.importers.architectures import known_architectures, mapping_of
from codegen.importers.config import Config
from codegen.importers.libraries import LIBRARIES
from codegen.importers.module_lists import Shapes, ends_of, may_have_blocks
from codegen.importers.network_text import network_text
from codegen.importers.tensors import PICKLES
from codegen.importers.translate import translate
from codegen.plan import Plan, lower
from codegen.plan.module_names import ModuleNames
from codegen.quoting import short
from codegen.spec import load_text

if TYPE_CHECKING:
    from torch import Tensor

SUFFIXES = (".safetensors", *PICKLES)
MOST_NAMED = 8
KERNEL = ("outputs", "inputs", "height", "width")
CLASSES = 1000  # where tensors don't say
COUNT = "num_batches_tracked"


@frozen
class Recognised:
    """An architecture with the numbers that a file's tensors have."""

    library: str
    name: str  # of the architecture
    family: str  # of the mapping file
    spec: dict[str, Any]


def state_file(path: Path, allow_pickle: bool) -> tuple[Path, ...]:
    """The file, if it is one of weights that may be read; CheckpointError says why not."""
    if path.suffix not in SUFFIXES:
        message = f"{path} is no file of weights: {', '.join(SUFFIXES)}, or a folder"
        raise CheckpointError(message)
    if path.suffix in PICKLES and not allow_pickle:
        raise CheckpointError(
            f"{path}: a pickle may run code when it is read",
            "get a .safetensors file, or say --allow-pickle (it is read with weights_only)",
        )
    return (path,)


def recognised(tensors: Mapping[str, Tensor], said: str, image: int | None) -> Recognised:
    """The architecture of these tensors: the one that is said, or the one that has them all."""
    shapes = {name: tuple(tensors[name].shape) for name in tensors}
    if said:
        library, family = _known(said)
        return _fitted(library, family, said.partition(":")[2], shapes, image)
    found = _candidates(shapes, image)
    if not found:
        some = ", ".join(short(name) for name in [*shapes][:MOST_NAMED])
        message = f"no known architecture has these {len(shapes):,} tensors: {some}, ..."
        raise CheckpointError(message, "say which it is meant to be: --as torchvision:resnet18")
    first = found[0]
    others = [one for one in found[1:] if _computes(one) != _computes(first)]
    if others:
        names = " or ".join(f"{one.library}:{one.name}" for one in (first, *others))
        message = f"the tensors fit {names}, which compute different things"
        raise CheckpointError(message, f"say which it is: --as {first.library}:{first.name}")
    return first


def _known(said: str) -> tuple[str, str]:
    known = known_architectures()
    if said in known:
        return known[said]
    near = difflib.get_close_matches(said, known, n=3, cutoff=0.4)
    nearest = f"nearest: {', '.join(near)}; " if near else ""
    hint = f"{nearest}{len(known)} are known: docs/importing.md says how to add one"
    raise CheckpointError(f"no architecture `{short(said)}`", hint)


def _candidates(shapes: Shapes, image: int | None) -> list[Recognised]:
    """Those whose tensors have the same names and shapes."""
    found: list[Recognised] = []
    for said, (library, family) in known_architectures().items():
        weights = mapping_of(library, family).weights
        if ends_of(weights["modules"], shapes) is None:
            continue
        name = said.partition(":")[2]
        spec = spec_of(library, family, name, _fields(library, family, name, shapes, image))
        if may_have_blocks(weights, spec["model"], shapes):
            with suppress(CheckpointError):
                found.append(_fitted(library, family, name, shapes, image))
    return found


def _fields(
    library: str, family: str, name: str, shapes: Shapes, image: int | None
) -> dict[str, Any]:
    """Those of an architecture, with as many classes and channels as the tensors have."""
    mapping = mapping_of(library, family)
    fields = dict(mapping.fields[name])
    if image is not None:
        fields["image"] = image
    ends = ends_of(mapping.weights["modules"], shapes)
    if ends:
        first, last = (shapes.get(one, ()) for one in ends)
        fields["classes"] = last[0] if last else CLASSES
        if len(first) == len(KERNEL) and first != last:
            fields["channels"] = first[1]
    return fields


def _fitted(library: str, family: str, name: str, shapes: Shapes, image: int | None) -> Recognised:
    """The architecture of these tensors; CheckpointError if they are not its own."""
    spec = spec_of(library, family, name, _fields(library, family, name, shapes, image))
    plan = _plan(spec)
    given = {name: shape for name, shape in shapes.items() if _is_part(name, plan)}
    _refuse_misfits(f"{library}:{name}", _shapes(plan), given)
    return Recognised(library, name, family, spec)


def spec_of(library: str, family: str, name: str, fields: dict[str, Any]) -> dict[str, Any]:
    """What an architecture says as a spec, without a name."""
    mapping = mapping_of(library, family)
    spec = translate(Config(f"{library}:{name}", "", fields, {}), mapping).spec
    size, channels = fields.get("image", mapping.defaults["image"]), fields.get("channels", 3)
    image = size if channels == 3 else {"size": size, "channels": channels}
    model = {"image": image, "classes": fields.get("classes", CLASSES), **spec["model"]}
    data = dict(spec.get("data", {}))
    if channels != len(data.get("mean", ())):  # those of other pictures
        data = {key: value for key, value in data.items() if key not in ("mean", "deviation")}
    parts = {"family": "network", **spec, "data": data, "model": model}
    return {key: part for key, part in parts.items() if part != {}}


def _plan(spec: dict[str, Any]) -> Plan:
    try:
        return lower(load_text(network_text("network", spec, "an architecture"), "network.yaml"))
    except SpecError as error:
        raise CheckpointError(error.diagnostics) from None


def _shapes(plan: Plan) -> dict[str, tuple[int, ...]]:
    """Theirs of our parameters, in our order, by their names."""
    return {str(row.layout): row.shape for row in plan.model.parameters}


def _is_part(name: str, plan: Plan) -> bool:
    assert isinstance(plan.checkpoint, ModuleNames)
    buffers = ("running_mean", "running_var", COUNT)
    return not name.startswith(plan.checkpoint.left_out or ("\0",)) and not name.endswith(buffers)


def _refuse_misfits(name: str, wanted: Shapes, given: Shapes) -> None:
    """Shapes may differ in axes of one number, which weights.py takes care of."""
    problems = [f"{short(one)} is no part of it" for one in given if one not in wanted]
    problems += [f"{one} is missing" for one in wanted if one not in given]
    for one in wanted.keys() & given.keys():
        if [n for n in wanted[one] if n > 1] != [n for n in given[one] if n > 1]:
            problems.append(f"{one} has shape {[*given[one]]}, not {[*wanted[one]]}")
    if problems:
        more = f" and {len(problems) - MOST_NAMED:,} more" if len(problems) > MOST_NAMED else ""
        raise CheckpointError(f"no {name}: {'; '.join(problems[:MOST_NAMED])}{more}")


def _computes(one: Recognised) -> dict[str, Any]:
    """The network, whosever the names of its weights are."""
    return dict(one.spec["model"])


def title_of(one: Recognised) -> str:
    """What was recognised, as people read it."""
    return f"{one.name}, with {LIBRARIES[one.library].owner} weights"
