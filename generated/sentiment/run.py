# Made from specs/sentiment.yaml; make it again: tgen build specs/sentiment.yaml
"""A run of training: what it is made of, how it is kept, and how it goes on from there."""

from __future__ import annotations

import math
import sys
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from .checkpoint import folder_of, optimizer_tensors, read_metadata, weights, write_checkpoint
from .data import Texts, random_batches, read_data
from .digests import digests_of_files, mark_of
from .model import Config, Model
from .options import Options
from .process import RANK, WORLD, check_memory, start_device
from .resume import progress_of, restore
from .start import keep_companions, start_from, widened
from .tracking import check_installed


@dataclass
class Run:
    options: Options
    device: torch.device
    data: Texts
    config: Config
    model: Model
    network: nn.Module  # the model, inside DDP where there are several ranks
    optimizers: list[torch.optim.Optimizer]
    digests: dict[str, str] = field(default_factory=dict)  # of the data, and of files beside them
    step: int = 0  # steps done
    best: float = math.inf  # lowest validation loss
    best_step: int = 0  # when it was measured
    saved: int | None = None  # the step of the last checkpoint
    signals: list[int] = field(default_factory=list)  # that this process has got

    def path(self, name: str) -> Path:
        return Path(self.options.out) / name

    def kept(self) -> str:
        """What is left of a run that did not come to its end."""
        if self.saved is None:
            return "with nothing to save yet"
        at = "" if self.saved == self.step else f" at step {self.saved}"
        return f"saved{at} in {self.options.out}; go on with --resume"

    def out_of_patience(self) -> bool:
        """Whether --patience validations in a row have brought no lower validation loss."""
        every = self.options.eval_every
        return 0 < self.options.patience <= self.step // every - self.best_step // every

    def mixed(self) -> bool:
        """Whether bfloat16 is used where it is safe; weights are float32."""
        auto = self.options.dtype == "auto" and self.device.type == "cuda"
        return auto or self.options.dtype == "bfloat16"

    def autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.mixed())


def make_optimizers(model: Model, options: Options) -> list[torch.optim.Optimizer]:
    """AdamW; weight decay shrinks matrices and embeddings only, not gains and biases."""
    matrices = [p for p in model.parameters() if p.ndim >= 2]
    vectors = [p for p in model.parameters() if p.ndim < 2]
    groups: list[dict[str, Any]] = [
        {"params": matrices, "base_lr": options.lr, "weight_decay": options.weight_decay},
        {"params": vectors, "base_lr": options.lr, "weight_decay": 0.0},
    ]
    betas = (options.beta1, options.beta2)
    return [torch.optim.AdamW(groups, options.lr, betas, options.eps, fused=True)]


def refuse_others(options: Options) -> None:
    """ValueError if OUT holds what a run must not replace."""
    out = Path(options.out)
    path = out / "checkpoint.safetensors"
    starts = options.from_ and not options.resume
    if starts and folder_of(Path(options.from_)).resolve() == out.resolve():
        raise ValueError(f"--from reads what lies in {out}: choose another --out")
    if path.exists() and of_no_run(path):
        raise ValueError(f"{out} holds weights that are of no run: choose another --out")
    if path.exists() and not (options.resume or options.overwrite):
        raise ValueError(f"{out} holds a checkpoint; go on with --resume, or give --overwrite")


def of_no_run(path: Path) -> bool:
    """Whether a checkpoint was imported, or merged, and so is no other's to make again."""
    with suppress(ValueError):  # of a damaged one nothing is known
        return "step" not in read_metadata(path)
    return False


def prepare(options: Options) -> Run:
    out = Path(options.out)
    check_installed(options.report)
    refuse_others(options)
    data, config = read_data(options, Config.tiny() if options.tiny else Config())
    config = widened(config, options)
    one = random_batches(data, replace(options, batch=1, accumulation=1), 0, 0, 1)[0]
    size = 100 + sum(part.nbytes for part in one if isinstance(part, Tensor))  # of a row, at least
    check_memory(size * options.batch * options.accumulation, f"--batch {options.batch}")
    device = start_device(options.device)
    torch.manual_seed(options.seed)
    with device:
        model = Model(config)
    model.init_weights()
    if options.from_ and not options.resume:
        start_from(model, config, options)
    run = Run(options, device, data, config, model, model, make_optimizers(model, options))
    run.digests = data.digests()
    if options.resume:
        load(run)
    if options.compile:
        model.compile()
    if WORLD > 1:
        run.network = DistributedDataParallel(model)
    if RANK == 0 and not options.resume:
        out.mkdir(parents=True, exist_ok=True)
        for name in ("checkpoint.safetensors", "best.safetensors", "log.jsonl"):
            (out / name).unlink(missing_ok=True)
    if RANK == 0 and (options.new_data or not options.resume):
        data.save(out)
    if RANK == 0 and not options.resume:
        keep_companions(options)
    run.digests |= digests_of_files(out, ("tokenizer.json", "classes.json"))
    return run


def save(run: Run, name: str, *, must: bool = False) -> None:
    """best.safetensors holds the weights, checkpoint.safetensors all that a resumed run needs."""
    if RANK > 0:
        return
    tensors = {f"model.{key}": value for key, value in weights(run.model).items()}
    metadata: dict[str, Any] = {"config": asdict(run.config), "step": run.step, "best": run.best}
    metadata |= {"best_step": run.best_step, "digests": run.digests}
    if name == "checkpoint.safetensors":
        metadata |= {"options": asdict(run.options), "log": mark_of(run.path("log.jsonl"))}
        tensors |= optimizer_tensors(run.model, run.optimizers)
    try:
        write_checkpoint(run.path(name), tensors, metadata)
    except OSError as error:
        if must:
            raise
        print(f"warning: {error}; training goes on", file=sys.stderr)
    else:
        if name == "checkpoint.safetensors":
            run.saved = run.step


def load(run: Run) -> None:
    path = run.path("checkpoint.safetensors")
    _, saved = restore(path, run.model, run.optimizers, asdict(run.config))
    run.step, run.best, run.best_step = progress_of(saved, path, run.digests, run.options.new_data)
    run.saved = run.step
