# Made from specs/cyclegan_small.yaml; make it again: tgen build specs/cyclegan_small.yaml
"""Train cyclegan_small on pictures of two kinds.

    python -m generated.cyclegan_small.train --data horses/ --target zebras/
    python -m generated.cyclegan_small.train --data both/  # of source/ and target/
    python -m generated.cyclegan_small.train --resume
    torchrun --nproc-per-node 2 -m generated.cyclegan_small.train --resume  # on two devices

OUT receives checkpoint.safetensors (weights, optimizer and options, for --resume), best.safetensors
(the weights of the lowest Frechet distance), held_out.json (the names of the pictures held out),
samples/ (some of them, and what is made of them, at each evaluation), log.jsonl and loss.png.
Ctrl-C finishes the step, saves and stops.

Patches, which images of before are judged and their augmentation are drawn from (seed, step, rank)
alone, so a resumed run repeats the uninterrupted one: bit for bit where the device's kernels are
deterministic, as on a CPU.
"""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn

from .augment import augmented
from .checkpoint import optimizer_tensors, weights, write_checkpoint
from .compare import compared, write_samples
from .data import Domains, Pair, random_batches, read_data, validation_batches
from .digests import mark_of
from .lock import alone_in
from .log import Log, open_log, peak_flops, plot_losses, progress
from .losses import discriminator_loss, fakes_of, generator_loss
from .model import Config, Model
from .optimizers import lr_multiplier, make_optimizers
from .options import Options, parse_options
from .pool import Pool
from .process import RANK, WORLD, failed, start_device, stop_signals, sum_gradients, sum_over_ranks
from .resume import progress_of, restore

# Forward and backward, of Config(); --tiny doesn't show MFU.
FLOPS_PER_IMAGE = 15_566_372_864


# ---- run ----


@dataclass
class Run:
    options: Options
    device: torch.device
    data: Domains
    config: Config
    model: Model
    optimizers: list[torch.optim.Optimizer]
    digests: dict[str, str] = field(default_factory=dict)  # of the data, and of files beside them
    step: int = 0  # steps done
    best: float = math.inf  # lowest Frechet distance
    pool: Pool = field(init=False)  # of images that were made before

    def path(self, name: str) -> Path:
        return Path(self.options.out) / name

    def autocast(self) -> torch.autocast:
        """float32 weights, and bfloat16 where it is safe."""
        auto = self.options.dtype == "auto" and self.device.type == "cuda"
        wanted = auto or self.options.dtype == "bfloat16"
        return torch.autocast(self.device.type, torch.bfloat16, enabled=wanted)


def prepare(options: Options) -> Run:
    out = Path(options.out)
    if (out / "checkpoint.safetensors").exists() and not (options.resume or options.overwrite):
        raise ValueError(f"{out} holds a checkpoint; go on with --resume, or give --overwrite")
    data, config = read_data(options, Config.tiny() if options.tiny else Config())
    device = start_device(options.device)
    torch.manual_seed(options.seed)
    with device:
        model = Model(config)
    model.init_weights()
    run = Run(options, device, data, config, model, make_optimizers(model, options))
    run.pool = Pool(options, config, device)
    run.digests = data.digests()
    if options.resume:
        load(run)
    if options.compile:
        for generator in model.generator.values():
            generator.compile()
        for discriminator in model.discriminator.values():
            discriminator.compile()
    if RANK == 0 and not options.resume:
        out.mkdir(parents=True, exist_ok=True)
        for name in ("checkpoint.safetensors", "best.safetensors", "log.jsonl"):
            (out / name).unlink(missing_ok=True)
    if RANK == 0 and (options.new_data or not options.resume):
        data.save(out)
    return run


def save(run: Run, name: str, *, must: bool = False) -> None:
    """best.safetensors holds the weights, checkpoint.safetensors all that a resumed run needs."""
    if RANK > 0:
        return
    tensors = {f"model.{key}": value for key, value in weights(run.model).items()}
    metadata: dict[str, Any] = {"config": asdict(run.config), "step": run.step, "best": run.best}
    metadata["digests"] = run.digests
    if name == "checkpoint.safetensors":
        metadata |= {"options": asdict(run.options), "log": mark_of(run.path("log.jsonl"))}
        tensors |= optimizer_tensors(run.model, run.optimizers)
        tensors["pool.images"] = run.pool.images
        metadata["pooled"] = run.pool.seen
    try:
        write_checkpoint(run.path(name), tensors, metadata)
    except OSError as error:
        if must:
            raise
        print(f"warning: {error}; training goes on", file=sys.stderr)


def load(run: Run) -> None:
    path = run.path("checkpoint.safetensors")
    tensors, saved = restore(path, run.model, run.optimizers, asdict(run.config))
    run.pool.load(tensors.get("pool.images"), saved.get("pooled"), path)
    run.step, run.best = progress_of(saved, path, run.digests, run.options.new_data)


# ---- training ----


def drawn_batches(run: Run) -> list[Pair]:
    """What both networks see in a step."""
    found = random_batches(run.data, run.options, run.step, RANK, WORLD)
    pairs = []
    for batch in found:
        batch = batch.to(run.device)
        if run.options.augment:
            batch = augmented(batch)
        pairs.append(Pair.of(*batch))
    return pairs


