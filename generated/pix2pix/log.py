# Made from specs/pix2pix.yaml; make it again: tgen build specs/pix2pix.yaml
"""What training shows: aligned lines, the same as JSON lines, a progress bar, a plot."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import torch

FORMATS = {  # of each figure on the terminal
    "discriminator_loss": "D {:7.4f}",
    "generator_loss": "G {:7.4f}",
    "lr": "lr {:.1e}",
    "discriminator_norm": "|D'| {:6.2f}",
    "generator_norm": "|G'| {:6.2f}",
    "ms": "{:8.1f} ms",
    "images_per_second": "{:>11,.0f} images/s",
    "mfu": "MFU {:6.1%}",  # model FLOPs utilisation, of the device's peak
    "validation_loss": "validation loss {:.4f}",
    "l1": "L1 {:.4f}",
    "validation_psnr": "PSNR {:.2f} dB",
    "identity_psnr": "(identity {:.2f})",
    "validation_ssim": "SSIM {:.4f}",
    "identity_ssim": "(identity {:.4f})",
    "frechet": "Frechet {:.3f}",
}
# Dense bfloat16 FLOP/s by what the device's name contains; the longest name that fits counts.
PEAK_FLOPS = {
    "MI300X": 1.3074e15,
    "MI325X": 1.3074e15,
    "MI350X": 2.3e15,
    "MI355X": 2.5166e15,
    "B200": 2.25e15,
    "GB200": 2.5e15,
    "RTX 5090": 209.5e12,
    "A100": 312e12,
    "A800": 312e12,
    "A40": 149.7e12,
    "A6000": 154.8e12,
    "RTX 3090": 71e12,
    "L40S": 362e12,
    "L4": 121e12,
    "RTX 4090": 165.2e12,
    "H100 PCIe": 756e12,
    "H100": 989.4e12,
    "H200": 989.4e12,
    "H800": 989.4e12,
    "GH200": 989.4e12,
}


def peak_flops(device: torch.device) -> float:
    """What the device could do at best; 0 where that is not known."""
    if device.type != "cuda":
        return 0.0
    name = torch.cuda.get_device_name(device)
    return max(((len(k), peak) for k, peak in PEAK_FLOPS.items() if k in name), default=(0, 0.0))[1]


@dataclass(frozen=True)
class Log:
    """The log of a run of so many steps."""

    file: TextIO
    steps: int

    def write(self, step: int, figures: dict[str, float], remark: str = "") -> None:
        """One line on the terminal, and one of JSON in the file."""
        shown = [FORMATS[name].format(figure) for name, figure in figures.items()]
        counter = f"step {step:>{len(str(self.steps))}}/{self.steps}"
        print("  ".join([counter, *shown]) + remark)
        self.file.write(json.dumps({"step": step, **figures}) + "\n")


@contextmanager
def open_log(path: Path, step: int, steps: int) -> Iterator[Log]:
    """The log to append to, less what an earlier run wrote after the step."""
    if os.path.lexists(path) and path != Path(os.devnull) and not path.is_file():
        raise ValueError(f"{path} is no file to append a log to")
    with path.open("a", buffering=1) as file:
        size = 0
        for line in path.read_bytes().splitlines(keepends=True):
            if not line.endswith(b"\n") or step_of(line, path) > step:
                file.truncate(size)
                break
            size += len(line)
        yield Log(file, steps)


def step_of(line: bytes, path: Path) -> int:
    """The step of a line of a log."""
    try:
        record = json.loads(line)
        if all(type(record[name]) in (int, float) for name in ("step", *record)):
            return int(record["step"])
    except (ValueError, KeyError, TypeError, RecursionError):
        pass
    raise ValueError(f"{path} has a line that is no record of a step: {line!r:.60}; move it away")


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
    for key, label in (("discriminator_loss", "discriminator"), ("generator_loss", "generator")):
        points = [(record["step"], record[key]) for record in records if key in record]
        axes.plot(*zip(*points, strict=True), label=label)
    axes.set(xlabel="step", ylabel="loss", title="pix2pix")
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(picture, dpi=150)
