"""Each layer's numbers, at true and at toy size, and the config fields that hold them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from codegen.errors import Diagnostic, SpecError
from codegen.plan.network import ConfigField
from codegen.spec.expression import ExpressionError
from codegen.spec.mask import parse_mask
from codegen.spec.reach import causal_reach
from codegen.spec.resolve import layer_kinds
from codegen.spec.scale import evaluate, parse_scale
from codegen.spec.transformer import Block, Llama3Scaling, TransformerModel

TINY_CONTEXT = 32
TINY_WINDOW = 5
TINY_MODEL = 32
TINY_HEAD_DIM = 8


@dataclass(frozen=True)
class Sizes:
    """The numbers of one layer, at true size or at toy size."""

    heads: int
    kv_heads: int
    head_dim: int
    d_ff: int
    window: int
    rope_theta: float
    norm_eps: float
    qk_norm_eps: float
    attention_scale: float


# The numbers that may differ by layer: (field, plural, type, comment).
NUMBERS: tuple[tuple[str, str, str, str], ...] = (
    ("heads", "heads", "int", ""),
    ("kv_heads", "kv_heads", "int", ""),
    ("head_dim", "head_dims", "int", ""),
    ("window", "windows", "int", "keys a query sees, itself included"),
    ("attention_scale", "attention_scales", "float", "of the scores, before softmax"),
    ("d_ff", "d_ffs", "int", ""),
    ("norm_eps", "norm_epsilons", "float", ""),
    ("qk_norm_eps", "qk_norm_epsilons", "float", ""),
    ("rope_theta", "rope_thetas", "float", ""),
)


class LayerNumbers:
    """Each layer's sizes, true and toy, and how the config names them."""

    def __init__(
        self,
        model: TransformerModel,
        kinds: tuple[str | None, ...],
        blocks: dict[str | None, Block],
    ) -> None:
        reaches = {kind: causal_reach(parse_mask(b.attention.mask)) for kind, b in blocks.items()}
        windows = sorted({reach for reach in reaches.values() if reach is not None})
        self.kinds = kinds
        self.blocks = blocks
        by_kind = {k: real_sizes(model, b, reaches[k]) for k, b in blocks.items()}
        # A layer without rotary positions reads no theta: it stands in nobody's way.
        theta = max(sizes.rope_theta for sizes in by_kind.values())
        by_kind = {k: replace(s, rope_theta=s.rope_theta or theta) for k, s in by_kind.items()}
        toy = {k: toy_sizes(model, b, by_kind[k], windows) for k, b in blocks.items()}
        self.real = [by_kind[kind] for kind in kinds]
        self.tiny_kinds = tuple(dict.fromkeys(kinds)) if len(blocks) > 1 else (kinds[0],) * 2
        self.tiny = [toy[kind] for kind in self.tiny_kinds]

    def used(self, name: str) -> bool:
        """Whether any layer has the number at all."""
        uses: dict[str, Callable[[Block], bool]] = {
            "kv_heads": lambda b: (b.attention.kv_heads or b.attention.heads) != b.attention.heads,
            "window": lambda b: causal_reach(parse_mask(b.attention.mask)) is not None,
            "rope_theta": lambda b: b.attention.rope is not None,
            "qk_norm_eps": lambda b: bool(b.attention.qk_norm and b.attention.qk_norm.eps),
            "attention_scale": lambda b: b.attention.scale is not None,
        }
        return name not in uses or any(uses[name](block) for block in self.blocks.values())

    def uniform(self, name: str) -> bool:
        """Whether all layers agree on the number."""
        return len({getattr(sizes, name) for sizes in self.real}) == 1

    def access(self, name: str) -> str:
        """How a constructor reads the number from its config."""
        if not self.used(name):
            name = {"kv_heads": "heads", "qk_norm_eps": "norm_eps"}.get(name, name)
        plural = next(row[1] for row in NUMBERS if row[0] == name)
        return f"config.{name}" if self.uniform(name) else f"config.{plural}[layer]"


