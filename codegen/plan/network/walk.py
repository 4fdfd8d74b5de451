"""Layers of a spec -> a tree with every shape; the first that doesn't fit is named."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from codegen.plan.network.joins import joined, parted, patched, shortcut
from codegen.plan.network.kinds import planned_layer
from codegen.plan.network.layer import LayerError, Plain, PlannedLayer
from codegen.plan.network.polynomial import Chosen, of_atom
from codegen.plan.network.size import (
    MAP,
    TOKENS,
    Size,
    as_given,
    channels_of,
    fixed,
    product,
    quantity,
)
from codegen.plan.network.surroundings import Surroundings
from codegen.plan.network.tree import (
    Keep,
    Line,
    Node,
    Patched,
    Placed,
    Recalled,
    Seen,
)
from codegen.plan.network.unet import leveled
from codegen.plan.network.uses import used
from codegen.plan.network.visible import Given, holds
from codegen.spec.close_words import suggestion
from codegen.spec.network.blocks import BlockUse
from codegen.spec.network.fields import LayerFields
from codegen.spec.network.joins import AlsoLayer, JoinLayer, ResidualLayer
from codegen.spec.network.layers import AnyLayer
from codegen.spec.network.recall import FromLayer
from codegen.spec.network.split import PatchesLayer, SplitLayer
from codegen.spec.network.unet import UNetLayer
from codegen.spec.network.vocabulary import NetworkModel
from codegen.spec.yaml.source import Key

if TYPE_CHECKING:
    from codegen.spec.network.own_code import OwnCode

MAX_LAYERS = 20_000


class PlacedError(Exception):
    """A layer that doesn't fit, and its key in the spec."""

    def __init__(self, key: Key, error: LayerError) -> None:
        super().__init__(error.message)
        self.key, self.message, self.hint = key, error.message, error.hint


@dataclass
class OwnNumber:
    """A number of the model's own layers: whose it is, and its value."""

    holder: str  # a block's name, or "" of a layer
    field: str
    value: int | float
    place: int  # of its layer in the model
    said: bool = True


