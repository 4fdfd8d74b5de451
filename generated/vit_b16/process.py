# Made from specs/vit_b16.yaml; make it again: tgen build specs/vit_b16.yaml
"""One process of a run: its rank, its device, and what ends it: signals and errors."""

from __future__ import annotations

import argparse
import functools
import io
import math
import os
import signal
import sys
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

RANK, WORLD = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))  # by torchrun
MOST = 2**63  # what whole numbers of torch and numpy are below

Item = TypeVar("Item")


# ---- commands ----


def command(main: Callable[[list[str] | None], int]) -> Callable[..., int]:
    """A command's main: what a user can mend is one line on stderr, and the exit code 2.

    Lines appear as they are printed, into a file, too.
    """

    @functools.wraps(main)
    def run(arguments: list[str] | None = None) -> int:
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(line_buffering=True)
        try:
            return main(arguments)
        except (ValueError, OSError) as error:
            return failed(error)
        except (MemoryError, RuntimeError) as error:
            if not of_memory(error):
                raise
            return failed(f"the memory does not suffice; ask for less at once ({error!s:.100})")
        except KeyboardInterrupt:
            print("stopped", file=sys.stderr)
            return 130

    return run


def of_memory(error: Exception) -> bool:
    """Whether more memory was asked for than there is."""
    # RuntimeErrors have no class for it; a size that no number of 64 bits holds is one, too.
    words = ("allocate memory", "out of memory", "calculation overflow", "multiplication overflow")
    return isinstance(error, MemoryError) or any(part in str(error).lower() for part in words)


def leave(code: int) -> NoReturn:
    """Ends the process, whatever threads it has: gloo's can abort it (pytorch#179291)."""
    sys.stdout.flush()
    if WORLD > 1 or code == 130:
        os._exit(code)
    sys.exit(code)


def checked(
    options: argparse.Namespace, positive: Collection[str] = (), signed: Collection[str] = ()
) -> argparse.Namespace:
    """A command's options, if they can be used: numbers are at least 0, or 1 if `positive`."""
    for name, value in vars(options).items():
        least = -MOST if name in signed else int(name in positive)
        flag = flag_of(name)
        if isinstance(value, int | float) and not least <= value < MOST:
            bounds = f"at least {least}, and below 2**63"
            raise ValueError(f"{flag} can't be {value}: it must be {bounds}")
        for text in value if isinstance(value, list) else [value]:
            if isinstance(text, str) and not text.isascii():
                check_text(flag, text)
    if "device" in options:
        usable_device(options.device)
    return options


def flag_of(name: str) -> str:
    """An option on the command line: `from_` is --from, a word that Python keeps."""
    return "--" + name.rstrip("_").replace("_", "-")


def check_text(flag: str, text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError(f"{flag} is not UTF-8: {text!a:.80}") from None


def check_memory(need: int, what: str) -> None:
    """Refuses what this machine's memory can't hold, before hours go into finding out."""
    known = hasattr(os, "sysconf")  # not on Windows
    have = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if known else math.inf
    if need > have:
        sizes = f"{need / 1e9:,.0f} GB, and this machine has {have / 1e9:,.0f}"
        raise ValueError(f"{what} would take more than {sizes}; ask for less at once")


def failed(error: Exception | str) -> int:
    """Says on stderr in one line what went wrong, and gives the exit code."""
    print("error:", plain(str(error)), file=sys.stderr)
    return 2


def plain(text: str) -> str:
    """What a file or its name says, without what a terminal or the log of a CI job would obey."""
    visible = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
    return visible.replace("##[", "#\\x23[")


# ---- devices and ranks ----


def usable_device(name: str) -> torch.device:
    """The device of a name, if there is one that can compute."""
    try:
        device = torch.empty(0, device=name).device
    except (RuntimeError, AssertionError) as error:
        why = str(error).partition("\n")[0]
        raise ValueError(f"--device {name} can't be used: {why:.200}") from None
    if device.type == "meta":
        raise ValueError("--device meta can't be used: it has shapes alone, and no numbers")
    return device


def start_device(name: str) -> torch.device:
    """The device of this process, ready for its part in a run of WORLD processes."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda":
        name = f"cuda:{os.environ.get('LOCAL_RANK', 0)}"
    device = usable_device(name)
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


def all_reduce(tensor: Tensor) -> Tensor:
    """The sum of the ranks' tensors, in place."""
    if WORLD > 1:
        dist.all_reduce(tensor)
    return tensor


# ---- signals ----


class StoppedError(Exception):
    """A rank has got a signal, and all ranks know it."""


@contextmanager
def stop_signals(received: list[int]) -> Iterator[None]:
    """Ctrl-C and SIGTERM, collected, so that all is saved first; a second one ends at once."""
    first = 0.0

    def receive(number: int, _: Any) -> None:
        nonlocal first
        # What a terminal tells each rank, torchrun hands on to it once more.
        again = bool(received) and (WORLD == 1 or time.monotonic() - first > 2)
        first = first if received else time.monotonic()
        received.append(number)
        if again:
            raise KeyboardInterrupt
        if RANK == 0 and len(received) == 1:  # print may be at work on a line
            os.write(2, b"\nstopping, and saving first; Ctrl-C again ends at once\n")

    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, receive) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def in_step(batches: Iterable[Item], signals: Sequence[int]) -> Iterator[Item]:
    """This rank's batches, beside the others'; StoppedError by a signal that any rank gets."""
    mine = iter(batches)
    while True:
        batch = next(mine, None)
        stopped, left = all_reduce(torch.tensor([len(signals), int(batch is not None)])).tolist()
        if stopped:
            raise StoppedError
        if batch is not None:
            yield batch
        elif not left:
            return


class HelpFormatter(argparse.ArgumentDefaultsHelpFormatter):
    """`--help` with the defaults that say something, and numbers as N and X."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        if action.default in (None, "", ()) or action.default is False:
            return (action.help or "").removesuffix(" (default: %(default)s)")  # of Python < 3.13
        return super()._get_help_string(action)

    def _get_default_metavar_for_optional(self, action: argparse.Action) -> str:
        if action.type in (int, float):
            return "N" if action.type is int else "X"
        return super()._get_default_metavar_for_optional(action)
