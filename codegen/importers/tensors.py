"""The tensors of a checkpoint folder by name, read one at a time."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from codegen.errors import CheckpointError
from codegen.quoting import short

if TYPE_CHECKING:
    from torch import Tensor

INDEX = "model.safetensors.index.json"
LARGEST = 50_000_000  # bytes of it
LONGEST = 255  # characters of a file's name
PICKLES = (".pth", ".pt", ".bin")
NAMED = 5  # tensors or files in a message
Moved = Callable[[int, int, str], None]  # the file that is being read, of how many, its name


class Tensors(Mapping[str, "Tensor"]):
    """Tensors that lie in one or several safetensors files, of which one is open at a time.

    A tensor is a view of its file: what is not read of it takes no memory.
    """

    def __init__(self, files: Mapping[str, Path], moved: Moved | None = None) -> None:
        self.files = dict(files)  # each tensor's file, in the files' order
        self.moved = moved
        self.order = list(dict.fromkeys(self.files.values()))
        self.path: Path | None = None
        self.file: Any = None

    def __getitem__(self, name: str) -> Tensor:
        from safetensors import SafetensorError

        path = self.files[name]
        if path != self.path:
            self.file, self.path = _opened(path).__enter__(), path
        try:
            tensor: Tensor = self.file.get_tensor(name)
        except SafetensorError as error:  # a number format that torch doesn't have
            raise CheckpointError(f"{path}: {short(name, LONGEST)}: {error}") from None
        return tensor

    def __iter__(self) -> Iterator[str]:
        path = None
        for name, there in self.files.items():
            if there != path:
                path = there
                if self.moved:
                    self.moved(self.order.index(path) + 1, len(self.order), path.name)
            yield name

    def __len__(self) -> int:
        return len(self.files)


def weight_files(folder: Path, allow_pickle: bool = False) -> tuple[Path, ...]:
    """The files that hold a folder's weights, none if it holds only a config.

    CheckpointError where a shard is missing, or where there are only pickles, which may hold code.
    """
    if (folder / INDEX).is_file():
        shards = sorted(set(_index(folder / INDEX).values()))
        there = {path.name for path in folder.iterdir() if path.is_file()}
        if missing := [name for name in shards if name not in there]:
            raise CheckpointError(
                f"{folder / INDEX}: {len(missing)} of {len(shards)} files are missing: "
                + _named(missing),
                "download the checkpoint again",
            )
        return tuple(folder / name for name in shards)
    if (folder / "model.safetensors").is_file():
        return (folder / "model.safetensors",)
    others = tuple(sorted(folder.glob("*.safetensors")))
    if others:
        names = _named([path.name for path in others])
        raise CheckpointError(f"{folder}: which weights? There are {names}, but no {INDEX}")
    pickles = tuple(sorted(folder.glob("pytorch_model*.bin")))
    if pickles and not allow_pickle:
        raise CheckpointError(
            f"{pickles[0]}: a pickle may run code when it is read",
            "get the .safetensors files, or say --allow-pickle (it is read with weights_only)",
        )
    return pickles


def has_weights(folder: Path) -> bool:
    """Whether a folder holds any, in whatever state."""
    kinds = ("*.safetensors", INDEX, "pytorch_model*.bin")
    return any(True for kind in kinds for _ in folder.glob(kind))


def _index(path: Path) -> dict[str, str]:
    """Each tensor's file, which lies in the same folder."""
    try:
        if path.stat().st_size > LARGEST:
            raise CheckpointError(f"{path}: larger than {LARGEST:,} bytes")
        found = json.loads(path.read_text(encoding="utf-8"))["weight_map"]
        names: dict[str, str] = dict(found)
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        raise CheckpointError(f"{path}: not an index of safetensors files") from None
    if not names:
        raise CheckpointError(f"{path}: it lists no tensors")
    for file in names.values():
        if not isinstance(file, str) or len(file) > LONGEST or os.path.basename(file) != file:
            raise CheckpointError(
                f"{path}: {short(str(file), LONGEST)} is not a file of this folder"
            )
    return names


def _named(names: list[str]) -> str:
    """A few names, and how many more there are."""
    more = f" and {len(names) - NAMED:,} more" if len(names) > NAMED else ""
    return ", ".join(short(name, LONGEST) for name in names[:NAMED]) + more


def open_tensors(files: tuple[Path, ...], moved: Moved | None = None) -> Mapping[str, Tensor]:
    """All tensors of these files, lazily; CheckpointError if one can't be read."""
    if files and files[0].suffix in PICKLES:
        return _unpickled(files)
    places: dict[str, Path] = {}
    for path in files:
        with _opened(path) as file:
            names: list[str] = file.keys()
            for name in names:
                if name in places:
                    raise CheckpointError(
                        f"{path}: {short(name, LONGEST)} is also in {places[name].name}"
                    )
                places[name] = path
    index = files[0].parent / INDEX if files else Path(INDEX)
    if index.is_file() and (odd := sorted(_index(index).keys() ^ places.keys())):
        raise CheckpointError(f"{index}: it and its files don't both have {_named(odd)}")
    return Tensors(places, moved)


def _opened(path: Path) -> AbstractContextManager[Any]:
    from safetensors import SafetensorError, safe_open

    try:
        opened: AbstractContextManager[Any] = safe_open(path, framework="pt")
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path}: damaged, or no safetensors file: {error}") from None
    return opened


def _unpickled(files: tuple[Path, ...]) -> dict[str, Tensor]:
    import pickle
    import zipfile

    import torch

    found: dict[str, Tensor] = {}
    for path in files:
        try:
            zipped = zipfile.is_zipfile(path)  # what torch wrote before 1.6 can't be mapped
            here = torch.load(path, map_location="cpu", weights_only=True, mmap=zipped)
        except (RuntimeError, pickle.UnpicklingError, OSError, TypeError) as error:
            reason = str(error).partition("\n")[0]
            raise CheckpointError(f"{path}: can't be read as weights: {reason}") from None
        rows = here.items() if isinstance(here, dict) else [(None, None)]
        if not all(isinstance(name, str) and torch.is_tensor(value) for name, value in rows):
            raise CheckpointError(
                f"{path}: can't be read as weights: it holds something else",
                "tensors by name are read: torch.save(model.state_dict(), ...)",
            )
        found |= here
    return found
