"""The other numbers that may differ by layer: one row each, at true and at toy size."""

from __future__ import annotations

from collections.abc import Callable

from codegen.plan.transformer.layer_numbers.number_row import (
    TOY_NUMBERS,
    Layer,
    NumberRow,
    Value,
    capped,
    same,
    scale_value,
    toy_scale,
)
from codegen.spec.transformer.latent import Latent
from codegen.spec.transformer.norms import InnerNorm
from codegen.spec.transformer.vocabulary import Block


def _attention_scale(layer: Layer) -> float:
    head_dim = layer.true["head_dim"]
    return scale_value(layer.block.attention.scale, layer.named) or float(head_dim**-0.5)


def _toy_attention_scale(layer: Layer) -> float:
    scale = layer.block.attention.scale
    if not scale:
        return float(layer.toy["head_dim"] ** -0.5)
    numbers = {**TOY_NUMBERS, "heads": int(layer.toy["heads"])}
    return toy_scale(scale, numbers, layer.true["attention_scale"])


Normed = Callable[[Block], InnerNorm | Latent | None]


def _inner_eps(name: str, norm_of: Normed, of: str = "attention") -> NumberRow:
    """The eps of a norm inside a sublayer: by default that of the block's norms."""

    def read(layer: Layer) -> float:
        norm = norm_of(layer.block)
        return (norm.eps if norm else None) or layer.block.norm.eps

    def used(block: Block) -> bool:
        norm = norm_of(block)
        return bool(norm and norm.eps)

    plural = f"{name.removesuffix('eps')}epsilons"
    return NumberRow(name, plural, "float", read, same(name), used, else_read="norm_eps", of=of)


def _residual_scale(layer: Layer) -> float:
    return scale_value(layer.block.residual.scale, layer.named) or 1.0


def _toy_residual_scale(layer: Layer) -> float:
    true = layer.true["residual_scale"]
    return toy_scale(layer.block.residual.scale, TOY_NUMBERS, true) if true != 1 else true


def _relative(field: str) -> Callable[[Layer], Value]:
    def read(layer: Layer) -> Value:
        relative = layer.block.attention.relative_bias
        return getattr(relative, field) if relative else 0

    return read


def _temperature(field: str) -> Callable[[Layer], Value]:
    def read(layer: Layer) -> Value:
        temperature = layer.block.attention.temperature
        return getattr(temperature, field) if temperature else 0

    return read


def _has_temperature(block: Block) -> bool:
    return block.attention.temperature is not None


