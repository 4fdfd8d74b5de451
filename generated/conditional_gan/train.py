# Made from specs/conditional_gan.yaml; make it again: tgen build specs/conditional_gan.yaml
"""Train conditional_gan on images.

    python -m generated.conditional_gan.train --data \
        images/  # one folder per class, or train/ and val/
    python -m generated.conditional_gan.train --data digits.npz  # arrays `images` and `labels`
    python -m generated.conditional_gan.train --data mnist/  # IDX files
    python -m generated.conditional_gan.train --resume
    torchrun --nproc-per-node 2 -m generated.conditional_gan.train --resume  # on two devices

OUT receives checkpoint.safetensors (weights, optimizer and options, for --resume), best.safetensors
(the weights of the lowest Frechet distance), images.json (the classes' names), samples/ (images of
the same noise at each evaluation), log.jsonl and loss.png. Ctrl-C finishes the step, saves and
stops; a second one stops at once.

Batches and noise are drawn from (seed, step, rank) alone, so a resumed run repeats the
uninterrupted one: bit for bit where the device's kernels are deterministic, as on a CPU.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import torch
import torch.distributed as dist
from torch import Tensor, nn

from .checkpoint import weights
from .data import Batch, random_batches, validation_batches
from .lock import alone_in
from .log import Log, open_log, peak_flops
from .losses import discriminator_loss, fakes_of, generator_loss
from .model import Model
from .optimizers import lr_multiplier
from .options import Options, parse_options
from .process import (
    RANK,
    WORLD,
    StoppedError,
    command,
    in_step,
    leave,
    stop_signals,
    sum_gradients,
    sum_over_ranks,
)
from .run import Run, prepare, save
from .tracking import tracked
from .watch import draw_samples, look

# Forward and backward, of Config(); --tiny doesn't show MFU.
FLOPS_PER_IMAGE = 153_312_768


# ---- training ----


@torch.no_grad()
def update_averages(run: Run) -> None:
    """Parameters' averages move towards them, from those of the first step; buffers are copied."""
    part = 1 - run.options.ema_decay if run.step else 1.0
    own = weights(run.model)
    for name, average in run.averages.items():
        if isinstance(own[name], nn.Parameter):
            average.lerp_(own[name], part)
        else:
            average.copy_(own[name])


@torch.no_grad()
def swap_averages(run: Run) -> None:
    """The model's weights and their averages change places."""
    own = weights(run.model)
    for name, average in run.averages.items():
        moved = own[name].clone()
        own[name].copy_(average)
        average.copy_(moved)


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
    found = random_batches(run.data, run.options, run.step, RANK, WORLD)
    batches = [batch.to(run.device) for batch in found]
    with run.autocast():
        fakes = [fakes_of(model, batch) for batch in batches]
    seen = [fake.detach() for fake in fakes]
    told = descend(run, of_discriminator, lr_scale, discriminator_loss, batches, seen)
    model.discriminator.requires_grad_(False)  # which only hands gradients on
    fooled = descend(run, of_generator, lr_scale, generator_loss, batches, fakes)
    model.discriminator.requires_grad_(True)
    update_averages(run)
    run.step += 1
    losses, norms = zip(told, fooled, strict=True)
    return torch.stack(losses), torch.stack(norms)


def measure(run: Run, log: Log) -> tuple[float, dict[str, float]]:
    """How far made images are from those held out: the main figure, and all by name."""
    held_out = validation_batches(run.data, run.options, RANK, WORLD)
    batches = log.measuring(in_step(held_out, run.signals))
    with run.autocast():
        seen = look(run.model, batches, run.options, run.device, run.signals)
        if RANK == 0:
            draw_samples(run.model, run.path(f"samples/{run.step:06}.png"), run.options)
    figures = seen.figures
    loss = figures["frechet"]
    if RANK == 0:
        run.watch.warn(run.step, seen.troubles(run.best))
    return loss, figures


@torch.no_grad()
def evaluate(run: Run, log: Log) -> None:
    """Measures, keeps the weights of the lowest Frechet distance, and logs last."""
    saved = run.saved == run.step
    run.model.eval()
    swap_averages(run)
    try:
        loss, figures = measure(run, log)
        if lowest := loss < run.best:
            run.best, run.best_step = loss, run.step
            save(run, "best.safetensors")
    finally:
        run.model.train()
        swap_averages(run)
    if lowest and saved:
        save(run, "checkpoint.safetensors")
    log.write(run.step, figures, "(lowest distance so far)" * lowest)
    log.draw()


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


