"""The parts of a network as the Plan has them: what templates read."""

from __future__ import annotations

from dataclasses import dataclass, field

from codegen.plan.tables import Number
from codegen.plan.transformer.attention_function import AttentionFunction, KeptPlan, ScorePlan
from codegen.plan.transformer.experts import ExpertsPlan


@dataclass(frozen=True)
class NormPlan:
    """A norm's structure; `width` and `eps` are expressions over the config."""

    kind: str
    weight: bool
    bias: bool
    width: str
    eps: str
    zero_centered: bool = False


@dataclass(frozen=True)
class LatentPlan:
    """Multi-head latent attention: the norms of its latents; queries may have none."""

    bias: bool
    q_norm: NormPlan | None
    kv_norm: NormPlan


@dataclass(frozen=True)
class EmbeddingPlan:
    """From tokens to the first block; numbers are expressions over the config.

    The table has a row for each of `tokens`, of `width`; positions and types have `sum_width`.
    `types` are kinds of types, each with a table. `projected` says what becomes d_model wide:
    `tokens`, `sum` or `norm`.
    """

    tokens: str
    width: str
    scaled: bool
    token_shift: bool
    positions: str  # none, learned or sinusoidal
    rows: str  # of the table of learned positions
    sum_width: str
    offset: bool
    interleaved: bool
    inclusive: bool
    types: tuple[str, ...]
    norm: NormPlan | None
    norm_first: bool  # before positions are added
    projected: str
    projection_bias: bool

    @property
    def learned(self) -> bool:
        """Whether there are only so many positions."""
        return self.positions == "learned"

    @property
    def type_inputs(self) -> tuple[str, ...]:
        """What an encoder's callers may say of each token."""
        return tuple(f"{name}_types" for name in self.types)


@dataclass(frozen=True)
class TransformPlan:
    """A dense layer between the last block and the output embedding."""

    activation: str
    bias: bool
    norm: NormPlan | None


@dataclass(frozen=True)
class HeadPlan:
    """From the last block to logits; `width` is what the output embedding reads."""

    tied: bool
    width: str
    transform: TransformPlan | None
    scaled: bool
    bias: bool
    bias_fixed: bool
    softcap: bool
    z_loss: bool


@dataclass(frozen=True)
class AttentionPlan:
    """One attention class. `numbers` are expressions: `config.heads`, `config.windows[layer]`.

    `function` is None where `mask` is one that PyTorch has: `causal`, `full` or `padding`. Only a
    layer that is `cached` decodes.
    """

    class_name: str
    numbers: dict[str, str]
    per_layer: bool
    bias: dict[str, bool]
    grouped: bool
    qk_norm: NormPlan | None
    qk_norm_over: str  # head, each_head or projection
    qk_norm_after_rope: bool
    turned_values: bool
    v_norm: NormPlan | None
    output_norm: NormPlan | None
    clip: bool
    temperature: bool
    gate: str  # none, channel or head
    gate_activation: str  # nothing where there is no gate
    rope: bool
    score: ScorePlan
    dropout: str  # how the config has the rate of attention's weights; "" for none
    mask: str
    function: AttentionFunction | None
    cached: bool
    kept: KeptPlan
    latent: LatentPlan | None
    own_scale: bool  # the config has a scale of the scores
    own_values: bool  # value heads have a width of their own
    value_scale: bool
    shared_kv: bool  # keys and values are an earlier layer's
    differential: NormPlan | None  # of what is left of two heads

    @property
    def padded(self) -> bool:
        """Whether it takes `seen`: the keys of each row that are no padding."""
        return self.function is None and self.mask == "padding"

    @property
    def mask_numbers(self) -> tuple[str, ...]:
        """How the numbers of the mask are read from the config."""
        names = self.function.mask.numbers if self.function else ()
        return tuple(self.numbers[name] for name in names)


@dataclass(frozen=True)
class MlpPlan:
    """One MLP class, or a mixture of experts that are such MLPs."""

    class_name: str
    numbers: dict[str, str]
    per_layer: bool
    kind: str
    activation: str
    bias: bool
    down_bias: bool
    norm: NormPlan | None
    beta: bool = False
    clamped: bool = False
    up_offset: bool = False
    experts: ExpertsPlan | None = None
    shared: MlpPlan | None = None  # the expert of all tokens


@dataclass(frozen=True)
class CrossAttentionPlan:
    """A decoder's attention to the source, one class for all layers, with its numbers by name."""

    attention: AttentionPlan
    numbers: dict[str, Number]


@dataclass(frozen=True)
class BlockPlan:
    """One block class: the kinds of layers that share its structure."""

    class_name: str
    kinds: tuple[str, ...]
    per_layer: bool
    attention: AttentionPlan
    mlp: MlpPlan
    norm: NormPlan
    placement: str
    dropout: str  # how the config has the rate of what sublayers add; "" for none
    parallel: bool
    shared_norm: bool
    attention_norm: bool  # before attention, where the others are before theirs
    residual_scale: str  # how the config has the factor of what sublayers add; "" for none
    residual_normed: bool
    layer_scale: bool
    drop_path: bool
    cross: CrossAttentionPlan | None = field(default=None, kw_only=True)


@dataclass(frozen=True)
class LatentSizes:
    """Widths of latent attention; a q_rank of 0 for none."""

    q_rank: int
    kv_rank: int
    nope_dim: int
    rope_dim: int


@dataclass(frozen=True)
class LayerPlan:
    """What one layer is, with its numbers."""

    kind: str
    block: str
    mask: str
    heads: int
    kv_heads: int
    head_dim: int
    value_dim: int
    kv_source: int  # the layer whose keys and values it reads
    latent: LatentSizes | None
    differential: bool
    d_ff: int
    rope_theta: float | None
    relative_buckets: int
    mask_numbers: tuple[tuple[str, int], ...]
    numbers: dict[str, Number]  # all of them by name, as the plan works them out


@dataclass(frozen=True)
class RopePlan:
    """One function that makes rotary angles; `kinds` are the block kinds whose layers read it.

    `thetas` is true where its layers differ in theta. `dim` is the rotated width of a head, as an
    expression over the config; `partial` says that the rest of the head stays.
    """

    name: str
    kinds: tuple[str, ...]
    thetas: bool
    dim: str
    partial: bool
    pairs: str
    sign: int
    scaling: str | None
    factor: bool
    truncate: bool
    attention_factor: bool
    long_attention_factor: bool

    @property
    def by_length(self) -> bool:
        """Whether angles depend on how long the whole sequence is."""
        return self.scaling in ("dynamic", "longrope")


@dataclass(frozen=True)
class TemperaturePlan:
    """Queries grow with their position; `offset` is the position of the first token."""

    offset: int
