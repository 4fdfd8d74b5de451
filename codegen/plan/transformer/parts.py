"""The parts of a network as the Plan has them: what templates read."""

from __future__ import annotations

from dataclasses import dataclass, replace

from codegen.plan.reads import OverLayer, Own, Read, Total
from codegen.plan.tables import Argument, Number
from codegen.plan.transformer.arguments import LAYER_CACHE, StateClass, arguments
from codegen.plan.transformer.attention_function import AttentionFunction, KeptPlan, ScorePlan
from codegen.plan.transformer.experts import ExpertsPlan
from codegen.plan.transformer.formula import Formula

ATTENTION = "transformer/attention/attention.py.jinja"


@dataclass(frozen=True)
class NormPlan:
    """A norm's structure, and where its width and its epsilon are read."""

    kind: str
    weight: bool
    bias: bool
    width: Read | Own
    eps: Read
    zero_centered: bool = False


@dataclass(frozen=True)
class LatentPlan:
    """Multi-head latent attention: the norms of its latents; queries may have none."""

    bias: bool
    q_norm: NormPlan | None
    kv_norm: NormPlan


@dataclass(frozen=True)
class EmbeddingPlan:
    """From tokens to the first block.

    The table has a row for each of `tokens`, of `width`; positions and types have `sum_width`.
    `types` are kinds of types, each with a table. `projected` says what becomes d_model wide:
    `tokens`, `sum` or `norm`.
    """

    tokens: Total
    width: Read
    scale: Read | Formula | None
    token_shift: bool
    positions: str  # none, learned or sinusoidal
    rows: Total  # of the table of learned positions
    sum_width: Read
    offset: bool
    interleaved: bool
    inclusive: bool
    types: tuple[str, ...]
    norm: NormPlan | None
    norm_first: bool  # before positions are added
    projected: str
    projection_bias: bool
    layer_norm: NormPlan | None  # of what each layer's own embedding is projected to
    layer_rows: Read | None  # tokens that have a row in that table, if not all
    features: tuple[str, ...] = ()  # names of tables whose vectors stand beside the token's

    @property
    def learned(self) -> bool:
        """Whether there are only so many positions."""
        return self.positions == "learned"

    @property
    def type_inputs(self) -> tuple[str, ...]:
        """What an encoder's callers may say of each token."""
        return tuple(name for name, _ in self.types_said)

    @property
    def types_said(self) -> tuple[tuple[str, str], ...]:
        """The same with what each of them is, in words."""
        words = {"task": "type of each token's task"}
        types = ((f"{name}_types", words.get(name, "type of each token")) for name in self.types)
        return (*types, *((f"{name}_ids", f"{name} of each token") for name in self.features))


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
    width: Read
    transform: TransformPlan | None
    scale: Read | Formula | None  # of what the output embedding reads
    bias: bool
    bias_fixed: bool
    softcap: bool
    z_loss: bool


