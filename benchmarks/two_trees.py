"""Generated models of two checkouts side by side: training and decoding, alternately.

    git worktree add ../before COMMIT
    python -m benchmarks.two_trees ../before . [--rounds 9] [--compile] [--write]

Each round times both sides once, the order swapped from round to round; one thread, float32, same
weights. "times before" is after / before, of the medians: above 1 is faster.
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

from benchmarks.tables import machine, markdown_table, replace_section

SIDES = ("before", "after")
SHAPES: dict[str, dict[str, int]] = {
    "gpt": {"layers": 4, "d_model": 256, "heads": 8, "vocab_size": 4096, "context_length": 512},
    "llama": {
        "layers": 4,
        "d_model": 256,
        "heads": 8,
        "kv_heads": 2,
        "head_dim": 32,
        "d_ff": 704,
        "vocab_size": 4096,
        "context_length": 512,
    },
}
PROMPT, DECODED = 64, 64
BATCH, TIME = 4, 128

Work = Callable[[], int]  # does something with so many tokens


def generated(tree: Path, side: str, name: str) -> Any:
    """The module model.py of a package of one checkout, under a name of its own."""
    holder = ModuleType(f"{side}_packages")
    holder.__path__ = [str(tree / "generated")]
    sys.modules[holder.__name__] = holder
    return importlib.import_module(f"{side}_packages.{name}.model")


def small_config(module: Any, shape: dict[str, int]) -> Any:
    """The config at the benchmark's size; `d_ff` where it has one of its own."""
    names = {field.name for field in dataclasses.fields(module.Config)}
    sizes = dict(shape)
    if "d_ff" in names and "d_ff" not in sizes:
        sizes["d_ff"] = 4 * sizes["d_model"]
    return dataclasses.replace(
        module.Config(), **{name: size for name, size in sizes.items() if name in names}
    )


def model_of(module: Any, shape: dict[str, int], state: dict[str, torch.Tensor] | None) -> Any:
    torch.manual_seed(0)
    model = module.Model(small_config(module, shape))
    model.init_weights()
    if state is not None:
        model.load_state_dict(state)
    return model


def training(model: Any) -> Work:
    vocabulary = model.config.vocab_size
    tokens = torch.randint(vocabulary, (BATCH, TIME), generator=torch.Generator().manual_seed(1))

    def work() -> int:
        for parameter in model.parameters():
            parameter.grad = None
        model(tokens, tokens.roll(-1, 1)).backward()
        return tokens.numel()

    return work


def decoding(model: Any, compiled: bool) -> Work:
    vocabulary = model.config.vocab_size
    prompt = torch.randint(vocabulary, (1, PROMPT), generator=torch.Generator().manual_seed(2))
    step = torch.compile(model.decode, dynamic=False) if compiled else model.decode

    @torch.inference_mode()
    def work() -> int:
        cache = model.new_cache(1, PROMPT + DECODED)
        token = model.prefill(prompt, cache).argmax(-1)
        for _ in range(DECODED):
            token = step(token, cache).argmax(-1)
        return DECODED

    return work


def per_second(work: Work) -> tuple[float, float]:
    """Tokens per second of wall time, and of CPU time."""
    wall, cpu = time.perf_counter(), time.process_time()
    tokens = work()
    return tokens / (time.perf_counter() - wall), tokens / (time.process_time() - cpu)


def compare(sides: dict[str, Work], rounds: int) -> dict[str, tuple[float, float]]:
    """Medians of both sides over rounds whose order alternates."""
    seen: dict[str, list[tuple[float, float]]] = {side: [] for side in sides}
    for work in sides.values():
        work()
    for index in range(rounds):
        for side in list(sides)[:: 1 if index % 2 else -1]:
            seen[side].append(per_second(sides[side]))
    return {
        side: (statistics.median(w for w, _ in rows), statistics.median(c for _, c in rows))
        for side, rows in seen.items()
    }


def rows(trees: dict[str, Path], rounds: int, compiled: bool) -> list[list[str]]:
    found = []
    for name, shape in SHAPES.items():
        models: dict[str, Any] = {}
        for side, tree in trees.items():
            state = models["before"].state_dict() if models else None
            models[side] = model_of(generated(tree, side, name), shape, state)
        cases: dict[str, Callable[[Any], Work]] = {
            "training": training,
            "decoding": lambda model: decoding(model, False),
        }
        if compiled:
            cases["decoding, compiled"] = lambda model: decoding(model, True)
        for case, made in cases.items():
            speeds = compare({side: made(model) for side, model in models.items()}, rounds)
            (wall0, cpu0), (wall1, cpu1) = (speeds[side] for side in SIDES)
            ratios = (f"{cpu1 / cpu0:.2f}", f"{wall1 / wall0:.2f}")
            found.append([name, case, f"{cpu0:,.0f}", f"{cpu1:,.0f}", *ratios])
            print(*found[-1], sep="  ", flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    torch.set_num_threads(1)
    found = rows({"before": given.before, "after": given.after}, given.rounds, given.compile)
    header = ("model", "pass", "before, tokens/CPU s", "after", "CPU, times before", "wall")
    table = markdown_table(header, found, text=2)
    note = f"Medians of {given.rounds}; batch {BATCH} x {TIME} tokens of training, {DECODED} tokens"
    note += f" decoded after {PROMPT}; {machine()}."
    print(table)
    if given.write:
        replace_section("two_trees", f"{note}\n\n{table}")


if __name__ == "__main__":
    main()
