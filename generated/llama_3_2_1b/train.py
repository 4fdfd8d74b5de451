# Made from specs/llama_3_2_1b.yaml; make it again: tgen build specs/llama_3_2_1b.yaml
"""Train llama_3_2_1b on text.

    python -m generated.llama_3_2_1b.train --data corpus.txt --tokenizer tokenizer.json
    python -m generated.llama_3_2_1b.train --resume
    torchrun --nproc-per-node 2 -m generated.llama_3_2_1b.train --resume  # on two devices

OUT receives checkpoint.safetensors (weights, optimizer and options, for --resume), best.safetensors
(the weights of the lowest validation loss), tokenizer.json, log.jsonl and loss.png. Ctrl-C finishes
the step, saves and stops.

Batches are drawn from (seed, step, rank) alone, so a resumed run repeats the uninterrupted one: bit
for bit where the device's kernels are deterministic, as on a CPU.
"""

from __future__ import annotations

import math
import os
import shlex
import sys
import time
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from .checkpoint import optimizer_tensors, weights, write_checkpoint
from .data import Batch, Corpus, random_batches, read_data, validation_batches
from .digests import digests_of_files, mark_of
from .lock import alone_in
from .log import Log, open_log, peak_flops, plot_losses, progress
from .model import Config, Model
from .options import Options, parse_options
from .process import RANK, WORLD, failed, start_device, stop_signals, sum_over_ranks
from .resume import progress_of, restore

# Forward and backward, of Config() at its context length; other runs don't show MFU.
FLOPS_PER_TOKEN = 33_184_481_280


# ---- run ----


@dataclass
class Run:
    options: Options
    device: torch.device
    data: Corpus
    config: Config
    model: Model
    network: nn.Module  # the model, inside DDP where there are several ranks
    optimizers: list[torch.optim.Optimizer]
    digests: dict[str, str] = field(default_factory=dict)  # of the data, and of files beside them
    step: int = 0  # steps done
    best: float = math.inf  # lowest validation loss

    def path(self, name: str) -> Path:
        return Path(self.options.out) / name

    def autocast(self) -> torch.autocast:
        """float32 weights, and bfloat16 where it is safe."""
        auto = self.options.dtype == "auto" and self.device.type == "cuda"
        wanted = auto or self.options.dtype == "bfloat16"
        return torch.autocast(self.device.type, torch.bfloat16, enabled=wanted)


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
    run.digests |= digests_of_files(out, ("tokenizer.json",))
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
    try:
        write_checkpoint(run.path(name), tensors, metadata)
    except OSError as error:
        if must:
            raise
        print(f"warning: {error}; training goes on", file=sys.stderr)


def load(run: Run) -> None:
    path = run.path("checkpoint.safetensors")
    _, saved = restore(path, run.model, run.optimizers, asdict(run.config))
    run.step, run.best = progress_of(saved, path, run.digests, run.options.new_data)


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
    with run.autocast():
        loss: Tensor = network(batch.tokens, batch.targets, reduction="sum")
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
    loss = backward(run, random_batches(run.data, options, run.step, RANK, WORLD))
    norm = nn.utils.clip_grad_norm_(run.model.parameters(), options.clip)
    for optimizer in run.optimizers:
        for group in optimizer.param_groups:
            group["lr"] = group["base_lr"] * lr_scale
        optimizer.step()
        optimizer.zero_grad()
    run.step += 1
    return loss, norm


@torch.no_grad()
def evaluate(run: Run, log: Log) -> None:
    """The mean loss over every target that is held out; the weights of the lowest are kept."""
    run.model.eval()
    batches = validation_batches(run.data, run.options, RANK, WORLD)
    total, count = torch.zeros((), device=run.device), 0
    for batch in batches:
        total += sum_of_losses(run, run.model, batch.to(run.device))
        count += batch.target_count
    loss = sum_over_ranks(total.item()) / sum_over_ranks(count)
    figures = {"validation_loss": loss}
    run.model.train()
    lowest = "  (lowest so far)" * (loss < run.best)
    log.write(run.step, figures, lowest)
    if loss < run.best:
        run.best = loss
        save(run, "best.safetensors")


def report(run: Run, log: Log, loss: float, lr: float, norm: float, seconds: float) -> None:
    if not math.isfinite(loss):
        raise ValueError(f"the loss is {loss} at step {run.step}; try a smaller --lr")
    options = run.options
    tokens = WORLD * options.accumulation * options.batch * options.context_length
    figures = {"loss": loss, "lr": lr, "norm": norm, "ms": 1e3 * seconds}
    figures["tokens_per_second"] = tokens / seconds
    measured = run.config == Config() and options.context_length == run.config.context_length
    if measured and (peak := peak_flops(run.device)):
        flops = FLOPS_PER_TOKEN * tokens / seconds
        figures["mfu"] = flops / (peak * WORLD)
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
            mean = sum_over_ranks(loss.item())
            seconds = (time.perf_counter() - since) / (run.step - timed)
            report(run, log, mean, options.lr * lr_scale, norm.item(), seconds)
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
    print(f"best validation loss {run.best:.4f}; sample with")
    command = f"python -m {__package__}.sample --checkpoint {shlex.quote(run.options.out)}"
    print(command if run.data.tokenizer else f"{command} --tokenizer tokenizer.json")
    return 0


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    if WORLD > 1:  # gloo's threads can outlive the interpreter and abort it (pytorch#179291)
        os._exit(code)
    sys.exit(code)
