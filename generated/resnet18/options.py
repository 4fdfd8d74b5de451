# Made from specs/resnet18.yaml; make it again: tgen build specs/resnet18.yaml
"""The options of a training run, and the command line made from them."""

from __future__ import annotations

import argparse
import textwrap
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, get_args, get_type_hints

import numpy as np

from .checkpoint import check_kept, check_kinds, differences, read_metadata
from .process import MOST, HelpFormatter, check_text, flag_of

BEGINNINGS = ("from_", "grow")  # options that say how a run begins


@dataclass(frozen=True)
class Options:
    data: Annotated[
        str, "a folder of one folder per class, or of train/ and val/ with these, .npz or IDX files"
    ] = ""
    validation: Annotated[
        float, "fraction of the images held out, where they have no split of their own"
    ] = 0.1
    workers: Annotated[int, "threads that decode pictures"] = 4
    out: Annotated[str, "folder for checkpoints and logs"] = "out/resnet18"
    resume: Annotated[bool, "go on from OUT; options not given are the saved ones"] = False
    overwrite: Annotated[bool, "start afresh although OUT holds a checkpoint"] = False
    from_: Annotated[str, "weights to start from: of a run, of one file, or imported ones"] = ""
    grow: Annotated[
        bool, "with --from: rows of tables that the weights lack are the mean of theirs"
    ] = False
    new_data: Annotated[bool, "with --resume: although the data have changed"] = False
    tiny: Annotated[bool, "train Config.tiny(), to try things out"] = False
    device: Annotated[str, "auto, cpu, cuda, ..."] = "auto"
    dtype: Annotated[str, "auto (bfloat16 on cuda), float32 or bfloat16"] = "auto"
    compile: Annotated[bool, "compile the model"] = False
    seed: Annotated[int, "of the first weights and of all that is drawn"] = 1337
    batch: Annotated[int, "images per micro-batch, on each rank"] = 256
    accumulation: Annotated[int, "micro-batches per step"] = 1
    steps: Annotated[int, "steps of the whole run"] = 450_000
    lr: Annotated[float, "peak learning rate"] = 0.001
    beta1: Annotated[float, "decay of AdamW's first moment"] = 0.9
    beta2: Annotated[float, "decay of AdamW's second moment"] = 0.95
    eps: Annotated[float, "of AdamW"] = 1e-8
    weight_decay: Annotated[float, "of AdamW, on matrices and embeddings"] = 0.05
    clip: Annotated[float, "largest norm of the gradients"] = 1.0
    warmup: Annotated[int, "steps of linear warm-up"] = 5000
    min_lr_ratio: Annotated[float, "last learning rate / peak"] = 0.0
    decay_fraction: Annotated[float, "fraction of the run, its end, in which the rate decays"] = 1.0
    report: Annotated[str, "tensorboard or wandb, which then show the figures, too"] = ""
    log_every: Annotated[int, "steps from one log line to the next"] = 10
    eval_every: Annotated[int, "steps from one validation to the next"] = 500
    eval_batches: Annotated[
        int, "of a validation, the same each time, of all ranks together; 0: all there are"
    ] = 200
    patience: Annotated[
        int, "validations without improvement after which a run ends; 0: it goes on"
    ] = 0
    checkpoint_every: Annotated[int, "steps from one checkpoint to the next"] = 500

    def __post_init__(self) -> None:
        may_be_zero = ("seed", "warmup", "eval_batches", "patience")
        fractions = ("beta1", "beta2", "min_lr_ratio", "decay_fraction")  # from 0 to 1
        for name, value in asdict(self).items():
            least = int(type(value) is int and name not in may_be_zero)
            most = 1 if name in fractions else MOST - 1
            flag = flag_of(name)
            if isinstance(value, int | float) and not least <= value <= most:
                raise ValueError(f"{flag} can't be {value}")
            if isinstance(value, str):
                check_text(flag, value)
        if self.dtype not in ("auto", "float32", "bfloat16"):
            raise ValueError(f"--dtype is {self.dtype!r}, not auto, float32 or bfloat16")
        if self.report not in ("", "tensorboard", "wandb"):
            raise ValueError(f"--report is {self.report!r}, not tensorboard or wandb")

    def measured(self, count: int, world: int) -> np.ndarray:
        """Which of so many rows a validation sees: all, or --eval-batches full from all over."""
        most = -(-self.eval_batches // world) * world * self.batch
        return np.arange(count) if not 0 < most < count else np.arange(most) * count // most


def command_line() -> argparse.ArgumentParser:
    """An argument for each field of Options."""
    parser = argparse.ArgumentParser(
        prog=f"python -m {__package__}.train",
        usage="%(prog)s [options]",
        description="Train resnet18 on images.",
        epilog="example: %(prog)s --data images/",
        formatter_class=HelpFormatter,
    )
    groups = {
        "data": "data",
        "out": "run",
        "batch": "steps",
        "lr": "optimization",
        "log_every": "logs and checkpoints",
    }
    for name, hint in get_type_hints(Options, include_extras=True).items():
        kind, text = get_args(hint)
        flag, default = flag_of(name), getattr(Options, name)
        how = {"action": argparse.BooleanOptionalAction} if kind is bool else {"type": kind}
        if name in groups:
            group = parser.add_argument_group(groups[name])
        group.add_argument(flag, dest=name, default=default, help=text, **how)
    return parser


def defaults_by(given: argparse.Namespace) -> dict[str, int | str]:
    """Other defaults, by what is given."""
    found: dict[str, int | str] = {}
    if given.steps < Options.steps:
        found["warmup"] = min(Options.warmup, given.steps // 10)
    return found


def parse_options(arguments: list[str] | None) -> Options:
    """The options given, else those of the run to resume, else the defaults."""
    parser = command_line()
    given = parser.parse_args(arguments)
    if given.resume:
        path = Path(given.out) / "checkpoint.safetensors"
        saved = read_metadata(path).get("options")
        if not isinstance(saved, dict):
            raise ValueError(f"{path} is of no run: choose another --out, and start with --from")
        check_kinds(asdict(Options()) | saved, vars(given), path)
        for name in BEGINNINGS:
            if (said := getattr(given, name)) and said != saved.get(name):
                raise ValueError(f"{flag_of(name)} is for a run that begins: leave out --resume")
        saved |= {"out": given.out, "resume": True, "overwrite": False, "new_data": False}
        parser.set_defaults(**saved)
        given = parser.parse_args(arguments)
        for name in () if given.new_data else ("images.json",):
            check_kept(path.with_name(name), "go on with what is there by --new-data")
        print(f"resuming {path}")
        changes = f"changed options: {differences(saved, vars(given)) or 'none'}"
        print(textwrap.fill(changes, 79, subsequent_indent="  ", break_long_words=False))
    elif not given.from_ and (odd := [name for name in BEGINNINGS if getattr(given, name)]):
        what = "is for a run that starts from weights: give --from, too"
        raise ValueError(f"{flag_of(odd[0])} {what}")
    elif given.new_data:
        raise ValueError("--new-data is for a run that goes on: give --resume with it")
    else:
        parser.set_defaults(**defaults_by(given))
        given = parser.parse_args(arguments)
    if 0 < given.steps < given.warmup:
        raise ValueError(f"--warmup {given.warmup} is longer than the run of {given.steps} steps")
    if not given.data:
        raise ValueError("say with --data what to train on")
    return Options(**vars(given))
