# Made from specs/cnn_fashion.yaml; make it again: tgen build specs/cnn_fashion.yaml
"""Checkpoints: one safetensors file each, written whole or not at all."""

from __future__ import annotations

import json
import math
import os
import shutil
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from .digests import digest, digest_of_file, digest_of_tensor
from .layers import shape_like
from .process import RANK, plain

FORMATS = (torch.float32, torch.bfloat16, torch.float16, torch.float64)
BY_DIGEST = {"tensors", "digests", "log"}  # metadata that are never without one


def weights(model: nn.Module) -> dict[str, Tensor]:
    """Parameters, tied ones once, and the buffers that are not recomputed."""
    persistent = model.state_dict().keys()
    buffers = {name: buffer for name, buffer in model.named_buffers() if name in persistent}
    return {**dict(model.named_parameters()), **buffers}


@torch.no_grad()
def load_weights(model: nn.Module, tensors: dict[str, Tensor], path: Path) -> None:
    """Every weight of the model from a checkpoint's tensors; ValueError names what is amiss.

    A model without memory of its own, on the meta device, takes the tensors themselves.
    """
    saved = {name[6:]: tensor for name, tensor in tensors.items() if name.startswith("model.")}
    shape_like(model, saved)
    own = weights(model)
    if odd := saved.keys() ^ own.keys():
        names = ", ".join(map(repr, sorted(odd)))
        raise ValueError(f"{path} and the model don't both have {names:.400}")
    for name, tensor in own.items():
        there, here = list(saved[name].shape), list(tensor.shape)
        if there != here:
            raise ValueError(f"{path} has {name} of shape {there}, the model {here}")
        if (dtype := saved[name].dtype) != tensor.dtype and not {dtype, tensor.dtype} <= {*FORMATS}:
            raise ValueError(f"{path} has {name} as {dtype}, the model as {tensor.dtype}")
    if all(tensor.is_meta for tensor in own.values()):
        by_tensor = {id(tensor): saved[name] for name, tensor in own.items()}
        state = model.state_dict(keep_vars=True)  # where tied tensors stand twice
        taken = {name: by_tensor[id(tensor)] for name, tensor in state.items()}
        model.load_state_dict(taken, assign=True)
        return
    for name, tensor in own.items():
        tensor.copy_(saved[name])


def folder_of(checkpoint: Path) -> Path:
    """Where a checkpoint lies, a run's folder or one file, and what belongs to it."""
    return checkpoint if checkpoint.is_dir() else checkpoint.parent


def checkpoint_in(place: Path) -> Path:
    """The file of a checkpoint: of a run's folder that of its best weights, if it has any."""
    if not place.is_dir():
        return place
    best = place / "best.safetensors"
    return best if best.exists() else place / "checkpoint.safetensors"


def read_metadata(path: Path) -> dict[str, Any]:
    """The config, and what else training noted; ValueError if that is not what was written."""
    if not path.is_file():
        raise ValueError(f"there is no checkpoint {path}")
    try:
        with safe_open(path, framework="pt") as file:
            texts: dict[str, str] = file.metadata() or {}
        written = texts.pop("digest", None)
        metadata = {key: json.loads(text) for key, text in texts.items()}
    except (SafetensorError, ValueError, RecursionError) as error:
        raise ValueError(f"{path} is damaged or no checkpoint: {error!s:.200}") from None
    if written != digest(sorted(texts.items())) and (written or BY_DIGEST & texts.keys()):
        raise ValueError(f"{path} is damaged: its metadata are not those that were written")
    if not isinstance(metadata.get("config"), dict):
        raise ValueError(f"{path} is no checkpoint of this package: it holds no config")
    return metadata


