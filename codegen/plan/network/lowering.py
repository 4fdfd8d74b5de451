"""A model of plain layers -> its classes, its config and its parameters."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from codegen.frozen import frozen
from codegen.plan.network import spectral
from codegen.plan.network.activation import HALVING
from codegen.plan.network.class_docs import doc_of
from codegen.plan.network.classes import Classes, Found, signature
from codegen.plan.network.compose import Composer, Variable, inlined
from codegen.plan.network.config_fields import Fields, config_fields
from codegen.plan.network.ends import NetworkEnds
from codegen.plan.network.held_modules import HeldModule, held_modules
from codegen.plan.network.layer import LayerError, PlannedLayer
from codegen.plan.network.modules import Held, UNetCall, held, renamed
from codegen.plan.network.network import BlockClass, Filling, LayeredNetwork, OwnBlocks
from codegen.plan.network.own_blocks import own_blocks
from codegen.plan.network.parameters import NamedWeight, is_sequence, weights_of
from codegen.plan.network.polynomial import of_atom
from codegen.plan.network.rows import layer_rows, layers_in
from codegen.plan.network.size import MAP, Shape, as_given, fixed, shape_words
from codegen.plan.network.stages import Stages, with_loops
from codegen.plan.network.toy import FEW, numbers_tried, sides_tried
from codegen.plan.network.tree import Levels, Line, Placed, Seen, Shortcut
from codegen.plan.network.unet_class import UNetClass, unet_class
from codegen.plan.network.walk import PlacedError, Walk
from codegen.plan.reads import Read
from codegen.plan.tables import Argument, ConfigField, Group, ImportPlan, Parameter, Start
from codegen.spec.network.vocabulary import NetworkModel

if TYPE_CHECKING:
    from codegen.spec.network.own_code import OwnCode

# What is not reached is dropped from the file.
ROUNDING, PATCHES = "network/definitions/round_to.py.jinja", "network/definitions/patches.py.jinja"
MULTIPLE = "network/definitions/multiple.py.jinja"
SMALL = 0.1  # of what keeps the variance: where the last layer of pictures starts


@frozen
class Walked:
    """A model's layers with their classes, and the numbers that its config may name."""

    line: Line
    walk: Walk
    classes: Classes


def walked(
    model: NetworkModel, ends: NetworkEnds, incoming: Shape, toy: dict[int, int],
    code: OwnCode | None = None,
) -> Walked:  # fmt: skip
    """The model with these numbers; PlacedError where something doesn't fit."""
    named = {n: as_given(v, of_atom(Read(n))) for n, v in model.numbers.items()}
    named |= dict(ends.names)
    walk = Walk(model, ends.outputs, named, toy, code=code)
    start = Seen(incoming, fixed(1), 1 if len(incoming) == MAP else None)
    kept = {ends.argument: start}  # what comes in can be met again
    line = walk.line(model.layers, start, {**named}, ("model", "layers"), kept)
    _check_given(line.seen.shape, ends, incoming)
    classes = Classes()
    return Walked(classes.assigned(line), walk, classes)


def _check_given(given: Shape, ends: NetworkEnds, incoming: Shape) -> None:
    """PlacedError where the layers give another shape than the task asks for."""
    asked = ends.given(incoming)
    if ends.of_patches and len(given) == MAP:
        asked = (*asked, *given[1:])
    if [size.value for size in given] == [size.value for size in asked]:
        return
    message = f"the last layer gives {shape_words(given)} numbers, and the task asks for "
    hint = f"end with `{ends.ends_with}`"
    if len(asked) == MAP and len(given) != MAP:
        hint = "no `flatten`, and no pool over the whole map"
    elif len(asked) != MAP and len(given) > 1:
        hint = "end with `flatten` or `mean_pool`, `linear`"
    raise PlacedError(("model", "layers"), LayerError(message + shape_words(asked), hint))


