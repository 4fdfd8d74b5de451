"""The numbers of short convolutions that may differ by layer: one row each."""

from __future__ import annotations

from codegen.plan.transformer.layer_numbers.number_row import NumberRow, same

CONV_ROWS = (
    NumberRow(
        "conv_kernel",
        "conv_kernels",
        "int",
        lambda la: la.block.conv.kernel,
        same("conv_kernel"),
        of="conv",
        comment="tokens that a convolution sees",
    ),
)
