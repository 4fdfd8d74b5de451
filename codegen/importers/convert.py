"""A checkpoint's tensors -> weights in the layout of a generated package, by its own code."""

from __future__ import annotations

import hashlib
import importlib
import itertools
import json
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from codegen.errors import CheckpointError, OutputError
from codegen.frozen import frozen
from codegen.importers.dense import with_dense
from codegen.importers.tensors import Moved, open_tensors

if TYPE_CHECKING:
    from torch import Tensor, dtype, nn

    from codegen.plan import Plan

FILE, RECORD = "checkpoint.safetensors", "weights.json"
_numbers = itertools.count()


@frozen
class ImportedPackage:
    """The modules of a package that was never written."""

    model: ModuleType
    weights: ModuleType
    checkpoint: ModuleType


@contextmanager
def imported(files: Mapping[str, str]) -> Iterator[ImportedPackage]:
    """The model, weights and checkpoint modules of a rendered package, gone again afterwards."""
    with imported_modules(files, ("model", "weights", "checkpoint")) as modules:
        yield ImportedPackage(*modules)


@contextmanager
def imported_modules(
    files: Mapping[str, str], parts: tuple[str, ...]
) -> Iterator[tuple[ModuleType, ...]]:
    """Modules of a rendered package, gone again afterwards."""
    name = f"tgen_import_{next(_numbers)}"
    with tempfile.TemporaryDirectory(prefix="tgen-") as folder:
        for path, text in files.items():
            if path.endswith(".py") and path != "__init__.py":
                Path(folder, path).write_text(text, encoding="utf-8")
        package = sys.modules[name] = ModuleType(name)
        package.__path__ = [folder]
        before, sys.dont_write_bytecode = sys.dont_write_bytecode, True
        try:
            importlib.invalidate_caches()
            yield tuple(importlib.import_module(f"{name}.{part}") for part in parts)
        finally:
            sys.dont_write_bytecode = before
            for module in [one for one in sys.modules if one.partition(".")[0] == name]:
                del sys.modules[module]


@contextmanager
def staged(folder: Path) -> Iterator[Path]:
    """A folder to write to, which `keep` puts where `folder` is; gone afterwards if it doesn't."""
    staging = folder.with_name(f".{folder.name}.partial")
    above = [one for one in (folder.parent, *folder.parent.parents) if not one.exists()]
    shutil.rmtree(staging, ignore_errors=True)
    try:
        staging.mkdir(parents=True)
        yield staging
    except OSError as error:
        raise OutputError(f"{folder} can't be written: {error}") from None
    finally:
        shutil.rmtree(staging, ignore_errors=True)
        for made in above:
            if made.is_dir() and not any(made.iterdir()):
                made.rmdir()


def keep(staging: Path, folder: Path) -> None:
    """Put a staged folder in its place, instead of what is there."""
    old = folder.with_name(f".{folder.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        folder.rename(old)
    staging.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def convert(
    package: ImportedPackage,
    plan: Plan,
    files: tuple[Path, ...],
    to: Path,
    moved: Moved | None = None,
    dense: Path | None = None,
) -> dict[str, Any]:
    """Writes checkpoint.safetensors and weights.json to a folder.

    `dense` holds the weights of a layer beside the model's. Returns what weights.json says.
    CheckpointError where the tensors don't fit the model.
    """
    layer = open_tensors((dense,)) if dense else {}
    prefix = plan.checkpoint.prefix if plan.checkpoint else ""
    check_fit(package, plan, with_dense(open_tensors(files), layer, prefix), files[0].parent)
    tensors = with_dense(open_tensors(files, moved), layer, prefix)
    model = empty_model(package, plan, tensors)
    loader(package, plan)(model, tensors)
    own = {f"model.{name}": t for name, t in package.checkpoint.weights(model).items()}
    package.checkpoint.write_checkpoint(to / FILE, own, {"config": asdict(package.model.Config())})
    read = set(package.weights.names_there(tensors).values())
    record = {
        "model_type": plan.checkpoint.model_type if plan.checkpoint else "",
        "spec_digest": plan.spec_digest,
        "parameters": sum(tensor.numel() for tensor in own.values()),
        "digests": {FILE: digest(to / FILE)},
        "skipped": sorted(tensors.keys() - read),  # by their names: this model reads none of them
        "sources": {path.name: digest(path) for path in files}
        | ({f"{dense.parent.name}/{dense.name}": digest(dense)} if dense else {}),
    }
    (to / RECORD).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    return record


def loader(package: ImportedPackage, plan: Plan) -> Callable[..., None]:
    """What copies a checkpoint of the plan's library into a model of the package."""
    assert plan.checkpoint is not None
    load: Callable[..., None] = getattr(package.weights, f"load_{plan.checkpoint.library.name}")
    return load


def check_fit(
    package: ImportedPackage, plan: Plan, tensors: Mapping[str, Tensor], folder: Path
) -> None:
    """CheckpointError if a checkpoint is not this model's, before its weights take any memory."""
    try:
        loader(package, plan)(model_without_storage(package), tensors)
    except (ValueError, RuntimeError) as error:  # a RuntimeError if no tensor can be so large
        raise CheckpointError(f"{folder}: {error}") from None


def model_without_storage(package: ImportedPackage) -> nn.Module:
    """The model on the meta device, with nothing drawn."""
    import torch

    from codegen.importers.blank import WithoutInit

    with torch.device("meta"), WithoutInit():
        model: nn.Module = package.model.Model(package.model.Config())
    return model


def empty_model(package: ImportedPackage, plan: Plan, tensors: Mapping[str, Tensor]) -> nn.Module:
    """The model with room for its weights in the number formats of the checkpoint."""
    import torch

    model = model_without_storage(package)
    dtypes = dtypes_there(plan, tensors)
    made: dict[int, Tensor] = {}
    state: dict[str, Tensor] = {}
    for name, tensor in model.state_dict(keep_vars=True).items():
        if id(tensor) not in made:  # a tied tensor stands there twice
            kind = dtypes.get(name, tensor.dtype)
            if isinstance(tensor, torch.nn.Parameter):
                room = torch.empty(tensor.shape, dtype=kind, device="cpu")
                made[id(tensor)] = torch.nn.Parameter(room, requires_grad=False)
            else:  # a checkpoint may do without counts of batches
                made[id(tensor)] = torch.zeros(tensor.shape, dtype=kind, device="cpu")
        state[name] = made[id(tensor)]
    model.load_state_dict(state, assign=True)
    return model


def dtypes_there(plan: Plan, tensors: Mapping[str, Tensor]) -> dict[str, dtype]:
    """The number format that each of our parameters has in a checkpoint."""
    assert plan.checkpoint is not None
    prefix = plan.checkpoint.prefix
    second = {first: theirs for theirs, first in plan.checkpoint.tied}
    there = {plan.checkpoint.todays(name): name for name in tensors}
    found = {}
    for parameter in plan.model.parameters:
        name = (parameter.layout or "").replace("{expert}", "0")
        for known in (name, second.get(name, name), name.removeprefix(prefix)):
            if known in there:
                found[parameter.name] = tensors[there[known]].dtype
                break
    return found


def digest(path: Path) -> str:
    """The sha256 of a file."""
    summed = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            summed.update(block)
    return summed.hexdigest()
