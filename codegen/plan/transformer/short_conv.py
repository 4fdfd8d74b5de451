"""A block kind's short convolution: its plan, its parameters and what it costs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from codegen.plan.tables import Parameter
from codegen.plan.transformer.block_parameters import BlockRows
from codegen.plan.transformer.layer_numbers.config_fields import LayerNumbers
from codegen.plan.transformer.layer_plan import LayerPlan
from codegen.plan.transformer.parameter_rows import ZEROS
from codegen.plan.transformer.short_conv_plan import ShortConvPlan
from codegen.spec.transformer.vocabulary import Block, TransformerModel


def short_conv_plan(
    model: TransformerModel,
    kind: str | None,
    block: Block,
    numbers: LayerNumbers,
    *,
    decodes: bool,
) -> ShortConvPlan:
    """A block kind's convolution, its class still without a name."""
    masks = [other.attention.mask for other in numbers.attending.values()]
    return ShortConvPlan(
        class_name="",
        channels=model.d_model,
        kernel=numbers.read("conv_kernel"),
        bias=block.conv.bias,
        documents=any(re.search(r"\bdocument\b", mask) for mask in masks),
        cached=decodes,
    )


def short_conv_rows(block: BlockRows, plan: ShortConvPlan) -> Iterator[Parameter]:
    """Its rows; it has as many channels as the stream, which tensor parallelism leaves whole."""
    yield from (replace(row, shard=None) for row in _rows(block, plan))


def _rows(block: BlockRows, plan: ShortConvPlan) -> Iterator[Parameter]:
    """Its projections, and between them a kernel for each channel."""
    yield from block.reads("conv.in_proj", 3 * block.width, plan.bias)
    shape = (block.width, 1, kernel_of(block.layer))
    yield block.vector("conv.conv.weight", shape, "conv", block.normal)
    if plan.bias:
        yield block.vector("conv.conv.bias", (block.width,), "conv_bias", ZEROS)
    yield from block.adds("conv.o_proj", block.width, plan.bias)


def short_conv_flops(plan: ShortConvPlan, layer: LayerPlan, length: int) -> int:
    """A token's, between the projections: the sum over the kernel, and the two gates."""
    return plan.channels * (2 * kernel_of(layer) + 2)


def short_conv_kept(plan: ShortConvPlan, layer: LayerPlan, length: int) -> int:
    """The inputs that later tokens see, however long the sequence is."""
    return plan.channels * (kernel_of(layer) - 1) if plan.cached else 0


def kernel_of(layer: LayerPlan) -> int:
    """How many tokens a layer's convolution sees."""
    return int(layer.numbers["conv_kernel"])
