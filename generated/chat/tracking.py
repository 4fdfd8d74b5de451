# Made from specs/chat.yaml; make it again: tgen build specs/chat.yaml
"""A run's figures as they come in TensorBoard, or in Weights & Biases."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path

from .log import Log
from .options import Options

Tracker = Callable[[int, dict[str, float]], None]  # of a step and its figures, by their names


def check_installed(package: str) -> None:
    if package and find_spec(package) is None:
        raise ValueError(f"--report {package} needs the {package} package: pip install {package}")


@contextmanager
def tracked(log: Log, options: Options, step: int) -> Iterator[None]:
    """Has a log hand on what it gets to what --report names; a resumed run goes on in its series.

    The first rank's alone: others have no file.
    """
    if not options.report or log.path == Path(os.devnull):
        yield
    elif options.report == "tensorboard":
        with tensorboard(log.path.parent, step) as log.tracker:
            yield
    else:
        with wandb_run(log.path.parent, options) as log.tracker:
            yield


@contextmanager
def tensorboard(out: Path, step: int) -> Iterator[Tracker]:
    """Event files in OUT/tensorboard; what an earlier run wrote after the step counts no more."""
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(str(out / "tensorboard"), purge_step=step + 1) as writer:

        def track(step: int, figures: dict[str, float]) -> None:
            for name, value in figures.items():
                writer.add_scalar(name, value, step)
            writer.flush()

        yield track


@contextmanager
def wandb_run(out: Path, options: Options) -> Iterator[Tracker]:
    """A run of the package's project; OUT/wandb_id says which, for one that is resumed."""
    import wandb

    mark = out / "wandb_id"
    if not (options.resume and mark.exists()):
        mark.write_text(uuid.uuid4().hex[:8])
    try:
        run = wandb.init(
            project="chat",
            name=out.name,
            id=mark.read_text(),
            resume="allow",
            dir=out,
            config=asdict(options),
        )
    except wandb.Error as error:
        raise ValueError(f"--report wandb: {error}") from None
    with run:
        yield lambda step, figures: run.log(figures, step=step)
