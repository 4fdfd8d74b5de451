"""Memory, time and files of fine-tuning all of GPT-2 (124 M), or what LoRA and DoRA add to it.

    python -m benchmarks.finetuning --write

The package of specs/gpt2.yaml with `finetune`, beside transformers' GPT-2 with peft: the same
projections, rank 8, AdamW, float32. Memory is what a process takes at its peak, over four steps,
beyond what it had before there was a model; a checkpoint is what is written each time, peft's its
adapter and the moments. Medians of several processes of one thread, by turns.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.recomputed import forget_peak, resident
from benchmarks.tables import machine, markdown_table, replace_section

TOKENS, BATCH, VOCABULARY = 256, 2, 50_257
STEPS, RANK = 4, 8
METHODS = ("full", "lora", "dora")
SIDES = ("tgen", "peft")
Step = Callable[[Any], None]


def ours(method: str, folder: Path) -> tuple[Any, Step, Callable[[Path], None]]:
    """A model, a step of it, and what writes its checkpoint."""
    from dataclasses import asdict

    from codegen.spec import load_spec
    from tests.packages import import_package

    root = Path(__file__).parent.parent
    spec = load_spec(root / "specs/gpt2.yaml", root).spec
    said: dict[str, Any] = {**spec.said(), "name": f"gpt2_{method}"}
    if method != "full":
        said["train"] = {**said.get("train", {}), "finetune": {"method": method, "rank": RANK}}
    model_py, run, checkpoint = import_package(folder, said, "model", "run", "checkpoint")
    model = model_py.Model(model_py.Config()).train()
    model.init_weights()
    optimizers = run.make_optimizers(model, run.Options())

    def step(tokens: Any) -> None:
        model(tokens[:, :-1], targets=tokens[:, 1:].contiguous()).backward()
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)

    def write(path: Path) -> None:
        tensors = {f"model.{name}": one for name, one in checkpoint.weights(model).items()}
        for name in checkpoint.frozen(model) if method != "full" else ():
            del tensors[f"model.{name}"]
        tensors |= checkpoint.optimizer_tensors(model, optimizers)
        checkpoint.write_checkpoint(path, tensors, {"config": asdict(model.config)})

    return model, step, write


def theirs(method: str, folder: Path) -> tuple[Any, Step, Callable[[Path], None]]:
    """The same of transformers and peft."""
    import torch
    from safetensors.torch import save_file
    from transformers import GPT2Config, GPT2LMHeadModel

    model: Any = GPT2LMHeadModel(GPT2Config()).train()
    if method != "full":
        from peft import LoraConfig, get_peft_model

        targets = ["c_attn", "c_proj", "c_fc"]
        config = LoraConfig(
            r=RANK, use_dora=method == "dora", target_modules=targets, fan_in_fan_out=True
        )
        model = get_peft_model(model, config)
    trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
    optimizer = torch.optim.AdamW(trained.values(), fused=True)

    def step(tokens: Any) -> None:
        model(input_ids=tokens[:, :-1], labels=tokens[:, :-1]).loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    def write(path: Path) -> None:
        tensors = {name: one.detach().clone() for name, one in trained.items()}
        for name, one in trained.items():
            moments = optimizer.state[one]
            tensors |= {f"{name}.{key}": moments[key] for key in ("exp_avg", "exp_avg_sq")}
        save_file(tensors, path)

    return model, step, write


def measured(side: str, method: str) -> dict[str, float]:
    """In this process: what is trained, MiB at the peak, CPU seconds of a step, MB written."""
    import torch
    import transformers  # noqa: F401  # so that both sides have the same before

    torch.set_num_threads(1)
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as name:
        folder, before = Path(name), forget_peak()
        model, step, write = (ours if side == "tgen" else theirs)(method, folder)
        seconds = []
        for _ in range(STEPS):
            tokens = torch.randint(VOCABULARY, (BATCH, TOKENS + 1))
            began = time.process_time()
            step(tokens)
            seconds.append(time.process_time() - began)
        peak = (resident("VmHWM") - before) / 1024
        write(folder / "checkpoint.safetensors")
        size = (folder / "checkpoint.safetensors").stat().st_size / 1e6
        moved = sum(p.numel() for p in model.parameters() if p.requires_grad)
    return {"trained": moved / 1e6, "MiB": peak, "s": statistics.median(seconds), "MB": size}


def in_process(side: str, method: str) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.finetuning", "--side", side, "--method", method]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def rows(repeat: int) -> list[list[str]]:
    """A line for each side and method; ratios are of the same side's full fine-tuning."""
    runs = [(side, method) for method in METHODS for side in SIDES]
    found: dict[tuple[str, str], list[dict[str, float]]] = {run: [] for run in runs}
    for _ in range(repeat):
        for run, figures in found.items():
            figures.append(in_process(*run))
    medians = {
        run: {name: statistics.median(one[name] for one in figures) for name in figures[0]}
        for run, figures in found.items()
    }
    return [
        [
            method,
            side,
            f"{own['trained']:.2f} M",
            f"{own['MiB']:,.0f}",
            f"{own['MiB'] / medians[side, 'full']['MiB']:.2f}",
            f"{own['s']:.2f}",
            f"{own['s'] / medians[side, 'full']['s']:.2f}",
            f"{own['MB']:,.0f}",
        ]
        for (side, method), own in medians.items()
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--write", action="store_true", help="the table of benchmarks/README.md")
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    parser.add_argument("--method", choices=METHODS, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.side:
        print(json.dumps(measured(given.side, given.method)))
        return
    header = ["", "", "trained", "peak, MiB", "of full", "CPU s a step", "of full", "MB written"]
    table = markdown_table(header, rows(given.repeat))
    print(table)
    if given.write:
        replace_section("finetuning", f"Medians of {given.repeat}; {machine()}.\n\n{table}")


if __name__ == "__main__":
    main()
