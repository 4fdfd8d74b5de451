# Made from specs/wgan_gp_fashion.yaml; make it again: tgen build specs/wgan_gp_fashion.yaml
"""Train wgan_gp_fashion on images.

    python -m generated.wgan_gp_fashion.train --data images/  # pictures, however deep
    python -m generated.wgan_gp_fashion.train --data digits.npz  # an array `images`
    python -m generated.wgan_gp_fashion.train --data mnist/  # IDX files
    python -m generated.wgan_gp_fashion.train --resume
    torchrun --nproc-per-node 2 -m generated.wgan_gp_fashion.train --resume  # on two devices

OUT receives checkpoint.safetensors (weights, optimizer and options, for --resume), best.safetensors
(the weights of the lowest Frechet distance), images.json (the classes' names), samples/ (images of
the same noise at each evaluation), log.jsonl and loss.png. Ctrl-C finishes the step, saves and
stops.

Batches and noise are drawn from (seed, step, rank) alone, so a resumed run repeats the
uninterrupted one: bit for bit where the device's kernels are deterministic, as on a CPU.
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

import torch
import torch.distributed as dist
from torch import Tensor, nn

from .checkpoint import optimizer_tensors, weights, write_checkpoint
from .data import Batch, Images, random_batches, read_data, validation_batches
from .digests import digests_of_files, mark_of
from .lock import alone_in
from .log import Log, open_log, peak_flops, plot_losses, progress
from .losses import discriminator_loss, fakes_of, generator_loss
from .model import Config, Model
from .optimizers import lr_multiplier, make_optimizers
from .options import Options, parse_options
from .process import RANK, WORLD, failed, start_device, stop_signals, sum_gradients, sum_over_ranks
from .resume import progress_of, restore
from .watch import Watch, draw_samples, look

# Forward and backward, of Config(); --tiny doesn't show MFU.
FLOPS_PER_IMAGE = 148_219_904


# ---- run ----


@dataclass
class Run:
    options: Options
    device: torch.device
    data: Images
    config: Config
    model: Model
    optimizers: list[torch.optim.Optimizer]
    digests: dict[str, str] = field(default_factory=dict)  # of the data, and of files beside them
    step: int = 0  # steps done
    best: float = math.inf  # lowest Frechet distance
    watch: Watch = field(default_factory=Watch)
    averages: dict[str, Tensor] = field(default_factory=dict)  # of the weights, over steps

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
    run.averages = {name: tensor.detach().clone() for name, tensor in weights(model).items()}
    run.digests = data.digests()
    if options.resume:
        load(run)
    if options.compile:
        model.generator.compile()
        # The gradients of the discriminator's gradients are more than torch.compile has.
    if RANK == 0 and not options.resume:
        out.mkdir(parents=True, exist_ok=True)
        for name in ("checkpoint.safetensors", "best.safetensors", "log.jsonl"):
            (out / name).unlink(missing_ok=True)
    if RANK == 0 and (options.new_data or not options.resume):
        data.save(out)
    run.digests |= digests_of_files(out, ("images.json",))
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
        tensors |= {f"average.{key}": value for key, value in run.averages.items()}
    try:
        write_checkpoint(run.path(name), tensors, metadata)
    except OSError as error:
        if must:
            raise
        print(f"warning: {error}; training goes on", file=sys.stderr)


def load(run: Run) -> None:
    path = run.path("checkpoint.safetensors")
    tensors, saved = restore(path, run.model, run.optimizers, asdict(run.config))
    for name, average in run.averages.items():
        saved_average = tensors.get(f"average.{name}")
        if saved_average is None or saved_average.shape != average.shape:
            raise ValueError(f"{path} has no average of {name} as the model has it")
        if saved_average.dtype != average.dtype:
            raise ValueError(f"{path} has the average of {name} as {saved_average.dtype}")
        average.copy_(saved_average)
    run.step, run.best = progress_of(saved, path, run.digests, run.options.new_data)


# ---- training ----


@torch.no_grad()
def update_averages(run: Run) -> None:
    """Parameters' averages move towards them, from those of the first step; buffers are copied."""
    part = 1 - run.options.ema_decay if run.step else 1.0
    for name, tensor in weights(run.model).items():
        if isinstance(tensor, nn.Parameter):
            run.averages[name].lerp_(tensor, part)
        else:
            run.averages[name].copy_(tensor)


@torch.no_grad()
def swap_averages(run: Run) -> None:
    """The model's weights and their averages change places."""
    for name, tensor in weights(run.model).items():
        own = tensor.clone()
        tensor.copy_(run.averages[name])
        run.averages[name].copy_(own)


def descend(
    run: Run,
    optimizer: torch.optim.Optimizer,
    lr_scale: float,
    loss_of: Callable[[Model, Batch, Tensor, Options], Tensor],
    batches: list[Batch],
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
    model, (of_discriminator, of_generator) = run.model, run.optimizers
    turns = run.options.critic_steps
    for turn in range(turns):
        found = random_batches(run.data, run.options, run.step * turns + turn, RANK, WORLD)
        batches = [batch.to(run.device) for batch in found]
        with run.autocast(), torch.set_grad_enabled(turn == turns - 1):
            fakes = [fakes_of(model, batch) for batch in batches]  # the generator's are the last
        seen = [fake.detach() for fake in fakes]
        told = descend(run, of_discriminator, lr_scale, discriminator_loss, batches, seen)
    model.discriminator.requires_grad_(False)  # which only hands gradients on
    fooled = descend(run, of_generator, lr_scale, generator_loss, batches, fakes)
    model.discriminator.requires_grad_(True)
    update_averages(run)
    run.step += 1
    losses, norms = zip(told, fooled, strict=True)
    return torch.stack(losses), torch.stack(norms)


@torch.no_grad()
def evaluate(run: Run, log: Log) -> None:
    """How far made images are from those held out; the weights of the lowest are kept."""
    run.model.eval()
    batches = validation_batches(run.data, run.options, RANK, WORLD)
    swap_averages(run)
    with run.autocast():
        seen = look(run.model, batches, run.options, run.device)
        if RANK == 0:
            draw_samples(run.model, run.path(f"samples/{run.step:06}.png"), run.options)
    figures = seen.figures
    loss = figures["frechet"]
    if RANK == 0:
        run.watch.warn(run.step, seen.troubles(run.best))
    run.model.train()
    lowest = "  (lowest distance so far)" * (loss < run.best)
    log.write(run.step, figures, lowest)
    if loss < run.best:
        run.best = loss
        save(run, "best.safetensors")
    swap_averages(run)


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
    return 0


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    if WORLD > 1:  # gloo's threads can outlive the interpreter and abort it (pytorch#179291)
        os._exit(code)
    sys.exit(code)