def lowered(
    model: NetworkModel, ends: NetworkEnds, code: OwnCode | None = None
) -> tuple[LayeredNetwork, tuple[HeldModule, ...]]:
    """The network with its toy numbers found, and its modules that have weights."""
    whole = walked(model, ends, ends.incoming, {}, code)
    multiple = whole.walk.multiple if ends.any_size else 1
    if ends.any_size:
        _check_any_size(model, ends, whole, multiple)
    toy, side = _toy(model, ends, whole)
    walk, classes = whole.walk, whole.classes
    taken = {name for layer, _ in layers_in(whole.line) for name in (layer.module, layer.resets)}
    classes.finish(taken)
    line = inlined(with_loops(classes.settled(whole.line), walk.numbers))
    mapped = any(
        isinstance(layer, PlannedLayer) and layer.module.endswith("2d")
        for layer, _ in layers_in(line)
    )
    known = config_fields(line, walk.numbers, toy, mapped, ends.prefix)
    _check_names(model, [*ends.fields, *known.fields])
    composer = _composer(line, ends)
    value = composer.line(line, Variable(ends.argument), composer.whole, "x")
    unet = _unet(model, line, classes)
    numbers = unet.numbers if unet else ()
    named = tuple(_named(held(one, classes), known, numbers) for one in composer.attributes)
    layers = [layer for layer, _ in layers_in(line)]
    gain = 2 if any(layer.kind in HALVING for layer in layers) else 1
    own = own_blocks(code, line, ends.incoming)
    weights = [*weights_of(tuple(composer.attributes))]
    small = _last_matrix(weights) if ends.starts_small else ""
    network = LayeredNetwork(
        class_name="Model",
        fields=(*_with_side(ends.fields, side), *_own(model), *known.fields),
        classes=tuple(
            _block_class(one, classes) for one in classes.found if one.name and not one.own
        ),
        held=named,
        unet=unet,
        statements=tuple(composer.statements),
        result=value,
        definitions=(
            ROUNDING,
            *sorted({layer.definition for layer in layers if layer.definition}),
            PATCHES,
            *((MULTIPLE,) if multiple > 1 else ()),
            *ends.definitions,
        ),
        rows=layer_rows(line),
        parameters=tuple(_parameters(weights, gain, small)),
        end=ends.template,
        filling=_filling(layers, gain, own, small),
        drops=any(layer.drops for layer in layers),
        of_batches=any("BatchNorm" in layer.module for layer in layers),
        words=tuple(dict.fromkeys(layer.words for layer in layers if layer.words)),
        multiple=multiple,
        smallest=_smallest(model, ends, whole, multiple) if ends.any_size else 1,
        own=own,
        imports=(ImportPlan(".blocks", own.names),) if own else (),
    )
    return network, held_modules(weights, lambda use: classes.of(use).name, known.reads)


def _check_any_size(model: NetworkModel, ends: NetworkEnds, whole: Walked, multiple: int) -> None:
    """PlacedError where maps of other sizes don't fit, or need other weights."""
    channels, height, width = ends.incoming
    larger = (replace(height, value=9 * multiple), replace(width, value=11 * multiple))
    try:
        other = walked(model, ends, (channels, *larger), {}, whole.walk.code)
    except PlacedError as error:
        message = f"{error.message}; whole pictures are of any size"
        raise PlacedError(error.key, LayerError(message, error.hint)) from None
    sizes = [[w.shape for layer, _ in layers_in(one.line) for w in layer.weights]
             for one in (whole, other)]  # fmt: skip
    if sizes[0] != sizes[1]:
        message = "the weights of a layer are for one size, and whole pictures are of any"
        raise PlacedError(("model", "layers"), LayerError(message, "convolutions alone"))


