"""Each layer's numbers, at true and at toy size, and the config fields that hold them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from codegen.plan.layer_masks import TINY_CONTEXT, layer_masks, toy_values
from codegen.plan.mask_numbers import MaskNumber, mask_numbers
from codegen.plan.network import ConfigField
from codegen.spec.expression import ExpressionError
from codegen.spec.resolve import resolve_block, scale_numbers
from codegen.spec.scale import evaluate, parse_scale
from codegen.spec.transformer import Block, Llama3Scaling, TransformerModel

TINY_MODEL = 32
TINY_HEAD_DIM = 8
TINY_VOCABULARY = 61
TOY_NUMBERS = {  # what a scale may name
    "d_model": TINY_MODEL,
    "head_dim": TINY_HEAD_DIM,
    "heads": 4,
    "layers": 2,
    "d_ff": 64,
    "vocab_size": TINY_VOCABULARY,
}


@dataclass(frozen=True)
class Sizes:
    """The numbers of one layer, at true size or at toy size."""

    heads: int
    kv_heads: int
    head_dim: int
    d_ff: int
    rope_theta: float
    norm_eps: float
    qk_norm_eps: float
    attention_scale: float
    attention_softcap: float
    relative_buckets: int
    relative_max_distance: int
    mask: Mapping[str, int] = field(default_factory=dict)  # the numbers of its mask

    def number(self, name: str) -> Any:
        """Any of them by name; zero for a number that only other masks have."""
        return self.mask.get(name, 0) if not hasattr(self, name) else getattr(self, name)


class NumberRow(NamedTuple):
    """A number that may differ by layer, as the config has it."""

    name: str
    plural: str
    type: str
    comment: str = ""
    of_each: str = ""  # the comment on the plural


# The numbers of a mask stand after those of the heads.
HEAD_ROWS = (
    NumberRow("heads", "heads", "int"),
    NumberRow("kv_heads", "kv_heads", "int"),
    NumberRow("head_dim", "head_dims", "int"),
)
OTHER_ROWS = (
    NumberRow("attention_scale", "attention_scales", "float", "of the scores, before softmax"),
    NumberRow("attention_softcap", "attention_softcaps", "float", "no score is beyond it"),
    NumberRow("relative_buckets", "relative_buckets", "int", "of distances that share a bias"),
    NumberRow("relative_max_distance", "relative_max_distances", "int", "all beyond are alike"),
    NumberRow("d_ff", "d_ffs", "int"),
    NumberRow("norm_eps", "norm_epsilons", "float"),
    NumberRow("qk_norm_eps", "qk_norm_epsilons", "float"),
    NumberRow("rope_theta", "rope_thetas", "float"),
)


class LayerNumbers:
    """Each layer's sizes, true and toy, and how the config names them."""

    def __init__(
        self,
        model: TransformerModel,
        kinds: tuple[str | None, ...],
        blocks: dict[str | None, Block],
    ) -> None:
        self.kinds = kinds
        self.blocks = blocks
        self.masks = layer_masks(model, blocks)
        self.mask_numbers = {kind: mask_numbers(mask) for kind, mask in self.masks.items()}
        knobs = {n.name: n.knob for numbers in self.mask_numbers.values() for n in numbers}
        mask_rows = [
            NumberRow(k.name, k.plural, "int", k.comment, k.of_each) for k in knobs.values()
        ]
        self.rows = {row.name: row for row in (*HEAD_ROWS, *mask_rows, *OTHER_ROWS)}
        by_kind = {k: real_sizes(model, b, self.mask_numbers[k]) for k, b in blocks.items()}
        # A layer without rotary positions reads no theta: it stands in nobody's way.
        theta = max(sizes.rope_theta for sizes in by_kind.values())
        by_kind = {k: replace(s, rope_theta=s.rope_theta or theta) for k, s in by_kind.items()}
        values = toy_values(self.mask_numbers.values(), model.context_length)
        toy = {
            k: toy_sizes(b, by_kind[k], {n.name: values[n] for n in self.mask_numbers[k]})
            for k, b in blocks.items()
        }
        self.real = [by_kind[kind] for kind in kinds]
        self.tiny_kinds = tuple(dict.fromkeys(kinds)) if len(blocks) > 1 else (kinds[0],) * 2
        self.tiny = [toy[kind] for kind in self.tiny_kinds]

    def used(self, name: str) -> bool:
        """Whether any layer has the number at all."""
        uses: dict[str, Callable[[Block], bool]] = {
            "kv_heads": lambda b: (b.attention.kv_heads or b.attention.heads) != b.attention.heads,
            "rope_theta": lambda b: b.attention.rope is not None,
            "qk_norm_eps": lambda b: bool(b.attention.qk_norm and b.attention.qk_norm.eps),
            "attention_scale": lambda b: b.attention.scale is not None,
            "attention_softcap": lambda b: b.attention.softcap is not None,
            "relative_buckets": lambda b: b.attention.relative_bias is not None,
            "relative_max_distance": lambda b: b.attention.relative_bias is not None,
        }
        return name not in uses or any(uses[name](block) for block in self.blocks.values())

    def uniform(self, name: str) -> bool:
        """Whether all layers agree on the number."""
        of_mask = any(name in sizes.mask for sizes in self.real)
        has = [s for s in self.real if name in s.mask] if of_mask else self.real
        return len({sizes.number(name) for sizes in has}) == 1

    def agrees(self, name: str, value: float) -> bool:
        """Whether all layers have this very number."""
        return all(sizes.number(name) == value for sizes in self.real)

    def access(self, name: str) -> str:
        """How a constructor reads the number from its config."""
        if not self.used(name):
            name = {"kv_heads": "heads", "qk_norm_eps": "norm_eps"}.get(name, name)
        return f"config.{name}" if self.uniform(name) else f"config.{self.rows[name].plural}[layer]"