@dataclass(frozen=True)
class AttentionPlan:
    """One attention class, and where each of its `numbers` is read.

    `function` is None where `mask` is one that PyTorch has: `causal`, `full` or `padding`. Only a
    layer that is `cached` decodes.
    """

    class_name: str
    numbers: dict[str, Read | OverLayer | Formula]
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
    gate_bias: bool  # one for each head, where gates are of channels
    rope: bool
    score: ScorePlan
    dropout: Read | None  # the rate of attention's weights
    mask: str
    function: AttentionFunction | None
    cached: bool
    kept: KeptPlan
    latent: LatentPlan | None
    own_scale: bool  # a scale of the scores other than by the width of a head
    stretched_scale: bool  # that grows with the stretch of rotary positions
    own_values: bool  # value heads have a width of their own
    value_scale: bool
    keys_as_values: bool  # values have no projection of their own
    shared_kv: bool  # keys and values are an earlier layer's
    differential: NormPlan | None  # of what is left of two heads
    cross: bool  # keys and values are another stack's
    lends_kv: bool  # in a model some of whose layers read an earlier one's
    grid_bias: tuple[str, ...]  # whose biases by the offset of patches: `layer`'s, `shared` ones

    @property
    def template(self) -> str:
        """What makes its class."""
        return ATTENTION

    @property
    def given_numbers(self) -> tuple[Read, ...]:
        """What its class is given of the config: nothing, it reads what it needs."""
        return ()

    @property
    def base_name(self) -> str:
        """How its class is called where the model has no other of its kind."""
        return "Attention"

    def named(self, class_name: str) -> AttentionPlan:
        """The plan with the name of its class."""
        return replace(self, class_name=class_name)

    @property
    def state(self) -> StateClass | None:
        """What decoding keeps of each of its layers."""
        return LAYER_CACHE if self.cached else None

    @property
    def padded(self) -> bool:
        """Whether it takes `seen`: the keys of each row that are no padding."""
        return self.function is None and self.mask == "padding"

    @property
    def keeps_kv(self) -> bool:
        """Whether later layers may read its keys and values."""
        return self.lends_kv and not self.shared_kv and self.latent is None

    @property
    def keys(self) -> str:
        """The attribute that says how many heads keys and values have."""
        return "kv_heads" if self.grouped else "heads"

    @property
    def values(self) -> str:
        """The attribute that says how wide a head's values are."""
        return "value_dim" if self.own_values else "head_dim"

    @property
    def normed_heads(self) -> tuple[tuple[str, str], ...]:
        """What a norm goes over, and the attribute that says how many heads that has."""
        if self.qk_norm is None:
            return ()
        queries = (("q", "heads"),)
        return queries if self.shared_kv else (*queries, ("k", self.keys))

    @property
    def qk_norm_at(self) -> str:
        """What the norm of queries and keys is of: the `projection`, `heads`, or heads `rotated`.

        "" for none.
        """
        if self.qk_norm is None:
            return ""
        if self.qk_norm_over == "projection":
            return "projection"
        return "rotated" if self.qk_norm_after_rope else "heads"

    @property
    def mask_names(self) -> tuple[str, ...]:
        """The numbers of the mask, by the names of the attributes that hold them."""
        return self.function.mask.numbers if self.function else ()

    @property
    def mask_inputs(self) -> tuple[str, ...]:
        """What the mask reads of each row at run time."""
        return self.function.mask.inputs if self.function else ()

    @property
    def mask_numbers(self) -> tuple[Read | OverLayer | Formula, ...]:
        """How the numbers of the mask are read from the config."""
        return tuple(self.numbers[name] for name in self.mask_names)

    @property
    def arguments(self) -> tuple[Argument, ...]:
        """What its forward takes beside the stream."""
        taken = {
            "rotary": self.rope,
            "temperature": self.temperature,
            "inputs": bool(self.mask_inputs),
            "bias_table": self.score.shared_bias,
            "grid": "layer" in self.grid_bias,
            "bias": "shared" in self.grid_bias,
            "memory": self.cross,
            "seen": self.cross or self.padded,
            "kept": self.lends_kv,
            "cache": self.cached,
        }
        return arguments((name for name, present in taken.items() if present), self.state)