def train(run: Run, log: Log) -> bool:
    """Steps to the end, or to the first signal that any rank gets; whether it came to the end."""
    try:
        if resumes_in_evaluation(run, log):
            evaluate(run, log)
        if not run.out_of_patience():
            take_steps(run, log)
    except StoppedError:
        if run.saved != run.step:
            save(run, "checkpoint.safetensors", must=True)
        return False
    if run.step < run.options.steps:
        end_early(run)
    return True


def resumes_in_evaluation(run: Run, log: Log) -> bool:
    """Whether what a run was stopped in, or at the end of, is the evaluation of its last step."""
    ended = run.step == run.options.steps
    due = run.step > 0 and (ended or run.step % run.options.eval_every == 0)
    return due and sum_over_ranks(RANK == 0 and not log.evaluated) > 0  # the first rank's log


def end_early(run: Run) -> None:
    if run.saved != run.step:
        save(run, "checkpoint.safetensors", must=True)
    print(f"ended early: Frechet distance no lower since step {run.best_step}")
    print(f"{run.kept()} and a larger --patience")


def take_steps(run: Run, log: Log) -> None:
    options = run.options
    intervals = (options.log_every, options.eval_every, options.checkpoint_every)
    since, timed = time.perf_counter(), run.step
    for step in log.steps_from(run.step):
        lr_scale = lr_multiplier(step, options)
        try:
            loss, norm = train_step(run, lr_scale)
        except Exception:
            if run.signals:  # Ctrl-C ends the compilers of a step, too
                raise KeyboardInterrupt from None
            raise
        ended, stopped = run.step == options.steps, sum_over_ranks(len(run.signals)) > 0
        logs, evaluates, saves = (ended or run.step % every == 0 for every in intervals)
        if logs or step == 0:
            losses = [sum_over_ranks(part) for part in loss.tolist()]
            seconds = (time.perf_counter() - since) / (run.step - timed)
            report(run, log, losses, options.lr * lr_scale, norm.tolist(), seconds)
        if saves or stopped:
            save(run, "checkpoint.safetensors", must=ended or stopped)
        if stopped:
            raise StoppedError
        if evaluates:
            evaluate(run, log)
            if run.out_of_patience():
                return
        if logs or evaluates or saves or step == 0:
            since, timed = time.perf_counter(), run.step


def introduce(run: Run) -> None:
    """Three lines on what a run is of."""
    options, steps = run.options, run.options.steps
    count = sum(parameter.numel() for parameter in run.model.parameters())
    numbers = "bfloat16, weights in float32" if run.mixed() else "float32"
    print(f"model: {count:,} parameters; {numbers}, on {run.device}", end="")
    print(f", {WORLD} processes" if WORLD > 1 else "")
    there, held_out = len(run.data.train.targets), len(run.data.validation.targets)
    print(f"data: {there:,} images to train on, {held_out:,} held out")
    own = options.accumulation * options.batch
    passes = steps * WORLD * own / there
    begin = f"from step {run.step} to" if run.step else "to step"
    print(f"steps: {begin} {steps}, of {WORLD * own:,} images each", end="")
    print(f" ({own:,} a process)" if WORLD > 1 else "", end="")
    print(f"; {passes:.3g} {'epoch' if passes == 1 else 'epochs'} in all")
    if options.compile:
        print("compiling: the first step takes longer")


@command
def main(arguments: list[str] | None = None) -> int:
    if RANK > 0:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # the first rank speaks for all
    options = parse_options(arguments)
    with alone_in(Path(options.out)) if RANK == 0 else nullcontext():
        return finish(prepare(options))


def finish(run: Run) -> int:
    """Trains to the end, or to a signal; the exit code."""
    introduce(run)
    path = run.path("log.jsonl") if RANK == 0 else Path(os.devnull)
    try:
        with stop_signals(run.signals), open_log(path, run.step, run.options.steps) as log:
            try:
                with tracked(log, run.options, run.step):
                    ended = train(run, log)
            except ValueError:  # a loss that is no number, for example
                log.draw(must=True)
                raise
    except KeyboardInterrupt:
        print(f"stopped at step {run.step}, {run.kept()}")
        return 130
    log.draw(must=True)
    if WORLD > 1:
        dist.destroy_process_group()
    if not ended:
        print(f"stopped at step {run.step}, {run.kept()}")
        return 130
    best = run.path("best.safetensors")
    print(f"best Frechet distance {run.best:.4f}, with the weights in {best}")
    return 0


if __name__ == "__main__":
    leave(main())