def _smallest(model: NetworkModel, ends: NetworkEnds, whole: Walked, multiple: int) -> int:
    """The least side of a map that has as many pixels as a layer mirrors at its edges."""
    if not any(layer.mirrors for layer, _ in layers_in(whole.line)):
        return multiple
    channels, height, width = ends.incoming
    for side in range(multiple, height.value, multiple):
        try:
            sides = replace(height, value=side), replace(width, value=side)
            walked(model, ends, (channels, *sides), {}, whole.walk.code)
        except PlacedError:
            continue
        return side
    return height.value


def _toy(model: NetworkModel, ends: NetworkEnds, whole: Walked) -> tuple[dict[int, int], int]:
    """Smaller numbers, and a smaller image, with which the code stays the same."""
    plain = not any(layer.module.endswith("2d") for layer, _ in layers_in(whole.line))
    sides = [*sides_tried(ends.incoming[1].value, plain)] if len(ends.incoming) == MAP else [0]
    sides = sides[-1:] if ends.one_side else sides
    wanted = _shape_of_code(whole)
    for toy in ({},) if whole.walk.code else numbers_tried(whole.walk.numbers, plain):
        for side in dict.fromkeys(sides):
            incoming = with_side(ends.incoming, side) if side else ends.incoming
            try:
                small = walked(model, ends, incoming, toy, whole.walk.code)
            except PlacedError:
                continue
            if _shape_of_code(small) != wanted or not _modes_fit(small, whole):
                break  # another image makes no other code
            if _are_maps(small, whole) and _fewest(small) >= min(FEW, _fewest(whole)):
                return toy, side
    return {}, sides[-1]


def _are_maps(small: Walked, whole: Walked) -> bool:
    """Whether maps are more than one pixel where they are: pools and statistics of one are none."""
    return all(
        math.prod(a) > 1 or math.prod(b) == 1
        for a, b in zip(_areas(small.line), _areas(whole.line), strict=True)
    )


def _fewest(one: Walked) -> int:
    """Outputs of the narrowest layer: the few of a toy's squeeze may all start below zero."""
    weights = (weight for layer, _ in layers_in(one.line) for weight in layer.weights)
    return min((int(w.shape[0]) for w in weights if len(w.shape) > 1), default=FEW)


def _areas(line: Line) -> list[tuple[int, ...]]:
    return [row.shape[1:] for row in layer_rows(line) if not row.depth and len(row.shape) == MAP]


def with_side(incoming: Shape, side: int) -> Shape:
    """A map of another height and width."""
    edge = replace(incoming[1], value=side)
    return incoming[0], edge, edge


def _shape_of_code(one: Walked) -> tuple[object, ...]:
    return (signature(one.line), *(found.signature for found in one.classes.found))


def _modes_fit(small: Walked, whole: Walked) -> bool:
    """Whether shortcuts of the toy are ones that the classes know."""
    pairs = zip(small.classes.found, whole.classes.found, strict=True)
    return all(_modes(a.line) <= _modes(b.line) | {"here"} for a, b in pairs)


def _modes(line: Line) -> set[str]:
    return {mode for node in line.nodes if isinstance(node, Shortcut) for mode in node.modes}


def _check_names(model: NetworkModel, fields: list[ConfigField]) -> None:
    """The model's numbers are fields of its config beside those of layers and of the task."""
    for name in model.numbers:
        if name in {field.name for field in fields}:
            message = f"the config has a field `{name}` already"
            raise PlacedError(("model", "numbers", name), LayerError(message, "another name"))


def _composer(line: Line, ends: NetworkEnds) -> Composer:
    staged = False if any(isinstance(node, Stages) for node in line.nodes) else None
    alone = len(line.nodes) == 1 and isinstance(line.nodes[0], Placed)
    return Composer(
        variables={ends.argument, "x", "targets"},
        whole="layer" if alone else "layers",
        staged=staged,
        given=(ends.argument,),
    )


def _with_side(own: tuple[ConfigField, ...], side: int) -> tuple[ConfigField, ...]:
    if not side:  # nothing that comes in is a map
        return own
    return tuple(replace(f, tiny=side) if f.name == "image_size" else f for f in own)