OTHER_ROWS = (
    NumberRow(
        "attention_scale",
        "attention_scales",
        "float",
        _attention_scale,
        _toy_attention_scale,
        used=lambda b: b.attention.scale is not None or b.attention.scale_by_layer,
        comment="of the scores, before softmax",
        of="attention",
    ),
    NumberRow(
        "value_scale",
        "value_scales",
        "float",
        lambda la: float(la.block.attention.value_scale or 1.0),
        same("value_scale"),
        used=lambda b: b.attention.value_scale is not None,
        own=True,
        comment="of the values",
        of="attention",
    ),
    NumberRow(
        "attention_softcap",
        "attention_softcaps",
        "float",
        lambda la: float(la.block.attention.softcap or 0.0),
        same("attention_softcap"),
        used=lambda b: b.attention.softcap is not None,
        own=True,
        comment="no score is beyond it",
        of="attention",
    ),
    NumberRow(
        "relative_buckets",
        "relative_buckets",
        "int",
        _relative("buckets"),
        capped("relative_buckets", 8),
        used=lambda b: b.attention.relative_bias is not None,
        own=True,
        comment="of distances that share a bias",
        of="attention",
    ),
    NumberRow(
        "relative_max_distance",
        "relative_max_distances",
        "int",
        _relative("max_distance"),
        capped("relative_max_distance", 16),
        used=lambda b: b.attention.relative_bias is not None,
        own=True,
        comment="all beyond are alike",
        of="attention",
    ),
    NumberRow(
        "d_ff",
        "d_ffs",
        "int",
        lambda la: la.named["d_ff"],
        lambda la: 64 if la.block.mlp.kind == "plain" else 48,
        used=lambda b: b.mlp.experts is None,
        own=True,
    ),
    NumberRow(
        "adapter_width",
        "adapter_widths",
        "int",
        lambda la: la.block.mlp.adapter.width if la.block.mlp.adapter else 0,
        lambda la: min(int(la.true["adapter_width"]), 12),
        used=lambda b: b.mlp.adapter is not None,
        own=True,
        comment="of bottlenecks after MLPs",
    ),
    NumberRow(
        "activation_beta",
        "activation_betas",
        "float",
        lambda la: float(la.block.mlp.beta or 0.0),
        same("activation_beta"),
        used=lambda b: b.mlp.beta is not None,
        own=True,
        comment="silu is x * sigmoid(beta x)",
    ),
    NumberRow(
        "mlp_clamp",
        "mlp_clamps",
        "float",
        lambda la: float(la.block.mlp.clamp or 0.0),
        same("mlp_clamp"),
        used=lambda b: b.mlp.clamp is not None,
        own=True,
        comment="of what is gated",
    ),
    NumberRow(
        "up_offset",
        "up_offsets",
        "float",
        lambda la: float(la.block.mlp.up_offset),
        same("up_offset"),
        used=lambda b: bool(b.mlp.up_offset),
        own=True,
    ),
    NumberRow(
        "mlp_sparsity",
        "mlp_sparsities",
        "float",
        lambda la: float(la.block.mlp.sparsity),
        same("mlp_sparsity"),
        used=lambda b: b.mlp.sparsity > 0,
        own=True,
        comment="of what an activation reads",
    ),
    NumberRow("norm_eps", "norm_epsilons", "float", lambda la: la.block.norm.eps, same("norm_eps")),
    _inner_eps("latent_norm_eps", lambda b: b.attention.latent),
    _inner_eps("qk_norm_eps", lambda b: b.attention.qk_norm),
    _inner_eps("v_norm_eps", lambda b: b.attention.v_norm),
    _inner_eps("output_norm_eps", lambda b: b.attention.output_norm),
    _inner_eps("mlp_norm_eps", lambda b: b.mlp.norm, of=""),
    _inner_eps("mlp_output_norm_eps", lambda b: b.mlp.output_norm, of=""),
    NumberRow(
        "attention_clip",
        "attention_clips",
        "float",
        lambda la: float(la.block.attention.clip or 0.0),
        same("attention_clip"),
        used=lambda b: b.attention.clip is not None,
        own=True,
        comment="queries, keys and values are no further from zero",
        of="attention",
    ),
    NumberRow(
        "residual_scale",
        "residual_scales",
        "float",
        _residual_scale,
        _toy_residual_scale,
        used=lambda b: b.residual.scale is not None,
        own=True,
        comment="of what each sublayer adds",
    ),
    NumberRow(
        "low_rank",
        "low_ranks",
        "int",
        lambda la: la.block.residual.low_rank or 0,
        capped("low_rank", 4),
        used=lambda b: b.residual.low_rank is not None,
        own=True,
        comment="of the branch past attention",
    ),
    NumberRow(
        "temperature_scale",
        "temperature_scales",
        "float",
        _temperature("scale"),
        same("temperature_scale"),
        used=_has_temperature,
        own=True,
        comment="how fast queries grow with their position",
        of="attention",
    ),
    NumberRow(
        "temperature_length",
        "temperature_lengths",
        "int",
        _temperature("length"),
        lambda la: min(la.true["temperature_length"], 5),
        used=_has_temperature,
        own=True,
        comment="positions without growth",
        of="attention",
    ),
    NumberRow(
        "rope_theta",
        "rope_thetas",
        "float",
        lambda la: float(la.block.attention.rope.theta) if la.block.attention.rope else 0.0,
        same("rope_theta"),
        used=lambda b: b.attention.rope is not None,
        own=True,
        of="attention",
    ),
)