@dataclass
class Walk:
    """One way through a model; `toy` are other values for its numbers, by their places."""

    model: NetworkModel
    outputs: Size
    named: dict[str, Size]
    toy: dict[int, int] = field(default_factory=dict)
    numbers: list[OwnNumber] = field(default_factory=list)
    inside: tuple[str, ...] = ()  # the blocks around
    place: int = 0
    count: int = 0
    asked: set[int] = field(default_factory=set)  # by `id`, what was kept and is read
    gives: dict[str, set[str]] = field(default_factory=dict)
    unets: int = 0
    multiple: int = 1  # by which some layer has divided the sides of the map that came in
    code: OwnCode | None = None  # the user's own

    def said_of(self, block: str) -> frozenset[str]:
        """The names that some use of a block, or the block itself, gives a number."""
        if not self.gives:
            for layers in (self.model.layers, *(b.layers for b in self.model.blocks.values())):
                for use in uses_in(layers):
                    self.gives.setdefault(use.block, set()).update(use.given)
        if block not in self.model.blocks:
            return frozenset(("width",))  # a part of a unet
        own = self.model.blocks[block].given
        return frozenset((*self.gives.get(block, ()), *own))

    def choose(self, holder: str, name: str, value: int | float, said: bool = True) -> Size:
        """A number of the model's own layers, which the config may name."""
        at = len(self.numbers)
        value = self.toy.get(at, value)
        self.numbers.append(OwnNumber(holder, name, value, self.place, said))
        return as_given(value, of_atom(Chosen(at)))

    def line(
        self, layers: Sequence[AnyLayer], seen: Seen, given: dict[str, Given], key: Key,
        kept: dict[str, Seen] | None = None,
    ) -> Line:  # fmt: skip
        """Layers one after the other; `given` are the names around."""
        nodes: list[Node] = []
        kept = {} if kept is None else kept
        left: list[tuple[Key, str]] = []  # what was kept when the line went on from elsewhere
        for index, layer in enumerate(layers):
            at = (*key, index, layer.block if isinstance(layer, BlockUse) else layer.kind)
            if not self.inside and len(key) == 2:
                self.place = index
            try:
                names = {**given, **names_of(seen)}
                if not holds(layer.when, names):
                    continue
                if isinstance(layer, FromLayer) and nodes:
                    left.append((at, self._left(nodes[-1])))
                made = self.nodes(layer, seen, names, at, kept)
            except LayerError as error:
                raise PlacedError((*at, *([error.field] if error.field else [])), error) from None
            for node in made:
                nodes.append(node)
                if not isinstance(node, Keep):
                    inside = node.size.value if isinstance(node, Patched) else 1
                    self.multiple = math.lcm(self.multiple, node.seen.step * inside)
                seen = node.seen if not isinstance(node, Keep) else seen
            if layer.keep is not None:
                if layer.keep in kept:
                    message = f"two layers are called `{layer.keep}`"
                    raise PlacedError((*at, "as"), LayerError(message))
                kept[layer.keep] = seen
                nodes.append(Keep(layer.keep))
        for at, name in left:
            if id(kept[name]) not in self.asked:
                message = f"nothing reads `{name}`, which the layer before gives"
                raise PlacedError(at, LayerError(message))
        return Line(tuple(nodes), seen)

    def _left(self, last: Node) -> str:
        """The name that what comes before is kept under, if the line goes on from elsewhere."""
        if not isinstance(last, Keep):
            message = "goes on from elsewhere, and nothing reads what the layer before gives"
            raise LayerError(message, "`as: NAME` keeps it")
        return last.name

    def kept_as(self, name: str, kept: dict[str, Seen], *others: str) -> Seen:
        """What is known of the layer that was kept under a name."""
        if name not in kept:
            known = [*others, *kept]
            hint = suggestion(name, known) or f"known: {', '.join(known) or 'none'}"
            raise LayerError(f"nothing was kept as `{name}`", hint)
        self.asked.add(id(kept[name]))
        return kept[name]

    def nodes(
        self, layer: Any, seen: Seen, names: dict[str, Given], key: Key, kept: dict[str, Seen]
    ) -> tuple[Node, ...]:
        """What one layer becomes."""
        self.count += 1
        if self.count > MAX_LAYERS:
            raise LayerError(f"more than {MAX_LAYERS:,} layers")
        if isinstance(layer, BlockUse):
            return (used(self, layer, seen, names),)
        if isinstance(layer, JoinLayer):
            return (joined(self, layer, seen, names, key, kept),)
        if isinstance(layer, FromLayer):
            return (Recalled(layer.name, self.kept_as(layer.name, kept)),)
        if isinstance(layer, AlsoLayer):
            ways = ["here", layer.layers]
            operations: dict[str, Any] = {"dense": "concat", "gate": "multiply"}
            whole = JoinLayer.model_construct(kind=operations[layer.kind], ways=ways)
            return (joined(self, whole, seen, names, key, kept, role=layer.kind),)
        if isinstance(layer, ResidualLayer):
            return shortcut(self, layer, seen, names, key, kept)
        if isinstance(layer, SplitLayer):
            return (parted(self, layer, seen, names, key, kept),)
        if isinstance(layer, PatchesLayer):
            return (patched(self, layer, seen, names, key),)
        if isinstance(layer, UNetLayer):
            return (leveled(self, layer, seen, names, key),)
        return self.placed(planned_layer(layer, self.around(seen, names)), seen)

    def around(self, seen: Seen, names: dict[str, Given]) -> Surroundings:
        """What a layer knows here."""
        choose = self._choose_here if not self.inside else _stays
        return Surroundings(seen.shape, self.outputs, names, self.model, choose)

    def _choose_here(self, name: str, value: int | float) -> Any:
        return self.choose("", name, value)

    def placed(self, layers: Sequence[PlannedLayer], seen: Seen) -> tuple[Placed, ...]:
        """Layers with what comes out of each."""
        found = []
        for layer in layers:
            seen = after(layer, seen)
            found.append(Placed(layer, seen))
        return tuple(found)


def _stays(name: str, value: int | float) -> Any:
    return fixed(value) if isinstance(value, int) else Plain(value)


def after(layer: PlannedLayer, seen: Seen) -> Seen:
    """What comes out of a layer."""
    window, ratio = layer.window, seen.ratio
    if layer.ratio is not None:
        ratio = over(ratio, layer.ratio)
    if window.whole:
        return Seen(layer.shape, ratio, None, seen.step)
    step = max(1, seen.step * window.stride // window.finer)
    if seen.field is None:
        return Seen(layer.shape, ratio, None, step)
    seen_pixels = seen.field + (window.extent - 1) * seen.step
    return Seen(layer.shape, ratio, seen_pixels, step)


def over(ratio: Size, stride: Size) -> Size:
    """One ratio after another."""
    return (quantity(ratio) * quantity(stride)).size()


def uses_in(layers: Any) -> Iterator[BlockUse]:
    """Every use of a block, however deep."""
    if isinstance(layers, BlockUse):
        yield layers
    elif isinstance(layers, list):
        for one in layers:
            yield from uses_in(one)
    elif isinstance(layers, LayerFields):
        for name in type(layers).model_fields:
            yield from uses_in(getattr(layers, name))


def names_of(seen: Seen) -> dict[str, Given]:
    """What layers may say of what comes into them."""
    found: dict[str, Given] = {"channels": channels_of(seen.shape)}
    if len(seen.shape) == MAP:
        found["positions"] = product(seen.shape[1:])
    elif len(seen.shape) == TOKENS:
        found["positions"] = seen.shape[0]
    return found