def real_sizes(model: TransformerModel, block: Block, reach: int | None) -> Sizes:
    """A layer's numbers at true size."""
    attention, mlp = block.attention, block.mlp
    head_dim = attention.head_dim or model.d_model // attention.heads
    plain, gated = 4 * model.d_model, -(-8 * model.d_model // (3 * 64)) * 64
    d_ff = mlp.d_ff or (plain if mlp.kind == "plain" else gated)
    names = {**_names(model), "head_dim": head_dim, "heads": attention.heads, "d_ff": d_ff}
    return Sizes(
        heads=attention.heads,
        kv_heads=attention.kv_heads or attention.heads,
        head_dim=head_dim,
        d_ff=d_ff,
        window=min(reach or model.context_length, model.context_length),
        rope_theta=float(attention.rope.theta) if attention.rope else 0.0,
        norm_eps=block.norm.eps,
        qk_norm_eps=(attention.qk_norm and attention.qk_norm.eps) or block.norm.eps,
        attention_scale=scale_value(attention.scale, names, ("model", "attention", "scale"))
        or head_dim**-0.5,
    )


def toy_sizes(model: TransformerModel, block: Block, real: Sizes, windows: list[int]) -> Sizes:
    """The same layer at toy size: every ratio that makes a difference in code is kept."""
    grouped = real.kv_heads < real.heads
    heads = min(real.heads, 4)
    kv_heads = min(real.kv_heads, 2) if grouped else heads
    reach = causal_reach(parse_mask(block.attention.mask))
    names = dict.fromkeys(_names(model), TINY_MODEL) | {"head_dim": TINY_HEAD_DIM, "heads": heads}
    return Sizes(
        heads=heads,
        kv_heads=kv_heads,
        head_dim=TINY_HEAD_DIM,
        d_ff=64 if block.mlp.kind == "plain" else 48,
        window=TINY_CONTEXT if reach is None else TINY_WINDOW + 2 * windows.index(reach),
        rope_theta=real.rope_theta,
        norm_eps=real.norm_eps,
        qk_norm_eps=real.qk_norm_eps,
        attention_scale=scale_value(block.attention.scale, names, ()) or TINY_HEAD_DIM**-0.5,
    )


def _names(model: TransformerModel) -> dict[str, int]:
    """What a scale expression may name."""
    return {
        "d_model": model.d_model,
        "layers": len(layer_kinds(model)),
        "vocab_size": model.vocab_size,
        "d_ff": 4 * model.d_model,
    }


def scale_value(scale: float | str | None, names: dict[str, int], place: tuple[str, ...]) -> float:
    """A scale's number; 0 where none is given."""
    if scale is None or not isinstance(scale, str):
        return float(scale or 0.0)
    try:
        return evaluate(parse_scale(scale), names)
    except ExpressionError as error:
        where = ".".join(place)
        raise SpecError(Diagnostic(f"{where}: {error.message} in `{scale}`")) from None


def config_fields(
    model: TransformerModel, numbers: LayerNumbers, *, one_kind: bool
) -> tuple[ConfigField, ...]:
    """The knobs that this model has, in the order a reader expects."""
    fields = [
        ConfigField("vocab_size", "int", model.vocab_size, 61),
        ConfigField("context_length", "int", model.context_length, TINY_CONTEXT),
        ConfigField("d_model", "int", model.d_model, TINY_MODEL),
        _layers_field(numbers, one_kind),
        *(
            _number_field(numbers, *row)
            for row in NUMBERS
            if numbers.used(row[0]) and row[0] != "rope_theta"
        ),
    ]
    if numbers.used("rope_theta"):
        fields.append(_number_field(numbers, *NUMBERS[-1]))
        fields += _scaling_fields(numbers)
    if model.embedding.scale is not None:
        real = scale_value(model.embedding.scale, _names(model), ("model", "embedding", "scale"))
        tiny = scale_value(model.embedding.scale, dict.fromkeys(_names(model), TINY_MODEL), ())
        comment = model.embedding.scale if isinstance(model.embedding.scale, str) else ""
        fields.append(ConfigField("embedding_scale", "float", real, tiny, comment))
    if model.head.softcap is not None:
        cap = float(model.head.softcap)
        fields.append(ConfigField("logit_softcap", "float", cap, cap))
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


def _number_field(
    numbers: LayerNumbers, name: str, plural: str, type_: str, comment: str
) -> ConfigField:
    real = tuple(getattr(sizes, name) for sizes in numbers.real)
    tiny = tuple(getattr(sizes, name) for sizes in numbers.tiny)
    if numbers.uniform(name):
        return ConfigField(name, type_, real[0], tiny[0], comment)
    comment = f"of each layer: {comment}" if comment else "of each layer"
    return ConfigField(plural, f"tuple[{type_}, ...]", real, tiny, comment)


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
