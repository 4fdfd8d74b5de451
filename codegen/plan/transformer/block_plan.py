"""A kind of blocks as the Plan has it: its sublayers, and what each of them is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from codegen.frozen import frozen
from codegen.plan.reads import Read
from codegen.plan.tables import Argument
from codegen.plan.transformer.adapter import AdapterPlan
from codegen.plan.transformer.arguments import StateClass, taken_by
from codegen.plan.transformer.attention_plan import AttentionPlan, CrossAttentionPlan
from codegen.plan.transformer.formula import Formula
from codegen.plan.transformer.layer_gate import LayerGatePlan
from codegen.plan.transformer.low_rank import LowRankPlan
from codegen.plan.transformer.parts import MlpPlan, NormPlan

if TYPE_CHECKING:
    from typing_extensions import Self


class Mixer(Protocol):
    """What a sublayer may be: its class, and what that asks of those who make and call it."""

    @property
    def class_name(self) -> str:
        """Of its class."""

    @property
    def base_name(self) -> str:
        """How its class is called where the model has no other of its kind."""

    @property
    def template(self) -> str:
        """What makes its class."""

    @property
    def per_layer(self) -> bool:
        """Whether it has to know which layer it is in."""

    @property
    def given_numbers(self) -> tuple[Read, ...]:
        """What its class is given of the config."""

    @property
    def arguments(self) -> tuple[Argument, ...]:
        """What its forward takes beside the stream."""

    @property
    def state(self) -> StateClass | None:
        """What decoding keeps of each of its layers."""

    def named(self, class_name: str) -> Self:
        """The plan with the name of its class."""


@frozen
class SublayerPlan:
    """A part of a block, which reads the stream and adds to it.

    `name` is the attribute's, and `around` how the names of its norms and its gain begin: `mixer`
    in models where not all blocks attend. `norm_before` says that it reads the stream by a norm of
    its own; `norm_after` is of what: of its `branch`, or of the `sum` with the stream; "" for none.
    """

    name: str
    around: str
    plan: Mixer
    norm_before: bool
    norm_after: str

    @property
    def class_name(self) -> str:
        """Of its class, which blocks may share."""
        return self.plan.class_name

    @property
    def per_layer(self) -> bool:
        """Whether it has to know which layer it is in."""
        return self.plan.per_layer

    @property
    def arguments(self) -> tuple[Argument, ...]:
        """What its forward takes beside the stream."""
        return self.plan.arguments


@frozen
class BlockPlan:
    """One structure of blocks, by its `name`, and the kinds of layers that share it.

    Its sublayers stand in the order in which they read the stream. Structures that differ in no
    more than the classes of some sublayers have one class, which is `given` these.
    """

    name: str
    class_name: str
    kinds: tuple[str, ...]
    per_layer: bool
    sublayers: tuple[SublayerPlan, ...]
    given: tuple[str, ...]
    norm: NormPlan
    placement: str
    dropout: Read | None  # the rate of what sublayers add
    parallel: bool
    shared_norm: bool
    attention_norm: bool  # before attention, where the others are before theirs
    residual_scale: Read | Formula | None  # the factor of what sublayers add
    residual_normed: bool
    layer_scalar: str  # learned or fixed; nothing where the stream leaves as it is
    altup: bool  # several streams around it
    depth_scaled: bool  # the stream is a sum over the root of the number of its addends
    layer_scale: bool
    drop_path: bool
    adapter: AdapterPlan | None

    @property
    def arguments(self) -> tuple[Argument, ...]:
        """What its sublayers take beside the stream."""
        return taken_by(self.sublayers)

    def taking(self, given: Iterable[Argument]) -> tuple[Argument, ...]:
        """What it is given, which all blocks are alike, with the types that its own have."""
        own = {argument.name: argument for argument in self.arguments}
        return tuple(own.get(argument.name, argument) for argument in given)

    @property
    def attentions(self) -> tuple[AttentionPlan, ...]:
        """Those of its sublayers that are attention to its own sequence."""
        return tuple(s.plan for s in self.sublayers if isinstance(s.plan, AttentionPlan))

    @property
    def cross(self) -> CrossAttentionPlan | None:
        """How it reads a source."""
        found = (s.plan for s in self.sublayers if isinstance(s.plan, CrossAttentionPlan))
        return next(found, None)

    @property
    def mixing(self) -> tuple[SublayerPlan, ...]:
        """The sublayers that its layout is of: all but the gate of its own embedding."""
        return tuple(s for s in self.sublayers if not isinstance(s.plan, LayerGatePlan))

    @property
    def low_rank(self) -> SublayerPlan | None:
        """What goes past attention, narrow."""
        return next((s for s in self.sublayers if isinstance(s.plan, LowRankPlan)), None)

    @property
    def gate(self) -> SublayerPlan | None:
        """What adds the layer's own embedding, behind the others."""
        return next((s for s in self.sublayers if isinstance(s.plan, LayerGatePlan)), None)

    @property
    def given_sublayers(self) -> tuple[SublayerPlan, ...]:
        """The sublayers that the class is given."""
        return tuple(s for s in self.sublayers if s.name in self.given)

    @property
    def mlps(self) -> tuple[MlpPlan, ...]:
        """Those of its sublayers that are MLPs or mixtures of them."""
        return tuple(s.plan for s in self.sublayers if isinstance(s.plan, MlpPlan))

    @property
    def attention(self) -> AttentionPlan:
        """The attention of a block that has one."""
        return self.attentions[0]

    @property
    def mlp(self) -> MlpPlan:
        """The MLP of a block that has one."""
        return self.mlps[0]

    def part(self, name: str) -> SublayerPlan:
        """A sublayer by its name."""
        return next(sublayer for sublayer in self.sublayers if sublayer.name == name)

    def with_plans(self, plans: Mapping[str, Mixer]) -> BlockPlan:
        """The block with other plans of its sublayers, by their names."""
        found = (replace(s, plan=plans.get(s.name, s.plan)) for s in self.sublayers)
        return replace(self, sublayers=tuple(found))
