"""The tensors of a sentence-transformers folder whose dense layer lies beside its model's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from codegen.errors import CheckpointError
from codegen.frozen import frozen

if TYPE_CHECKING:
    from torch import Tensor

PLACE = "sentence_dense."  # of its tensors among a model's, as mappings name them


@frozen
class WithDense(Mapping[str, "Tensor"]):
    """A model's tensors, and then those of the layer, under names that begin with `start`."""

    model: Mapping[str, Tensor]
    dense: Mapping[str, Tensor]
    start: str

    def __getitem__(self, name: str) -> Tensor:
        own = name.startswith(self.start)
        return self.dense[name.removeprefix(self.start)] if own else self.model[name]

    def __iter__(self) -> Iterator[str]:
        yield from self.model
        yield from (self.start + name for name in self.dense)

    def __len__(self) -> int:
        return len(self.model) + len(self.dense)


def with_dense(
    model: Mapping[str, Tensor], dense: Mapping[str, Tensor], prefix: str
) -> Mapping[str, Tensor]:
    """Both as one checkpoint, whose model's names all begin with the prefix or none does."""
    full = any(name.startswith(prefix) for name in model)
    return WithDense(model, dense, (prefix if full else "") + PLACE) if dense else model


def dense_file(folder: Path, *, allow_pickle: bool) -> Path:
    """The file of a dense layer's weights; CheckpointError if there is none that may be read."""
    for name in ("model.safetensors", "pytorch_model.bin")[: 1 + allow_pickle]:
        if (folder / name).is_file():
            return folder / name
    pickled = (folder / "pytorch_model.bin").is_file()
    message = "only a pickle, which may run code when it is read" if pickled else "no weights"
    hint = "get the .safetensors file, or say --allow-pickle" if pickled else None
    raise CheckpointError(f"{folder}: {message}", hint)
