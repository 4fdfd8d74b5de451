"""Memory and time of a step with gradient checkpointing, beside those of a step without it.

    python -m benchmarks.recomputed --write

A language model of 256 channels on 8 texts of 512 tokens, of few and of many layers: what the
process takes at its peak beyond the weights, gradients and moments that it has before the step.
Each figure is the median of several processes of one thread, by turns.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.tables import machine, markdown_table, replace_section

BATCH, TOKENS, WIDTH = 8, 512, 256
DEPTHS = (4, 8, 16)


def spec(layers: int, again: bool) -> dict[str, Any]:
    model = {"vocab_size": 256, "context_length": TOKENS, "d_model": WIDTH, "layers": layers}
    train = {"gradient_checkpointing": again}
    return {"name": "measured", "model": {**model, "attention": {"heads": 4}}, "train": train}


def measured(layers: int, again: bool) -> dict[str, float]:
    """In this process: MiB beyond what is there before a step, and CPU seconds of a step."""
    import torch

    from tests.packages import import_package

    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        (code,) = import_package(Path(folder), spec(layers, again), "model")
        torch.manual_seed(0)
        model = code.Model(code.Config()).train()
        model.init_weights()
        optimizer = torch.optim.AdamW(model.parameters(), fused=True)
        tokens = torch.randint(256, (BATCH, TOKENS))
        step(model, optimizer, tokens[:1, :8])  # gradients and moments are there
        before = forget_peak()
        began = time.process_time()
        step(model, optimizer, tokens)
        seconds = time.process_time() - began
        return {"MiB": (resident("VmHWM") - before) / 1024, "s": seconds}


def step(model: Any, optimizer: Any, tokens: Any) -> None:
    model(tokens, targets=tokens).backward()
    optimizer.step()
    optimizer.zero_grad(set_to_none=False)


def forget_peak() -> int:
    """KiB of this process now, from which its peak counts anew."""
    Path("/proc/self/clear_refs").write_text("5")
    return resident("VmRSS")


def resident(field: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field))


def in_process(layers: int, again: bool) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.recomputed", "--layers", str(layers)]
    done = subprocess.run([*command, *["--again"] * again], check=True, stdout=subprocess.PIPE)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def row(layers: int, repeat: int) -> list[str]:
    """A depth's figures: kept, made again, and their ratios."""
    found: dict[bool, list[dict[str, float]]] = {False: [], True: []}
    for _ in range(repeat):
        for again, figures in found.items():
            figures.append(in_process(layers, again))
    cells = [str(layers)]
    for name, form in (("MiB", "{:,.0f}"), ("s", "{:.2f}")):
        kept, made = (statistics.median(one[name] for one in figures) for figures in found.values())
        cells += [form.format(kept), form.format(made), f"{made / kept:.2f}"]
    return cells


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--write", action="store_true", help="the table of benchmarks/README.md")
    parser.add_argument("--layers", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--again", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.layers:
        print(json.dumps(measured(given.layers, given.again)))
        return
    header = ["layers", "kept, MiB", "again, MiB", "ratio", "kept, CPU s", "again, CPU s", "ratio"]
    table = markdown_table(header, [row(layers, given.repeat) for layers in DEPTHS])
    print(table)
    if given.write:
        replace_section("recomputed", f"Medians of {given.repeat}; {machine()}.\n\n{table}")


if __name__ == "__main__":
    main()
