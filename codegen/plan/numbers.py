"""The numbers that may differ by layer: one row each, with its value at true and at toy size."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from codegen.spec.atoms import Knob
from codegen.spec.expression import ExpressionError
from codegen.spec.latent import Latent
from codegen.spec.norms import InnerNorm
from codegen.spec.resolve import scale_numbers, value_dim
from codegen.spec.scale import evaluate, parse_scale
from codegen.spec.transformer import Block, TransformerModel

TINY_MODEL = 32
TINY_HEAD_DIM = 8
TINY_NOPE_DIM = 12
TINY_VALUE_DIM = 10
TINY_VOCABULARY = 61
TOY_NUMBERS = {  # what a scale may name
    "d_model": TINY_MODEL,
    "head_dim": TINY_HEAD_DIM,
    "heads": 4,
    "layers": 2,
    "d_ff": 64,
    "vocab_size": TINY_VOCABULARY,
}

Value = int | float
Values = Mapping[str, Value]


@dataclass(frozen=True)
class Layer:
    """A block kind while its numbers are worked out: `true` and `toy` hold the rows before."""

    model: TransformerModel
    block: Block
    true: Values
    toy: Values

    @property
    def named(self) -> Mapping[str, int]:
        """What the expression of a scale may name, at true size."""
        return scale_numbers(self.model, self.block)


def _same(name: str) -> Callable[[Layer], Value]:
    """Toy size is true size."""
    return lambda layer: layer.true[name]


def _capped(name: str, most: int) -> Callable[[Layer], Value]:
    return lambda layer: min(layer.true[name], most)


def _always(block: Block) -> bool:
    return True


@dataclass(frozen=True)
class NumberRow:
    """A number as the config has it: one field, or one of each layer under the plural.

    `used` says whether a block kind has it at all; where no kind does, `else_read` is read. A
    number that is `own` is read by the kinds that use it alone: the others stand in nobody's way.
    """

    name: str
    plural: str
    type: str
    true: Callable[[Layer], Value]
    toy: Callable[[Layer], Value]
    used: Callable[[Block], bool] = _always
    else_read: str = ""
    own: bool = False
    comment: str = ""
    of_each: str = ""  # the comment on the plural


def mask_row(knob: Knob) -> NumberRow:
    """The row of a mask's number; its values come with the mask."""
    return NumberRow(
        knob.name, knob.plural, "int", _none, _none, comment=knob.comment, of_each=knob.of_each
    )


def _none(layer: Layer) -> int:
    return 0


def scale_value(scale: float | str | None, numbers: Mapping[str, int]) -> float:
    """A scale's number; 0 where none is given. The spec's checks have evaluated it before."""
    if scale is None or not isinstance(scale, str):
        return float(scale or 0.0)
    return evaluate(parse_scale(scale), numbers)


def toy_scale(scale: float | str | None, numbers: Mapping[str, int], real: float) -> float:
    """The same at toy size; the true value where the expression has none there."""
    try:
        return scale_value(scale, numbers) or real
    except ExpressionError:
        return real


def _kv_heads(layer: Layer) -> int:
    return layer.block.attention.kv_heads or layer.block.attention.heads


def _toy_kv_heads(layer: Layer) -> Value:
    grouped = layer.true["kv_heads"] < layer.true["heads"]
    return min(layer.true["kv_heads"], 2) if grouped else layer.toy["heads"]


def _toy_head_dim(layer: Layer) -> Value:
    return TINY_NOPE_DIM + TINY_HEAD_DIM if layer.block.attention.latent else TINY_HEAD_DIM


def _attention_scale(layer: Layer) -> float:
    head_dim = layer.true["head_dim"]
    return scale_value(layer.block.attention.scale, layer.named) or float(head_dim**-0.5)


def _toy_attention_scale(layer: Layer) -> float:
    scale = layer.block.attention.scale
    if not scale:
        return float(layer.toy["head_dim"] ** -0.5)
    numbers = {**TOY_NUMBERS, "heads": int(layer.toy["heads"])}
    return toy_scale(scale, numbers, layer.true["attention_scale"])


def _inner_eps(name: str, of: Callable[[Block], InnerNorm | Latent | None]) -> NumberRow:
    """The eps of a norm inside a sublayer: by default that of the block's norms."""

    def read(layer: Layer) -> float:
        norm = of(layer.block)
        return (norm.eps if norm else None) or layer.block.norm.eps

    def used(block: Block) -> bool:
        norm = of(block)
        return bool(norm and norm.eps)

    plural = f"{name.removesuffix('eps')}epsilons"
    return NumberRow(name, plural, "float", read, _same(name), used, else_read="norm_eps")


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


def _latent(field: str) -> Callable[[Layer], Value]:
    def read(layer: Layer) -> Value:
        latent = layer.block.attention.latent
        return getattr(latent, field) or 0 if latent else 0

    return read


def _has_temperature(block: Block) -> bool:
    return block.attention.temperature is not None


def _latent_row(field: str, toy: int, comment: str = "") -> NumberRow:
    """A number of latent attention; those that no layer reads are no fields."""
    return NumberRow(
        field,
        f"{field}s",
        "int",
        _latent(field),
        lambda la: toy,
        used=lambda b: bool(b.attention.latent and getattr(b.attention.latent, field)),
        own=True,
        comment=comment,
    )


