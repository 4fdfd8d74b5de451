"""What a family brings to the plan."""

from __future__ import annotations

from collections.abc import Callable

from codegen.errors import Diagnostic
from codegen.frozen import frozen
from codegen.plan.kernels.kernel import Kernel
from codegen.plan.plan import Plan
from codegen.plan.shown import ShownTable
from codegen.spec import LoadedSpec


@frozen
class TimedAttention:
    """The sizes with which the kernels of an attention are timed."""

    heads: int
    kv_heads: int
    head_dim: int
    length: int
    mask_numbers: tuple[tuple[str, int], ...]


def _no_kernels(plan: Plan) -> tuple[Kernel, ...]:
    return ()


def _no_warnings(loaded: LoadedSpec) -> tuple[Diagnostic, ...]:
    return ()


@frozen
class Family:
    """A family's own part of what is done with every spec and plan."""

    lower: Callable[[LoadedSpec], Plan]  # SpecError where the numbers don't fit
    shown: Callable[[Plan], tuple[ShownTable, ...]]  # what `tgen plan` shows of the network
    warnings: Callable[[LoadedSpec], tuple[Diagnostic, ...]] = _no_warnings
    kernels: Callable[[Plan], tuple[Kernel, ...]] = _no_kernels  # as they are compiled
    timed: Callable[[Plan, str], TimedAttention] | None = None  # of attention kernels, by name
