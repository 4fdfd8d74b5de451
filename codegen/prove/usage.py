"""What is asked of the compiler, and what it answers: plain values that travel as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from codegen.frozen import frozen

COMPILED, FAILED, CRASHED, LATE = "compiled", "failed", "crashed", "late"


@frozen
class Request:
    """One kernel with every compile-time value given, for one GPU."""

    source: str  # the kernel and what it calls
    name: str
    arguments: tuple[tuple[str, str], ...]  # name -> Triton's type, "constexpr" included
    constants: tuple[tuple[str, int | float | bool], ...]
    aligned: tuple[str, ...]
    stages: int
    warps: int
    backend: str
    arch: int | str
    warp_size: int


@frozen
class Usage:
    """What a compiled kernel needs of its GPU, or why there is no such kernel."""

    outcome: str  # compiled, failed, crashed or late
    message: str = ""  # what the compiler said, in one line
    shared: int = 0  # bytes per block
    registers: int = 0  # a thread
    spilled: int = 0  # bytes of stack a thread (NVIDIA), vector registers (AMD)
    spill_unit: str = "bytes"
    scalar_spills: int = 0  # AMD; they go to vector registers and cost little
    tensor_memory: int = 0  # columns
    tensor_core: tuple[tuple[str, int], ...] = ()  # instruction -> how often it is written
    wide_offsets: int = 0  # pointer sums with 64-bit offsets
    narrow_offsets: int = 0  # pointer sums with a product made in 32 bits

    @property
    def compiled(self) -> bool:
        """Whether there is a binary."""
        return self.outcome == COMPILED


def usage_from(document: dict[str, Any]) -> Usage:
    """The usage that `asdict` took apart; TypeError if it is not one."""
    pairs = tuple((str(name), int(count)) for name, count in document.get("tensor_core", ()))
    return Usage(**{**document, "tensor_core": pairs})


def worst(usages: Sequence[Usage]) -> Usage:
    """One usage for kernels that are launched one after the other: the most of everything."""
    broken = next((usage for usage in usages if not usage.compiled), None)
    if broken or len(usages) == 1:
        return broken or usages[0]
    merged = asdict(usages[0])
    for name, value in merged.items():
        if type(value) is int:
            merged[name] = max(getattr(usage, name) for usage in usages)
    # Each of them must have tensor cores.
    merged["tensor_core"] = min((usage.tensor_core for usage in usages), key=len)
    return usage_from(merged)
