"""Tokens a CPU second of chats that share rows, beside the same chats with padding after each.

    python -m benchmarks.packing --write

Lengths are drawn as those of public sets of instructions lie: log-normal, half of them up to 150
tokens, with a long tail that the context cuts. Both train the same batches of the same model, by
turns, in processes of one thread; only tokens of chats count.
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

MEDIAN, SPREAD = 150, 0.9  # tokens; of the logarithms
CONTEXTS = (512, 1024, 2048)
BATCH, WIDTH, LAYERS, VOCABULARY = 16, 192, 4, 4096


def spec(context: int, packing: bool) -> dict[str, Any]:
    sizes = {"vocab_size": VOCABULARY, "context_length": context, "d_model": WIDTH}
    model = {**sizes, "layers": LAYERS, "attention": {"heads": 6, "kv_heads": 2}}
    return {"name": "packed", "task": "chat", "model": model, "data": {"packing": packing}}


def examples_of(data: Any, context: int, count: int) -> Any:
    """Chats of random tokens, half of each of them trained."""
    import numpy as np

    rng = np.random.default_rng(0)
    drawn = rng.lognormal(np.log(MEDIAN), SPREAD, count)
    lengths = np.clip(drawn.round(), 8, context + 1).astype(int)
    each = [
        data.Example(
            rng.integers(0, VOCABULARY, length).astype(np.int32), np.arange(length) > length // 2
        )
        for length in lengths
    ]
    return data.joined([each], [1.0])


def measured(context: int, packing: bool, steps: int) -> dict[str, float]:
    """In this process: tokens of chats in a CPU second, and the share of what is read that is."""
    import numpy as np
    import torch

    from tests.packages import import_package

    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        code, data = import_package(Path(folder), spec(context, packing), "model", "data")
        torch.manual_seed(0)
        model = code.Model(code.Config()).train()
        model.init_weights()
        optimizer = torch.optim.AdamW(model.parameters(), fused=True)
        examples = examples_of(data, context, BATCH * (steps + 1))
        order = np.arange(BATCH * (steps + 1)).reshape(-1, BATCH)
        batches = [data.batch_of(examples, rows, context) for rows in order]
        step(model, optimizer, batches[0])
        began = time.process_time()
        for batch in batches[1:]:
            step(model, optimizer, batch)
        seconds = time.process_time() - began
        lengths = np.diff(examples.starts)[BATCH:] - 1
        read = sum(batch.tokens.numel() for batch in batches[1:])
        return {"rate": lengths.sum() / seconds, "share": lengths.sum() / read}


def step(model: Any, optimizer: Any, batch: Any) -> None:
    model(**batch._asdict(), reduction="sum").div(batch.target_count).backward()
    optimizer.step()
    optimizer.zero_grad()


def in_process(context: int, packing: bool, steps: int) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.packing", "--context", str(context)]
    command += ["--steps", str(steps), *["--packing"] * packing]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def row(context: int, repeat: int, steps: int) -> list[str]:
    """A context's figures: padded, packed, and the ratio."""
    found: dict[bool, list[dict[str, float]]] = {False: [], True: []}
    for _ in range(repeat):
        for packing, figures in found.items():
            figures.append(in_process(context, packing, steps))
    rates = [statistics.median(one["rate"] for one in figures) for figures in found.values()]
    shares = [figures[0]["share"] for figures in found.values()]
    cells = [f"{context:,}", *(f"{share:.0%}" for share in shares)]
    return [*cells, *(f"{rate:,.0f}" for rate in rates), f"{rates[1] / rates[0]:.2f}"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--write", action="store_true", help="the table of benchmarks/README.md")
    parser.add_argument("--context", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--packing", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.context:
        print(json.dumps(measured(given.context, given.packing, given.steps)))
        return
    header = ["context", "chats' part, padded", "packed", "tokens a CPU s, padded", "packed"]
    rows = [row(context, given.repeat, given.steps) for context in CONTEXTS]
    table = markdown_table([*header, "ratio"], rows)
    print(table)
    if given.write:
        replace_section("packing", f"Medians of {given.repeat}; {machine()}.\n\n{table}")


if __name__ == "__main__":
    main()
