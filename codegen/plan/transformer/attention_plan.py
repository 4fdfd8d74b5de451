"""Attention as the Plan has it: its classes, what they read and are given."""

from __future__ import annotations

from dataclasses import replace

from codegen.frozen import frozen
from codegen.plan.reads import OverLayer, Read
from codegen.plan.tables import Argument, Number
from codegen.plan.transformer.arguments import LAYER_CACHE, StateClass, arguments
from codegen.plan.transformer.attention_function import AttentionFunction, KeptPlan, ScorePlan
from codegen.plan.transformer.formula import Formula
from codegen.plan.transformer.parts import NormPlan

ATTENTION = "transformer/attention/attention.py.jinja"


@frozen
class LatentPlan:
    """Multi-head latent attention: the norms of its latents; queries may have none."""

    bias: bool
    q_norm: NormPlan | None
    kv_norm: NormPlan


@frozen
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


@frozen
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
