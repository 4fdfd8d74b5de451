# Made from specs/packed_documents.yaml; make it again: tgen build specs/packed_documents.yaml
"""One process of a run: its rank, its device, and what ends it: signals and errors."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.distributed as dist

RANK, WORLD = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))  # by torchrun


def failed(error: Exception) -> int:
    """Says on stderr in one line what went wrong, and gives the exit code."""
    print("error:", plain(str(error)), file=sys.stderr)
    return 2


def plain(text: str) -> str:
    """What a file or its name says, without what a terminal or the log of a CI job would obey."""
    visible = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
    return visible.replace("##[", "#\\x23[")


def start_device(name: str) -> torch.device:
    """The device of this process, ready for its part in a run of WORLD processes."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda":
        name = f"cuda:{os.environ.get('LOCAL_RANK', 0)}"
    try:
        device = torch.empty(0, device=name).device
    except (RuntimeError, AssertionError) as error:
        raise ValueError(f"--device {name} can't be used: {error}") from None
    if device.type == "cuda":
        torch.cuda.set_device(device)
        torch.set_float32_matmul_precision("high")
    if WORLD > 1:
        dist.init_process_group("cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo")
    return device


def sum_over_ranks(value: float) -> float:
    """Over gloo on the CPU, so that no device has to finish its work first."""
    total = torch.tensor(value, dtype=torch.float64)
    if WORLD > 1:
        dist.all_reduce(total)
    return total.item()


@contextmanager
def stop_signals() -> Iterator[list[int]]:
    """Ctrl-C and SIGTERM, collected, so that the current step ends and is saved."""
    received: list[int] = []
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, lambda which, _: received.append(which)) for number in numbers]
    try:
        yield received
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


class HelpFormatter(argparse.ArgumentDefaultsHelpFormatter):
    """`--help` with the defaults that say something, and numbers as N and X."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        if action.default in (None, "") or action.default is False:
            return (action.help or "").removesuffix(" (default: %(default)s)")  # of Python < 3.13
        return super()._get_help_string(action)

    def _get_default_metavar_for_optional(self, action: argparse.Action) -> str:
        if action.type in (int, float):
            return "N" if action.type is int else "X"
        return super()._get_default_metavar_for_optional(action)