def _own(model: NetworkModel) -> Iterator[ConfigField]:
    for name, value in model.numbers.items():
        yield ConfigField(name, type(value).__name__, value, value)


def _unet(model: NetworkModel, line: Line, classes: Classes) -> UNetClass | None:
    """The class of the model's levels, if it has such; PlacedError where they are too unlike."""
    for node in line.nodes:
        if isinstance(node, Levels):
            try:
                return unet_class(node, classes)
            except LayerError as error:
                at = [layer.kind for layer in model.layers].index("unet")
                raise PlacedError(("model", "layers", at, "unet"), error) from None
    return None


def _named(one: Held, known: Fields, numbers: tuple[str, ...]) -> Held:
    made: Held = renamed(one, known.reads)
    loops = known.of_loops
    modules = tuple(
        replace(m, field=loops[m.ordinals], numbers=numbers) if isinstance(m, UNetCall) else m
        for m in made.modules
    )
    made = replace(made, modules=modules)
    if made.stages is None:
        return made
    looped = tuple(replace(f, field=loops[f.ordinals]) for f in made.stages.fields)
    return replace(made, stages=replace(made.stages, fields=looped))


def _block_class(found: Found, classes: Classes) -> BlockClass:
    composer = Composer(variables={"x"})
    value = composer.returned(composer.line(inlined(found.line), Variable("x"), "layers", "x"))
    attributes = tuple(composer.attributes)
    return BlockClass(
        name=found.name,
        doc=doc_of(found, classes),
        arguments=tuple(_argument(name) for name in found.arguments),
        held=tuple(held(one, classes) for one in attributes),
        statements=tuple(composer.statements),
        result=value,
        sequence=is_sequence(attributes, found.line),
    )


def _argument(name: str) -> Argument:
    return Argument(name, "int", "1" if name == "stride" else "")


def _last_matrix(named: list[NamedWeight]) -> str:
    """The name of the last, if it is of no block."""
    last = [one for one in named if one.weight.start == "normal"][-1:]
    return last[0].name if last and not last[0].places else ""


def _filling(layers: list[PlannedLayer], gain: int, own: OwnBlocks | None, small: str) -> Filling:
    normal = (layer for layer in layers if any(w.start == "normal" for w in layer.weights))
    sums = {layer.filled or layer.module for layer in normal}
    resets = {layer.resets for layer in layers if layer.resets}
    if own:
        sums, resets = sums | {*own.drawn}, resets | {*own.reset}
    flat = sums <= {"nn.Linear"} and not resets
    ordered = tuple(sorted(resets, key=_order))
    normed = bool(resets - {spectral.VECTOR})
    return Filling(gain, tuple(sorted(sums)), ordered, flat, SMALL if small else 1.0, normed)


def _order(name: str) -> tuple[bool, str]:
    return not name.startswith("nn."), name


def _parameters(named: list[NamedWeight], gain: int, small: str) -> Iterator[Parameter]:
    """The table of weights; the last matrix is the head, unless it is the first."""
    matrices = [at for at, one in enumerate(named) if one.weight.start == "normal"]
    head = matrices[-1] if len(matrices) > 1 else None
    if head is not None and any(named[at].name.endswith(named[head].name) for at in matrices[:-1]):
        head = None  # rules by the ends of names would take another for it
    for at, (name, layer, weight, _) in enumerate(named):
        start = Start(weight.start, value=weight.value)
        group: Group = "vector"
        if weight.start == "normal":
            part = SMALL if name == small else 1.0
            start = Start("normal", std=part * (gain / weight.fan) ** 0.5)
            group = "head" if at == head else "matrix"
        role = layer.kind if weight.start == "normal" else weight.name.rpartition(".")[2]
        yield Parameter(name, weight.shape, role, start, group)