LATENT_ROWS = (
    _latent_row("q_rank", 24, "of the latent of queries"),
    _latent_row("kv_rank", 16, "of the latent of keys and values"),
    _latent_row("nope_dim", TINY_NOPE_DIM, "of a head, without positions"),
    _latent_row("rope_dim", TINY_HEAD_DIM, "of a head, with them; one key for all heads"),
    NumberRow(
        "value_dim",
        "value_dims",
        "int",
        lambda la: value_dim(la.model, la.block),
        lambda la: TINY_VALUE_DIM,
        used=lambda b: b.attention.latent is not None or b.attention.value_dim is not None,
        own=True,
        comment="of a value head",
    ),
)
# The numbers of a mask stand after those of the heads.
HEAD_ROWS = (
    NumberRow("heads", "heads", "int", lambda la: la.block.attention.heads, _capped("heads", 4)),
    NumberRow(
        "kv_heads",
        "kv_heads",
        "int",
        _kv_heads,
        _toy_kv_heads,
        used=lambda b: (b.attention.kv_heads or b.attention.heads) != b.attention.heads,
        else_read="heads",
    ),
    NumberRow(
        "head_dim",
        "head_dims",
        "int",
        lambda la: la.named["head_dim"],
        _toy_head_dim,
        used=lambda b: b.attention.latent is None,
        own=True,
    ),
    *LATENT_ROWS,
)
OTHER_ROWS = (
    NumberRow(
        "attention_scale",
        "attention_scales",
        "float",
        _attention_scale,
        _toy_attention_scale,
        used=lambda b: b.attention.scale is not None or b.attention.scale_by_layer,
        comment="of the scores, before softmax",
    ),
    NumberRow(
        "value_scale",
        "value_scales",
        "float",
        lambda la: float(la.block.attention.value_scale or 1.0),
        _same("value_scale"),
        used=lambda b: b.attention.value_scale is not None,
        own=True,
        comment="of the values",
    ),
    NumberRow(
        "attention_softcap",
        "attention_softcaps",
        "float",
        lambda la: float(la.block.attention.softcap or 0.0),
        _same("attention_softcap"),
        used=lambda b: b.attention.softcap is not None,
        own=True,
        comment="no score is beyond it",
    ),
    NumberRow(
        "relative_buckets",
        "relative_buckets",
        "int",
        _relative("buckets"),
        _capped("relative_buckets", 8),
        used=lambda b: b.attention.relative_bias is not None,
        own=True,
        comment="of distances that share a bias",
    ),
    NumberRow(
        "relative_max_distance",
        "relative_max_distances",
        "int",
        _relative("max_distance"),
        _capped("relative_max_distance", 16),
        used=lambda b: b.attention.relative_bias is not None,
        own=True,
        comment="all beyond are alike",
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
        "activation_beta",
        "activation_betas",
        "float",
        lambda la: float(la.block.mlp.beta or 0.0),
        _same("activation_beta"),
        used=lambda b: b.mlp.beta is not None,
        own=True,
        comment="silu is x * sigmoid(beta x)",
    ),
    NumberRow(
        "mlp_clamp",
        "mlp_clamps",
        "float",
        lambda la: float(la.block.mlp.clamp or 0.0),
        _same("mlp_clamp"),
        used=lambda b: b.mlp.clamp is not None,
        own=True,
        comment="of what is gated",
    ),
    NumberRow(
        "up_offset",
        "up_offsets",
        "float",
        lambda la: float(la.block.mlp.up_offset),
        _same("up_offset"),
        used=lambda b: bool(b.mlp.up_offset),
        own=True,
    ),
    NumberRow(
        "norm_eps", "norm_epsilons", "float", lambda la: la.block.norm.eps, _same("norm_eps")
    ),
    _inner_eps("latent_norm_eps", lambda b: b.attention.latent),
    _inner_eps("qk_norm_eps", lambda b: b.attention.qk_norm),
    _inner_eps("v_norm_eps", lambda b: b.attention.v_norm),
    _inner_eps("output_norm_eps", lambda b: b.attention.output_norm),
    _inner_eps("mlp_norm_eps", lambda b: b.mlp.norm),
    NumberRow(
        "attention_clip",
        "attention_clips",
        "float",
        lambda la: float(la.block.attention.clip or 0.0),
        _same("attention_clip"),
        used=lambda b: b.attention.clip is not None,
        own=True,
        comment="queries, keys and values are no further from zero",
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
        "temperature_scale",
        "temperature_scales",
        "float",
        _temperature("scale"),
        _same("temperature_scale"),
        used=_has_temperature,
        own=True,
        comment="how fast queries grow with their position",
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
    ),
    NumberRow(
        "rope_theta",
        "rope_thetas",
        "float",
        lambda la: float(la.block.attention.rope.theta) if la.block.attention.rope else 0.0,
        _same("rope_theta"),
        used=lambda b: b.attention.rope is not None,
        own=True,
    ),
)


def layer_values(
    rows: Sequence[NumberRow],
    model: TransformerModel,
    block: Block,
    mask: Values,
    toy_mask: Values,
) -> tuple[dict[str, Value], dict[str, Value]]:
    """All numbers of a block kind, at true and at toy size, those of its mask among them."""
    true: dict[str, Value] = {**mask}
    toy: dict[str, Value] = {**toy_mask}
    layer = Layer(model, block, true, toy)
    for row in rows:
        true[row.name] = row.true(layer)
        toy[row.name] = row.toy(layer)
    return true, toy