def real_sizes(model: TransformerModel, block: Block, of_mask: tuple[MaskNumber, ...]) -> Sizes:
    """A layer's numbers at true size."""
    attention, relative = block.attention, block.attention.relative_bias
    numbers = scale_numbers(model, block)
    return Sizes(
        heads=attention.heads,
        kv_heads=attention.kv_heads or attention.heads,
        head_dim=numbers["head_dim"],
        d_ff=numbers["d_ff"],
        rope_theta=float(attention.rope.theta) if attention.rope else 0.0,
        norm_eps=block.norm.eps,
        qk_norm_eps=(attention.qk_norm and attention.qk_norm.eps) or block.norm.eps,
        attention_scale=scale_value(attention.scale, numbers) or numbers["head_dim"] ** -0.5,
        attention_softcap=float(attention.softcap or 0.0),
        relative_buckets=relative.buckets if relative else 0,
        relative_max_distance=relative.max_distance if relative else 0,
        mask={n.name: min(n.value, model.context_length) for n in of_mask},
    )


def toy_sizes(block: Block, real: Sizes, mask: Mapping[str, int]) -> Sizes:
    """The same layer at toy size: every ratio that makes a difference in code is kept."""
    attention = block.attention
    grouped = real.kv_heads < real.heads
    heads = min(real.heads, 4)
    toy = {**TOY_NUMBERS, "heads": heads}
    scale = toy_scale(attention.scale, toy, real.attention_scale)
    return Sizes(
        heads=heads,
        kv_heads=min(real.kv_heads, 2) if grouped else heads,
        head_dim=TINY_HEAD_DIM,
        d_ff=64 if block.mlp.kind == "plain" else 48,
        rope_theta=real.rope_theta,
        norm_eps=real.norm_eps,
        qk_norm_eps=real.qk_norm_eps,
        attention_scale=scale if attention.scale else TINY_HEAD_DIM**-0.5,
        attention_softcap=real.attention_softcap,
        relative_buckets=min(real.relative_buckets, 8),
        relative_max_distance=min(real.relative_max_distance, 16),
        mask=mask,
    )


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


