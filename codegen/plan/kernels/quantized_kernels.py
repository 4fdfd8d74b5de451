"""Kernels of products with quantised weights: codes of 8 or 4 bits, read by the rows of decoding.

One row is multiplied and summed; more are padded to 16, the least that a matrix unit takes. Each
variant is what its template reads as `v`.
"""

from __future__ import annotations

from dataclasses import replace

from codegen.frozen import frozen
from codegen.plan.kernels.kernel import Kernel, Tile

MOST_ROWS = 16
GROUP = 32  # inputs that share a scale, as kernels of 4 bits are compiled to be judged
GROUPS = (16, 32, 64, 128, 256)  # that the package's kernels take
ONE_ROW = Tile((("BLOCK_N", 8), ("BLOCK_K", 512)), stages=4, warps=4)
FEW_ROWS = Tile((("BLOCK_N", 32), ("BLOCK_K", 128)), stages=4, warps=2)
FEW_WIDE_ROWS = replace(FEW_ROWS, warps=4)  # of float32, which takes more registers
KINDS = ("int8_one_row", "int8_few_rows", "int4_one_row", "int4_few_rows")


@frozen
class QuantizedKernel:
    """A product of few rows with weights of so many bits."""

    bits: int

    most_rows, groups = MOST_ROWS, GROUPS  # which kernels.py prints
    one_row, few_rows, few_wide_rows = ONE_ROW, FEW_ROWS, FEW_WIDE_ROWS

    @property
    def name(self) -> str:
        """Of the function that a package calls."""
        return f"int{self.bits}_linear"


def quantized_kernels(v: QuantizedKernel, inputs: int, dtype: str = "bf16") -> tuple[Kernel, ...]:
    """For one row of so many inputs, and for up to MOST_ROWS."""
    return tuple(
        _kernel(v, kind, rows, inputs, dtype)
        for kind, rows in ((f"int{v.bits}_one_row", 1), (f"int{v.bits}_few_rows", MOST_ROWS))
    )


def quantized_tile(kernel: Kernel) -> Tile:
    """How the package's kernels.py launches one of these."""
    if kernel.kind.endswith("one_row"):
        return ONE_ROW
    return FEW_WIDE_ROWS if dict(kernel.signature)["x"] == "*fp32" else FEW_ROWS


def _kernel(v: QuantizedKernel, kind: str, rows: int, inputs: int, dtype: str) -> Kernel:
    codes, scales = ("*i8", "scale") if v.bits == 8 else ("*u8", "scales")
    arguments = (
        *(("x", f"*{dtype}"), ("codes", codes), (scales, "*bf16"), ("y", f"*{dtype}")),
        *((size, "i32") for size in ("x_stride", "rows", "outputs", "inputs")),
    )
    group = (("GROUP", GROUP),) if v.bits == 4 else ()
    constants = (*group, ("ROWS", rows), *(ONE_ROW if rows == 1 else FEW_ROWS).sizes)
    signature = (*arguments, *((name, "constexpr") for name, _ in constants))
    sizes = ("x_stride", "inputs") if inputs % 16 == 0 else ()
    pointers = (name for name, kind in arguments if kind.startswith("*"))
    return Kernel(
        f"{v.name}_kernel", kind, signature, constants, (*pointers, *sizes), dots=rows > 1
    )
