"""Generated attention on a CPU beside its peers: time, CPU time and peak memory.

    python -m benchmarks.attention_cpu [--lengths 1024 4096 16384] [--rounds 7] [--write]

One thread, batch 1, 8 heads of 64, float32. In each round every side runs once, by turns; times are
medians over the rounds and ratios are medians of the rounds' ratios. The peers: PyTorch's attention
with the mask as a dense matrix, plain causal attention (which sees more than the mask allows), and
flex_attention under torch.compile, which has no backward on a CPU. Peak memory is that of a process
of its own for each side, forward and backward.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
import torch.nn.functional as F
import yaml
from torch import Tensor

from benchmarks.tables import machine, markdown_table, replace_section
from codegen.plan import lower
from codegen.plan.transformer.shown import network_of
from codegen.render import render_package
from codegen.spec import load_spec

ROOT = Path(__file__).parent.parent
HEADS, HEAD_DIM = 8, 64
MASKS = (
    "causal & window(256)",
    "causal & (window(1024) | sink(4))",
    "causal & document",
    "causal & (window(256) | global(16))",
)
TILES, DENSE, CAUSAL, FLEX = "tgen's tiles", "dense mask", "plain causal", "flex_attention"
FORWARD, BOTH = "forward", "forward + backward"
HEADER = (
    "mask",
    "tokens",
    "pass",
    "side",
    "wall ms",
    "CPU ms",
    "wall, times ours",
    "CPU, times ours",
)
PEAK_LENGTH = 16_384
SLOW = 16_384  # from here on three rounds are enough

Attention = Callable[[Tensor, Tensor, Tensor], Tensor]
Predicate = Callable[[Tensor, Tensor], Tensor]  # whether query q sees key k


@dataclass(frozen=True)
class Timing:
    wall: float  # seconds
    cpu: float


@dataclass(frozen=True)
class Side:
    name: str
    attention: Attention
    compiled: float | None = None  # seconds that compiling took
    backward: bool = True


def documents(length: int) -> Tensor:
    """Document ids (1, T) of documents of 64 to 2,048 tokens."""
    generator = torch.Generator().manual_seed(0)
    sizes = torch.randint(64, 2049, (length // 64 + 1,), generator=generator)
    return torch.arange(len(sizes)).repeat_interleave(sizes)[None, :length]


def generated(mask: str, length: int) -> tuple[Attention, Predicate]:
    """attention.py of a model with this mask, and its predicate."""
    attention = {"heads": HEADS, "head_dim": HEAD_DIM, "mask": mask}
    model = {"context_length": length, "attention": attention}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "measured.yaml"
        path.write_text(yaml.safe_dump({"name": "measured", "model": model}), encoding="utf-8")
        plan = lower(load_spec(path, path.parent, ["data.context_length=64"]))
    code = ModuleType("attention_measured")
    sys.modules[code.__name__] = code
    exec(compile(render_package(plan)["attention.py"], "attention.py", "exec"), code.__dict__)
    fields = {field.name: field.value for field in plan.model.fields}
    (function,) = network_of(plan).functions
    numbers = [fields[name] for name in function.mask.numbers]
    rows: list[Any] = []
    looked_up: list[Tensor] = []
    if function.mask.inputs:
        starts, ends = code.document_bounds(documents(length))
        rows, looked_up = [code.MaskInputs(starts, ends)], [starts[0], ends[0]]

    def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        found: Tensor = code.attention(q, k, v, *numbers, *rows)
        return found

    def sees(q: Tensor, k: Tensor) -> Tensor:
        found: Tensor = code.visible(q, k, *numbers, *(values[q] for values in looked_up))
        return found

    return attend, sees


def dense_side(sees: Predicate, length: int) -> Side:
    positions = torch.arange(length)
    mask = sees(positions[:, None], positions[None])

    def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return F.scaled_dot_product_attention(q, k, v, attn_mask=mask)

    return Side(DENSE, attend)


def causal_side() -> Side:
    def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return F.scaled_dot_product_attention(q, k, v, is_causal=True)

    return Side(CAUSAL, attend)


def flex_side(sees: Predicate, length: int) -> Side:
    """Compiled for this mask and length; its first call is not among the timings."""
    from torch.nn.attention.flex_attention import create_block_mask, flex_attention

    def shown(batch: Tensor, head: Tensor, q: Tensor, k: Tensor) -> Tensor:
        return sees(q, k)

    start = time.perf_counter()
    blocks = create_block_mask(shown, None, None, length, length, device="cpu")
    torch._dynamo.reset()
    compiled: Any = torch.compile(flex_attention, dynamic=False)

    def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        found: Tensor = compiled(q, k, v, block_mask=blocks)
        return found

    with torch.no_grad():
        attend(*tensors(length))
    return Side(FLEX, attend, time.perf_counter() - start, backward=False)


def tensors(length: int, *, trained: bool = False) -> list[Tensor]:
    torch.manual_seed(0)
    shape = (1, HEADS, length, HEAD_DIM)
    return [torch.randn(shape, requires_grad=trained) for _ in range(3)]


def run(attention: Attention, inputs: list[Tensor], *, backward: bool) -> None:
    if not backward:
        with torch.no_grad():
            attention(*inputs)
        return
    out = attention(*inputs)
    torch.autograd.grad(out, inputs, torch.ones_like(out))


def timed(attention: Attention, inputs: list[Tensor], *, backward: bool) -> Timing:
    wall, cpu = time.perf_counter(), time.process_time()
    run(attention, inputs, backward=backward)
    return Timing(time.perf_counter() - wall, time.process_time() - cpu)


def sides_of(mask: str, length: int) -> list[Side]:
    attend, sees = generated(mask, length)
    sides = [Side(TILES, attend), dense_side(sees, length), causal_side()]
    try:
        sides.append(flex_side(sees, length))
    except Exception as error:  # no compiler, or one that it can't work with
        print(f"flex_attention can't compile here: {str(error).splitlines()[0]}", file=sys.stderr)
    inputs = tensors(length)
    with torch.no_grad():
        wanted = sides[1].attention(*inputs)
        for side in (sides[0], *sides[3:]):
            torch.testing.assert_close(side.attention(*inputs), wanted, rtol=1e-4, atol=1e-5)
    return sides


def measure(mask: str, length: int, rounds: int) -> list[list[str]]:
    """The rows of one mask at one length."""
    sides = sides_of(mask, length)
    rows: list[list[str]] = []
    for what in (FORWARD, BOTH):
        backward = what == BOTH
        taking_part = [side for side in sides if side.backward or not backward]
        inputs = tensors(length, trained=backward)
        timings: dict[str, list[Timing]] = {side.name: [] for side in taking_part}
        for attempt in range(rounds + 1):
            for side in taking_part:
                timing = timed(side.attention, inputs, backward=backward)
                if attempt:  # the first round warms up
                    timings[side.name].append(timing)
        rows += [row(mask, length, what, name, timings) for name in timings]
    for side in sides:
        if side.compiled is not None:
            print(f"{mask}, {length}: {side.name} compiled in {side.compiled:.1f} s", flush=True)
            rows.append([shown(mask), f"{length:,}", "compiling", side.name])
            rows[-1] += [f"{1000 * side.compiled:,.0f}", "", "", ""]
    return rows


def shown(mask: str) -> str:
    """A mask in a cell of a Markdown table."""
    return "`" + mask.replace("|", r"\|") + "`"


def row(
    mask: str, length: int, what: str, name: str, timings: dict[str, list[Timing]]
) -> list[str]:
    own, ours = timings[name], timings[TILES]
    pairs = list(zip(own, ours, strict=True))
    ratios = [
        statistics.median(a.wall / b.wall for a, b in pairs),
        statistics.median(a.cpu / b.cpu for a, b in pairs),
    ]
    wall = 1000 * statistics.median(t.wall for t in own)
    cpu = 1000 * statistics.median(t.cpu for t in own)
    line = [shown(mask), f"{length:,}", what, name, f"{wall:,.1f}", f"{cpu:,.1f}"]
    line += [f"{ratio:.2f}" for ratio in ratios]
    print(" | ".join(line), flush=True)
    return line


def peak_here(side: str, mask: str, length: int) -> int:
    """Bytes that this process has had at most, once the side has run."""
    attend, sees = generated(mask, length)
    inputs = tensors(length, trained=True)
    if side == DENSE:
        attend = dense_side(sees, length).attention
    if side in (TILES, DENSE):
        run(attend, inputs, backward=True)
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def peak(side: str, mask: str, length: int) -> int:
    """The same of a process of its own."""
    command = [sys.executable, "-m", "benchmarks.attention_cpu", "--peak", side, mask, str(length)]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    return int(json.loads(done.stdout)["peak"])


def peaks(masks: list[str], length: int) -> str:
    """Peak memory beyond that of a process that only holds q, k and v."""
    rows = []
    for mask in masks:
        nothing = peak("nothing", mask, length)
        ours, dense = (peak(side, mask, length) - nothing for side in (TILES, DENSE))
        times = f"{dense / max(ours, 1):.1f} x"
        rows.append([shown(mask), f"{ours / 2**20:,.0f}", f"{dense / 2**20:,.0f}", times])
        print(" | ".join(rows[-1]), flush=True)
    return markdown_table(["mask", "tiles MiB", "dense mask MiB", "less"], rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--lengths", type=int, nargs="+", default=[1024, 4096, 16_384])
    parser.add_argument("--masks", nargs="+", default=list(MASKS))
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--peak", nargs=3, metavar=("SIDE", "MASK", "LENGTH"), help="one side only")
    parser.add_argument("--peak-length", type=int, default=PEAK_LENGTH, help="0: no peak memory")
    parser.add_argument("--write", action="store_true", help="write benchmarks/README.md")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.peak:
        side, mask, length = options.peak
        print(json.dumps({"peak": peak_here(side, mask, int(length))}))
        return
    memory = ""
    if options.peak_length:  # first: a process begins with the peak of the one that starts it
        memory = (
            f"\n\nPeak memory of forward and backward at {options.peak_length:,} tokens, beyond "
        )
        memory += "what a process with q, k and v holds:\n\n"
        memory += peaks(options.masks, options.peak_length)
    rows: list[list[str]] = []
    for length in options.lengths:
        rounds = min(options.rounds, 3) if length >= SLOW else options.rounds
        for mask in options.masks:
            rows += measure(mask, length, rounds)
    text = f"Batch 1, {HEADS} heads of {HEAD_DIM}, float32, one thread; medians of up to "
    text += f"{options.rounds} rounds; {machine()}.\n\n{markdown_table(HEADER, rows)}{memory}"
    print(text)
    if options.write:
        replace_section("attention_cpu", text)


if __name__ == "__main__":
    main()
