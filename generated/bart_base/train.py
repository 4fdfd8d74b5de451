# Made from specs/bart_base.yaml; make it again: tgen build specs/bart_base.yaml
"""Train bart_base on pairs of texts.

    python -m generated.bart_base.train --data pairs.tsv --tokenizer tokenizer.json
    python -m generated.bart_base.train --resume
    torchrun --nproc-per-node 2 -m generated.bart_base.train --resume  # on two devices

OUT receives checkpoint.safetensors (weights, optimizer and options, for --resume), best.safetensors
(the weights of the lowest validation loss), tokenizer.json, log.jsonl and loss.png. Ctrl-C finishes
the step, saves and stops; a second one stops at once.

Batches and dropout are drawn from (seed, step, rank) alone, so a resumed run repeats the
uninterrupted one: bit for bit where the device's kernels are deterministic, as on a CPU.
"""

from __future__ import annotations

import math
import os
import shlex
import time
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from .data import Batch, random_batches, validation_batches
from .examples import examples
from .lock import alone_in
from .log import Log, open_log
from .options import Options, parse_options
from .process import (
    RANK,
    WORLD,
    StoppedError,
    command,
    in_step,
    leave,
    stop_signals,
    sum_over_ranks,
)
from .run import Run, prepare, save
from .tracking import tracked

# ---- training ----


def lr_multiplier(step: int, options: Options) -> float:
    """Warm-up, flat, then half a cosine down to min_lr_ratio over the last decay_fraction."""
    if step < options.warmup:
        return (step + 1) / (options.warmup + 1)
    decay_steps = min(options.decay_fraction * options.steps, options.steps - options.warmup)
    left = min(1.0, (options.steps - step) / max(1.0, decay_steps))
    left = 0.5 * (1 - math.cos(math.pi * left))
    return options.min_lr_ratio + (1 - options.min_lr_ratio) * left


def sum_of_losses(run: Run, network: nn.Module, batch: Batch) -> Tensor:
    source, source_lengths, tokens, targets = batch
    with run.autocast():
        loss: Tensor = network(
            source, tokens, targets, source_lengths=source_lengths, reduction="sum"
        )
    return loss


def backward(run: Run, batches: list[Batch]) -> Tensor:
    """Gradients of the mean loss over every target of all batches and ranks.

    Returns this rank's part of that mean.
    """
    count = sum_over_ranks(sum(batch.target_count for batch in batches))
    total = torch.zeros((), device=run.device)
    for index, batch in enumerate(batches, 1):
        batch = batch.to(run.device)
        ddp = run.network if isinstance(run.network, DistributedDataParallel) else None
        with ddp.no_sync() if ddp and index < len(batches) else nullcontext():
            part = sum_of_losses(run, run.network, batch) / count
            torch.autograd.backward(part * WORLD)  # DDP takes the mean over ranks, we the sum
        total += part.detach()
    return total


def train_step(run: Run, lr_scale: float) -> tuple[Tensor, Tensor]:
    """This rank's part of the mean loss, and the norm of the gradients."""
    options = run.options
    seed = np.random.SeedSequence((options.seed, run.step, RANK)).generate_state(1)
    torch.manual_seed(int(seed[0]))
    loss = backward(run, random_batches(run.data, options, run.step, RANK, WORLD))
    norm = nn.utils.clip_grad_norm_(run.model.parameters(), options.clip)
    for optimizer in run.optimizers:
        for group in optimizer.param_groups:
            group["lr"] = group["base_lr"] * lr_scale
        optimizer.step()
        optimizer.zero_grad()
    run.step += 1
    return loss, norm


def measure(run: Run, log: Log) -> tuple[float, dict[str, float]]:
    """The mean loss over every target that is held out: the main figure, and all by name."""
    held_out = validation_batches(run.data, run.options, RANK, WORLD)
    batches = log.measuring(in_step(held_out, run.signals))
    total, count = torch.zeros((), device=run.device), 0
    for batch in batches:
        total += sum_of_losses(run, run.model, batch.to(run.device))
        count += batch.target_count
    loss = sum_over_ranks(total.item()) / sum_over_ranks(count)
    figures = {"validation_loss": loss}
    return loss, figures


@torch.no_grad()
def evaluate(run: Run, log: Log) -> None:
    """Measures, keeps the weights of the lowest validation loss, and logs last."""
    saved = run.saved == run.step
    run.model.eval()
    try:
        loss, figures = measure(run, log)
        if lowest := loss < run.best:
            run.best, run.best_step = loss, run.step
            save(run, "best.safetensors")
        with run.autocast():
            lines = list(examples(run.model, run.data, run.options)) if RANK == 0 else []
    finally:
        run.model.train()
    if lowest and saved:
        save(run, "checkpoint.safetensors")
    log.write(run.step, figures, "(lowest so far)" * lowest)
    log.draw()
    for line in lines:
        print(line)


def report(run: Run, log: Log, loss: float, lr: float, norm: float, seconds: float) -> None:
    if not math.isfinite(loss):
        raise ValueError(f"the loss is {loss} at step {run.step}; try a smaller --lr")
    options = run.options
    pairs = WORLD * options.accumulation * options.batch
    figures = {"loss": loss, "lr": lr, "norm": norm, "ms": 1e3 * seconds}
    figures["pairs_per_second"] = pairs / seconds
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
    print(f"ended early: validation loss no lower since step {run.best_step}")
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
            mean = sum_over_ranks(loss.item())
            seconds = (time.perf_counter() - since) / (run.step - timed)
            report(run, log, mean, options.lr * lr_scale, norm.item(), seconds)
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
    moved = [parameter for parameter in run.model.parameters() if parameter.requires_grad]
    trained = sum(parameter.numel() for parameter in moved)
    print(f"model: {count:,} parameters, {trained:,} of them trained; {numbers}", end="")
    print(f", on {run.device}", end="")
    print(f", {WORLD} processes" if WORLD > 1 else "")
    there, held_out = len(run.data.train), len(run.data.validation)
    print(f"data: {there:,} pairs to train on, {held_out:,} held out")
    own = options.accumulation * options.batch
    passes = steps * WORLD * own / there
    begin = f"from step {run.step} to" if run.step else "to step"
    print(f"steps: {begin} {steps}, of {WORLD * own:,} pairs each", end="")
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
    source = run.data.tokenizer.decode(run.data.validation[0][0])
    asked = ["--checkpoint", run.options.out, "--source", source]
    if run.options.separator != Options.separator:
        asked += ["--separator", run.options.separator]
    print(f"best validation loss {run.best:.4f}; generate a target with")
    print(f"python -m {__package__}.sample {shlex.join(asked)}")
    return 0


if __name__ == "__main__":
    leave(main())
