"""The parts of a network as the Plan has them: what templates read."""

from __future__ import annotations

from dataclasses import replace

from codegen.frozen import frozen
from codegen.plan.reads import Own, Read, Total
from codegen.plan.tables import Argument
from codegen.plan.transformer.arguments import StateClass
from codegen.plan.transformer.experts import ExpertsPlan
from codegen.plan.transformer.formula import Formula


@frozen
class NormPlan:
    """A norm's structure, and where its width and its epsilon are read."""

    kind: str
    weight: bool
    bias: bool
    width: Read | Own
    eps: Read
    zero_centered: bool = False


@frozen
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


@frozen
class TransformPlan:
    """A dense layer between the last block and the output embedding."""

    activation: str
    bias: bool
    norm: NormPlan | None


@frozen
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


@frozen
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


@frozen
class AltUpPlan:
    """Several streams around blocks, the norm of what maps them, and a gain before the gate."""

    norm: NormPlan
    scaled: bool


@frozen
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


@frozen
class TemperaturePlan:
    """Queries grow with their position; `offset` is the position of the first token."""

    kind: str  # log or power

    offset: int