@dataclass(frozen=True)
class MlpPlan:
    """One MLP class, or a mixture of experts that are such MLPs."""

    class_name: str
    numbers: dict[str, Read]
    per_layer: bool
    kind: str
    activation: str
    bias: bool
    down_bias: bool
    norm: NormPlan | None
    beta: bool = False
    clamped: bool = False
    up_offset: bool = False
    sparse: bool = False  # what its activation reads is cut off below a part of its numbers
    experts: ExpertsPlan | None = None
    shared: MlpPlan | None = None  # the expert of all tokens
    own_norm: NormPlan | None = None  # by which each part of a mixture reads the stream itself
    output_norm: NormPlan | None = None  # of what each part of a mixture adds
    logit_scale: Read | Formula | None = None  # of a router's logits
    end_norm: NormPlan | None = None  # of what it makes as a whole
    takes: tuple[str, ...] = ()  # numbers that the class is given, as its uses differ in them

    @property
    def given_numbers(self) -> tuple[Read, ...]:
        """What its class is given of the config."""
        return tuple(self.numbers[name] for name in self.takes)

    @property
    def opens(self) -> str:
        """The projection that the activation is of."""
        return "gate" if self.kind == "gated" else "up"

    @property
    def width(self) -> Read | str:
        """How wide it is, as its constructor has it."""
        return "d_ff" if "d_ff" in self.takes else self.numbers["d_ff"]

    @property
    def template(self) -> str:
        """What makes its class."""
        return f"transformer/{'experts' if self.experts else 'mlp'}.py.jinja"

    @property
    def base_name(self) -> str:
        """How its class is called where the model has no other of its kind."""
        return "MoE" if self.experts else "MLP"

    def named(self, class_name: str) -> MlpPlan:
        """The plan with the names of its classes: those of a mixture begin alike."""
        prefix = class_name.removesuffix("MoE")
        return replace(
            self,
            class_name=class_name,
            experts=self.experts and replace(self.experts, prefix=prefix),
            shared=self.shared and replace(self.shared, class_name=f"{prefix}SharedMLP"),
        )

    @property
    def state(self) -> StateClass | None:
        """What decoding keeps of it: nothing."""
        return None

    @property
    def arguments(self) -> tuple[Argument, ...]:
        """What its forward takes beside the stream: nothing."""
        return ()


@dataclass(frozen=True)
class CrossAttentionPlan:
    """A decoder's attention to the source, one class for all layers, with its numbers by name."""

    attention: AttentionPlan
    numbers: dict[str, Number]

    @property
    def class_name(self) -> str:
        """Of the class of all layers."""
        return self.attention.class_name

    @property
    def template(self) -> str:
        """What makes its class."""
        return ATTENTION

    @property
    def given_numbers(self) -> tuple[Read, ...]:
        """What its class is given of the config: nothing, it reads what it needs."""
        return ()

    @property
    def base_name(self) -> str:
        """How its class is called."""
        return "CrossAttention"

    def named(self, class_name: str) -> CrossAttentionPlan:
        """The plan with the name of its class."""
        return replace(self, attention=self.attention.named(class_name))

    @property
    def per_layer(self) -> bool:
        """Whether it has to know which layer it is in."""
        return self.attention.per_layer

    @property
    def state(self) -> StateClass | None:
        """What decoding keeps of each of its layers: the memory of a source, beside them all."""
        return None

    @property
    def arguments(self) -> tuple[Argument, ...]:
        """What its forward takes beside the stream."""
        return self.attention.arguments


@dataclass(frozen=True)
class AltUpPlan:
    """Several streams around blocks, the norm of what maps them, and a gain before the gate."""

    norm: NormPlan
    scaled: bool


@dataclass(frozen=True)
class RopePlan:
    """One function that makes rotary angles; `kinds` are the block kinds whose layers read it.

    `thetas` is true where its layers differ in theta. `dim` is the rotated width of a
    head; `partial` says that the rest of the head stays.
    """

    name: str
    kinds: tuple[str, ...]
    thetas: bool
    dim: Read
    partial: bool
    pairs: str
    sign: int
    scaling: str | None
    factor: bool
    truncate: bool
    attention_factor: bool
    own_attention_factor: bool  # not the one that follows from the stretch
    long_attention_factor: bool

    @property
    def by_length(self) -> bool:
        """Whether angles depend on how long the whole sequence is."""
        return self.scaling in ("dynamic", "longrope")


@dataclass(frozen=True)
class TemperaturePlan:
    """Queries grow with their position; `offset` is the position of the first token."""

    kind: str  # log or power

    offset: int
