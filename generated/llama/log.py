# Made from specs/llama.yaml (81223840adf4); make it again: tgen build specs/llama.yaml
"""What training shows: the log as JSON lines, a progress bar, a plot of the loss."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TextIO

import torch

# Dense bfloat16 FLOP/s by what the device's name contains; the longest name that fits counts.
PEAK_FLOPS = {
    "MI300X": 1_307_400_000_000_000.0,
    "MI325X": 1_307_400_000_000_000.0,
    "MI350X": 2_300_000_000_000_000.0,
    "MI355X": 2_516_600_000_000_000.0,
    "B200": 2_250_000_000_000_000.0,
    "GB200": 2_500_000_000_000_000.0,
    "RTX 5090": 209_500_000_000_000.0,
    "A100": 312_000_000_000_000.0,
    "A800": 312_000_000_000_000.0,
    "A40": 149_700_000_000_000.0,
    "A6000": 154_800_000_000_000.0,
    "RTX 3090": 71_000_000_000_000.0,
    "L40S": 362_000_000_000_000.0,
    "L4": 121_000_000_000_000.0,
    "RTX 4090": 165_200_000_000_000.0,
    "H100 PCIe": 756_000_000_000_000.0,
    "H100": 989_400_000_000_000.0,
    "H200": 989_400_000_000_000.0,
    "H800": 989_400_000_000_000.0,
    "GH200": 989_400_000_000_000.0,
}


def peak_flops(device: torch.device) -> float:
    """What the device could do at best; 0 where that is not known."""
    if device.type != "cuda":
        return 0.0
    name = torch.cuda.get_device_name(device)
    return max(((len(k), peak) for k, peak in PEAK_FLOPS.items() if k in name), default=(0, 0.0))[1]


def open_log(path: Path, step: int) -> TextIO:
    """The log to append to, less what an earlier run wrote after the step."""
    log = path.open("a", buffering=1)
    lines, size = path.read_bytes().splitlines(keepends=True), 0
    for line in lines:
        if not line.endswith(b"\n") or json.loads(line)["step"] > step:
            log.truncate(size)
            break
        size += len(line)
    return log


def progress(start: int, stop: int) -> Iterable[int]:
    """The steps from start to stop, with a bar on a terminal where rich is installed."""
    try:
        from rich.progress import track
    except ImportError:
        return range(start, stop)
    hidden = not sys.stdout.isatty()
    return track(range(start, stop), "training", stop, start, disable=hidden)


def plot_losses(log: Path, picture: Path) -> None:
    """A picture of the losses in the log, if matplotlib is installed."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        return
    records = [json.loads(line) for line in log.read_text().splitlines()]
    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.subplots()
    for key, label in (("loss", "training"), ("validation_loss", "validation")):
        points = [(record["step"], record[key]) for record in records if key in record]
        axes.plot(*zip(*points, strict=True), label=label)
    axes.set(xlabel="step", ylabel="loss (nats a token)", title="llama")
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(picture, dpi=150)