def config_fields(
    model: TransformerModel, numbers: LayerNumbers, *, one_kind: bool
) -> tuple[ConfigField, ...]:
    """The knobs that this model has, in the order a reader expects."""
    fields = [
        ConfigField("vocab_size", "int", model.vocab_size, TINY_VOCABULARY),
        ConfigField("context_length", "int", model.context_length, TINY_CONTEXT),
        ConfigField("d_model", "int", model.d_model, TINY_MODEL),
        _layers_field(numbers, one_kind),
        *(
            _number_field(numbers, row)
            for row in numbers.rows.values()
            if numbers.used(row.name) and row.name != "rope_theta"
        ),
    ]
    eps = resolve_block(model, None).norm.eps
    if not numbers.agrees("norm_eps", eps):
        fields.append(ConfigField("final_norm_eps", "float", eps, eps, "outside the blocks"))
    if numbers.used("rope_theta"):
        if not numbers.uniform("head_dim"):
            fields.append(_rope_dim(numbers))
        fields.append(_number_field(numbers, numbers.rows["rope_theta"]))
        fields += _scaling_fields(numbers)
    if model.embedding.scale is not None:
        real = scale_value(model.embedding.scale, scale_numbers(model, Block()))
        tiny = toy_scale(model.embedding.scale, TOY_NUMBERS, real)
        comment = model.embedding.scale if isinstance(model.embedding.scale, str) else ""
        fields.append(ConfigField("embedding_scale", "float", real, tiny, comment))
    if model.head.softcap is not None:
        cap = float(model.head.softcap)
        fields.append(ConfigField("logit_softcap", "float", cap, cap))
    if model.head.z_loss is not None:
        factor = float(model.head.z_loss)
        fields.append(ConfigField("z_loss", "float", factor, factor, "of logsumexp^2, in training"))
    if model.dropout:
        fields.append(ConfigField("dropout", "float", model.dropout, model.dropout))
    fields.append(ConfigField("init_std", "float", model.init.std, model.init.std))
    if model.init.embedding_std is not None:
        std = float(model.init.embedding_std)
        fields.append(ConfigField("embedding_std", "float", std, std))
    return tuple(fields)


def _layers_field(numbers: LayerNumbers, one_kind: bool) -> ConfigField:
    """A number of layers, or the kind of each where kinds differ in structure."""
    if not one_kind:
        kinds, tiny = (tuple(k or "" for k in n) for n in (numbers.kinds, numbers.tiny_kinds))
        return ConfigField("layers", "tuple[str, ...]", kinds, tiny, "the kind of each block")
    return ConfigField("layers", "int", len(numbers.kinds), len(numbers.tiny_kinds))


def _number_field(numbers: LayerNumbers, row: NumberRow) -> ConfigField:
    real = tuple(sizes.number(row.name) for sizes in numbers.real)
    tiny = tuple(sizes.number(row.name) for sizes in numbers.tiny)
    if numbers.uniform(row.name):
        # A number that only some layers have stands as zero in the others.
        return ConfigField(row.name, row.type, max(real), max(tiny), row.comment)
    of_each = "of each layer" + (f", {row.of_each}" if row.of_each else "")
    return ConfigField(row.plural, f"tuple[{row.type}, ...]", real, tiny, of_each)


def _rope_dim(numbers: LayerNumbers) -> ConfigField:
    """The width of the heads that are rotated, where others are not."""
    rotated = {
        sizes.head_dim
        for kind, sizes in zip(numbers.kinds, numbers.real, strict=True)
        if numbers.blocks[kind].attention.rope
    }
    return ConfigField("rope_dim", "int", rotated.pop(), TINY_HEAD_DIM, "of rotated heads")


def _scaling_fields(numbers: LayerNumbers) -> list[ConfigField]:
    """The numbers of the rotary scaling; every layer with one has the same."""
    scalings = {b.attention.rope.scaling for b in numbers.blocks.values() if b.attention.rope}
    scaling = next(iter(scalings))
    if scaling is None:
        return []
    factor = float(scaling.factor)
    fields = [ConfigField("rope_factor", "float", factor, factor, "longer than in training")]
    if isinstance(scaling, Llama3Scaling):
        low, high = float(scaling.low_freq_factor), float(scaling.high_freq_factor)
        original = scaling.original_context_length
        fields += [
            ConfigField("rope_low_freq_factor", "float", low, low),
            ConfigField("rope_high_freq_factor", "float", high, high),
            ConfigField("rope_original_context_length", "int", original, TINY_CONTEXT // 2),
        ]
    return fields