def descend(
    run: Run,
    optimizer: torch.optim.Optimizer,
    lr_scale: float,
    loss_of: Callable[[Model, Pair, Tensor, Options], Tensor],
    batches: list[Pair],
    fakes: list[Tensor],
) -> tuple[Tensor, Tensor]:
    """One update by the mean loss of all ranks: this rank's part of it, and the gradients' norm."""
    count = sum_over_ranks(sum(batch.target_count for batch in batches))
    total = torch.zeros((), device=run.device)
    for batch, fake in zip(batches, fakes, strict=True):
        with run.autocast():
            part = loss_of(run.model, batch, fake, run.options) / count
        torch.autograd.backward(part)
        total += part.detach()
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    sum_gradients(parameters)
    norm = nn.utils.get_total_norm([p.grad for p in parameters if p.grad is not None])
    for group in optimizer.param_groups:
        group["lr"] = group["base_lr"] * lr_scale
    optimizer.step()
    optimizer.zero_grad()
    return total, norm


def train_step(run: Run, lr_scale: float) -> tuple[Tensor, Tensor]:
    """This rank's parts of the mean losses of discriminator and generator, and both norms."""
    seed = np.random.SeedSequence((run.options.seed, run.step, RANK)).generate_state(1)
    torch.manual_seed(int(seed[0]))
    model, (of_discriminator, of_generator) = run.model, run.optimizers
    batches = drawn_batches(run)
    with run.autocast():
        fakes = [fakes_of(model, batch) for batch in batches]
    seen = [run.pool.exchanged(fake.detach()) for fake in fakes]
    told = descend(run, of_discriminator, lr_scale, discriminator_loss, batches, seen)
    model.discriminator.requires_grad_(False)  # which only hands gradients on
    fooled = descend(run, of_generator, lr_scale, generator_loss, batches, fakes)
    model.discriminator.requires_grad_(True)
    run.step += 1
    losses, norms = zip(told, fooled, strict=True)
    return torch.stack(losses), torch.stack(norms)


@torch.no_grad()
def evaluate(run: Run, log: Log) -> None:
    """How far what is made is from real pictures; the weights of the lowest are kept."""
    run.model.eval()
    batches = validation_batches(run.data, run.options, RANK, WORLD)
    with run.autocast():
        figures, samples = compared(run.model, batches, run.device)
    loss = (figures["frechet"] + figures["back_frechet"]) / 2
    if RANK == 0:
        write_samples(samples, run.path(f"samples/{run.step:06}.png"))
    run.model.train()
    lowest = "  (lowest distance so far)" * (loss < run.best)
    log.write(run.step, figures, lowest)
    if loss < run.best:
        run.best = loss
        save(run, "best.safetensors")


def report(
    run: Run, log: Log, losses: list[float], lr: float, norms: list[float], seconds: float
) -> None:
    if not all(map(math.isfinite, losses)):
        raise ValueError(f"losses are {losses} at step {run.step}; try a smaller --lr")
    options = run.options
    images = WORLD * options.accumulation * options.batch
    figures = {"discriminator_loss": losses[0], "generator_loss": losses[1], "lr": lr}
    figures |= {"discriminator_norm": norms[0], "generator_norm": norms[1], "ms": 1e3 * seconds}
    figures["images_per_second"] = images / seconds
    if not options.tiny and (peak := peak_flops(run.device)):
        figures["mfu"] = FLOPS_PER_IMAGE * images / seconds / (peak * WORLD)
    log.write(run.step, figures)


def train(run: Run, log: Log, signals: list[int]) -> None:
    """Steps to the end, or to the first signal that any rank gets."""
    options = run.options
    intervals = (options.log_every, options.eval_every, options.checkpoint_every)
    since, timed = time.perf_counter(), run.step
    for step in progress(run.step, options.steps):
        lr_scale = lr_multiplier(step, options)
        loss, norm = train_step(run, lr_scale)
        ended, stopped = run.step == options.steps, sum_over_ranks(len(signals)) > 0
        logs, evaluates, saves = (ended or run.step % every == 0 for every in intervals)
        if logs or step == 0:
            losses = [sum_over_ranks(part) for part in loss.tolist()]
            seconds = (time.perf_counter() - since) / (run.step - timed)
            report(run, log, losses, options.lr * lr_scale, norm.tolist(), seconds)
        if evaluates:
            evaluate(run, log)
        if saves or stopped:
            save(run, "checkpoint.safetensors", must=ended or stopped)
        if stopped:
            break
        if logs or evaluates or saves or step == 0:
            since, timed = time.perf_counter(), run.step


def main(arguments: list[str] | None = None) -> int:
    if RANK > 0:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # the first rank speaks for all
    try:
        options = parse_options(arguments)
        alone = alone_in(Path(options.out)) if RANK == 0 else nullcontext()
        with alone, stop_signals() as signals:
            run = prepare(options)
            path = run.path("log.jsonl") if RANK == 0 else Path(os.devnull)
            with open_log(path, run.step, run.options.steps) as log:
                train(run, log, signals)
    except (ValueError, OSError) as error:
        return failed(error)
    if WORLD > 1:
        dist.destroy_process_group()
    if run.step < run.options.steps:
        print(f"stopped at step {run.step}, saved in {run.options.out}; go on with --resume")
        return 130
    if RANK == 0:
        plot_losses(run.path("log.jsonl"), run.path("loss.png"))
    best = run.path("best.safetensors")
    print(f"best Frechet distance {run.best:.4f}, with the weights in {best}")
    for remark in run.data.remarks():
        print(remark)
    return 0


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    if WORLD > 1:  # gloo's threads can outlive the interpreter and abort it (pytorch#179291)
        os._exit(code)
    sys.exit(code)
