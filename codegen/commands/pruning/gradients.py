"""What a run's loss says of its weights: weight times gradient, on batches of its own data."""

from __future__ import annotations

import contextlib
import io
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from codegen.errors import CheckpointError
from codegen.importers.convert import imported_modules

if TYPE_CHECKING:
    from torch import Tensor


def products(
    files: Mapping[str, str], checkpoint: Path, data: Sequence[str], batches: int
) -> Iterator[dict[str, Tensor]]:
    """Of each parameter by name, for each batch of training; the package is that of `files`.

    The run that a checkpoint is of says how its data are read, and `data` which others are.
    CheckpointError if it says nothing, or they can't be read.
    """
    parts = ("run", "options", "train", "data", "checkpoint")
    with imported_modules(files, parts) as modules, tempfile.TemporaryDirectory() as folder:
        module, options, train, read, kept = modules
        try:
            said = kept.read_metadata(kept.folder_of(checkpoint) / "checkpoint.safetensors")
            own = _options(options.Options, said.get("options"), data, checkpoint, folder)
            with contextlib.redirect_stdout(io.StringIO()):
                run = module.prepare(own)
            run.model.eval()
            for step in range(batches):
                run.model.zero_grad()
                train.backward(run, read.random_batches(run.data, own, step, 0, 1))
                named = run.model.named_parameters()
                yield {n: (p * p.grad).detach() for n, p in named if p.grad is not None}
        except ValueError as error:
            raise CheckpointError(str(error)) from None


def _options(kind: Any, said: Any, data: Sequence[str], checkpoint: Path, folder: str) -> Any:
    if not isinstance(said, dict):
        message = f"no run says beside {checkpoint} how its data are read"
        raise CheckpointError(message, "say `--by magnitude`, or name a run's folder")
    fields = {name: tuple(v) if isinstance(v, list) else v for name, v in said.items()}
    fields |= {"out": folder, "from_": str(checkpoint), "resume": False, "overwrite": True}
    if data:
        fields["data"] = tuple(data) if isinstance(fields["data"], tuple) else data[0]
    return kind(**fields)