def read_checkpoint(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and metadata; ValueError names a tensor that is not what was written."""
    metadata = read_metadata(path)
    try:
        with safe_open(path, framework="pt") as file:
            names = file.keys()
            tensors = {name: file.get_tensor(name) for name in names}
    except SafetensorError as error:
        raise ValueError(f"{path} is damaged: {error!s:.200}") from None
    if (written := metadata.get("tensors")) is None:
        warn(f"{path} is of an earlier version: it has no digests to be checked by")
        return tensors, metadata
    if odd := sorted(written.keys() ^ tensors.keys()):
        names = ", ".join(map(repr, odd))
        raise ValueError(f"{path} is damaged: it lacks, or has gained, {names:.400}")
    for name, tensor in tensors.items():
        if (now := digest_of_tensor(tensor)) != written[name]:
            what = f"{name} is {now}, and was written as {written[name]}"
            raise ValueError(f"{path} is damaged: {what}")
    return tensors, metadata


def check_kept(path: Path, otherwise: str) -> None:
    """ValueError if a file is no longer what a run left beside its checkpoints."""
    names = ("checkpoint.safetensors", "best.safetensors")  # the last that was written knows best
    beside = next((one for name in names if (one := path.with_name(name)).is_file()), None)
    written = read_metadata(beside).get("digests", {}).get(path.name) if beside else None
    if written and digest_of_file(path) != written:
        what = "is not what the run left there" if path.exists() else "is gone"
        raise ValueError(f"{path} {what}: bring it back, or {otherwise}")


def check_data(saved: dict[str, Any], now: dict[str, str], path: Path, otherwise: str) -> None:
    """ValueError names what is no longer what the run of a checkpoint read."""
    written = saved.get("digests", {})
    if odd := [name for name, value in now.items() if written.get(name, value) != value]:
        raise ValueError(
            f"{path} was trained on other data ({', '.join(odd)}), or they were read with other "
            f"options: bring these back, or {otherwise}"
        )


def check_kinds(saved: dict[str, Any], own: dict[str, Any], path: Path) -> None:
    """Refuses values that are of another kind than this package's own, or no finite numbers."""
    own = json.loads(json.dumps(own))  # a checkpoint has lists for tuples
    if odd := saved.keys() ^ own.keys():
        names = ", ".join(map(repr, sorted(odd)))
        raise ValueError(f"{path} and this package don't both have {names:.400}")
    for name, value in saved.items():
        kinds = (int, float) if type(own[name]) is float else (type(own[name]),)
        if type(value) not in kinds or (isinstance(value, float) and not math.isfinite(value)):
            like = f"{value!r:.60}, not like {own[name]!r:.60}"
            raise ValueError(f"{path} says that {name} is {like}")


def read_json(path: Path) -> Any:
    """What a file says that training has left; ValueError if it is none."""
    if not path.is_file():
        raise ValueError(f"there is no file {path}")
    try:
        found = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is no JSON: {error!s:.200}") from None
    try:
        check_kept(path, "train again")
    except ValueError as error:
        warn(str(error))  # and go on: a person may have renamed classes
    return found


def warn(text: str) -> None:
    if RANK == 0:
        print("warning:", plain(text), file=sys.stderr)


def write_checkpoint(path: Path, tensors: dict[str, Tensor], metadata: dict[str, Any]) -> None:
    """All or nothing: the old file stays until the new one is on the disk."""
    temporary = path.with_suffix(".tmp")
    tensors = {key: tensor.contiguous().cpu() for key, tensor in tensors.items()}
    written = {key: digest_of_tensor(tensor) for key, tensor in tensors.items()}
    texts = {key: json.dumps(value) for key, value in (metadata | {"tensors": written}).items()}
    try:
        write_tensors(temporary, tensors, texts | {"digest": digest(sorted(texts.items()))})
        with temporary.open("r+b") as file:
            sort_metadata(file)
            os.fsync(file.fileno())
        temporary.replace(path)
    except (OSError, SafetensorError) as error:
        raise OSError(
            f"{path} could not be written, what was there is untouched: {error}"
        ) from None
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def new_folder(to: Path) -> Iterator[Path]:
    """A folder to write to, which becomes `to` once all is there."""
    if to.is_symlink() or (to.exists() and not (to.is_dir() and not any(to.iterdir()))):
        raise ValueError(f"{to} is there already: choose another folder")
    staging = to.with_name(f".{to.name}.partial")
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir(parents=True)
    try:
        yield staging
        staging.replace(to)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def write_tensors(path: Path, tensors: dict[str, Tensor], texts: dict[str, str]) -> None:
    """A safetensors file, readable by whom the system says: save_file asks for its owner alone."""
    path.touch()
    mode = path.stat().st_mode
    save_file(tensors, path, texts)
    path.chmod(mode)


def sort_metadata(file: BinaryIO) -> None:
    """save_file has them in any order; sorted, the same checkpoint is the same bytes."""
    size = int.from_bytes(file.read(8), "little")
    header = json.loads(file.read(size))
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode().ljust(size)
    if len(text) == size:
        file.seek(8)
        file.write(text)


def differences(saved: dict[str, Any], now: dict[str, Any]) -> str:
    """The fields that differ, each as "name was -> is"."""
    now = json.loads(json.dumps(now))  # a checkpoint has lists for tuples
    odd = {name: repr(name) for name in saved if name not in now}  # whatever the file says
    names = [name for name in saved | now if saved.get(name) != now.get(name)]
    return ", ".join(
        f"{odd.get(name, name)} {saved.get(name)!r} -> {now.get(name)!r}" for name in names
    )


def optimizer_tensors(
    model: nn.Module, optimizers: Iterable[torch.optim.Optimizer]
) -> dict[str, Tensor]:
    """What the optimizers remember of each parameter, under its name."""
    return {
        f"optimizer.{name}.{field}": value
        for name, parameter in model.named_parameters()
        for optimizer in optimizers
        for field, value in optimizer.state.get(parameter, {}).items()
    }
