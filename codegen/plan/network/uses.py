"""Blocks in use: what they are given, in their own words and in those of the code around."""

from __future__ import annotations

import re
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING, Any, get_args

from pydantic import BaseModel

from codegen.plan.network.layer import LayerError
from codegen.plan.network.own import class_of, own_line
from codegen.plan.network.polynomial import Atom, OwnName, Polynomial, of_atom
from codegen.plan.network.size import (
    MAP,
    TOKENS,
    Quantity,
    Shape,
    Size,
    as_given,
    channels_of,
    fixed,
    named,
    number,
    quantity,
)
from codegen.plan.network.surroundings import whole
from codegen.plan.network.tree import Line, OwnCall, Repeated, Seen, Used
from codegen.plan.network.visible import Given, worked_out
from codegen.spec.close_words import suggestion
from codegen.spec.network.blocks import BlockDefinition, BlockUse
from codegen.spec.network.fields import Function, NormKind
from codegen.spec.network.layers import KINDS
from codegen.spec.network.python_block import PythonBlock
from codegen.spec.network.synonyms import layer_hint
from codegen.spec.yaml.source import Key

if TYPE_CHECKING:
    from codegen.plan.network.walk import Walk

Block = BlockDefinition | PythonBlock
Names = dict[str, Given]
MAX_REPEAT = 1_000
NAME = re.compile(r"[a-z_][a-z0-9_]*")
OF_SHAPES = ("channels", "positions", "side", "rows", "columns", "classes")
WORDS = ("none", *get_args(Function), *get_args(NormKind))  # that a block may be given


def used(walk: Walk, layer: BlockUse, seen: Seen, names: Names) -> Used | Repeated:
    """A block where it is used, as often as it is repeated."""
    block = _definition(walk, layer)
    outer, said = not walk.inside, "repeat" in layer.model_fields_set
    count = _count(walk, layer, names, outer) if said or outer else fixed(1)
    given = _given(walk, layer, block, names, outer)
    uses = []
    for index in range(count.value):
        one = one_use(walk, layer.block, block, seen, given, first=index == 0)
        uses.append(one)
        seen = one.seen
    if not said and not outer:
        return uses[0]
    rest = uses[1] if len(uses) > 1 else _next(walk, layer.block, block, seen, given)
    return Repeated(tuple(uses), rest, count, said, _end(uses, count))


def _next(walk: Walk, name: str, block: Block, seen: Seen, given: dict[str, Given]) -> Used | None:
    """The one that would come after the only one."""
    multiple = walk.multiple
    try:
        return one_use(walk, name, block, seen, given, first=False)
    except Exception as error:
        if type(error).__name__ in ("PlacedError", "LayerError"):
            return None
        raise
    finally:
        walk.multiple = multiple  # no map goes through it


def _definition(walk: Walk, layer: BlockUse) -> Block:
    blocks = walk.model.blocks
    if layer.block not in blocks:
        hint = layer_hint(layer.block, (*KINDS, *blocks))
        known = f"the blocks are: {', '.join(blocks)}" if blocks else "`blocks` has none"
        raise LayerError(f"no layer and no block is called `{layer.block}`", hint or known)
    if layer.block in walk.inside:
        inside = " in ".join(f"`{name}`" for name in (layer.block, *reversed(walk.inside)))
        raise LayerError(f"a block inside itself: {inside}")
    return blocks[layer.block]


def _count(walk: Walk, layer: BlockUse, names: Names, outer: bool) -> Size:
    said = layer.repeat
    if isinstance(said, str):
        count = whole("repeat", worked_out(said, names))
    else:
        apart = "repeat" in layer.model_fields_set
        count = walk.choose(layer.block, "repeat", said, apart) if outer else fixed(said)
    if count.value > MAX_REPEAT:
        raise LayerError(f"{count.value:,} blocks in a row", f"at most {MAX_REPEAT:,}", "repeat")
    return count


def _given(
    walk: Walk, layer: BlockUse, block: Block, names: Names, outer: bool
) -> dict[str, Given]:
    """What a use gives, over the block's defaults: numbers with their formulas, and words."""
    found: dict[str, Given] = {}
    read = _read_by(walk, layer.block, block)
    for name in layer.given:
        if name in OF_SHAPES:
            raise LayerError(f"`{name}` is of what comes in, and can't be given", None, name)
        if name not in read:
            hint = suggestion(name, read) or f"give it what its layers use, or drop `{name}`"
            raise LayerError(f"no layer of `{layer.block}` uses `{name}`", hint, name)
    if outer and "stride" in walk.said_of(layer.block) and "stride" not in layer.given:
        found["stride"] = walk.choose(layer.block, "stride", 1, False)
    for name, said in {**block.given, **layer.given}.items():
        if isinstance(said, list):
            raise LayerError(f"`{name}` is a list, not a number", None, name)
        mine = name in layer.given
        if outer and isinstance(said, int) and not isinstance(said, bool):
            found[name] = walk.choose(layer.block, name, said, mine)
        else:
            found[name] = _value(walk, said, names if mine else {})
    return found


def _read_by(walk: Walk, name: str, block: Block) -> set[str]:
    """The names of numbers that a block reads."""
    if isinstance(block, PythonBlock):
        takes = {argument.name for argument in class_of(walk.code, name).takes}
        return takes | words_in(block.out)
    return words_in(block.layers)


def words_in(part: Any) -> set[str]:
    """Every name that some text in a part of a spec has."""
    if isinstance(part, str):
        return set(NAME.findall(part))
    if isinstance(part, BaseModel):
        return words_in([getattr(part, name) for name in type(part).model_fields])
    inner = [*part.values()] if isinstance(part, dict) else part
    return set().union(*map(words_in, inner)) if isinstance(inner, list) else set()


def _value(walk: Walk, said: bool | int | float | str, names: Names) -> Given:
    if isinstance(said, bool):
        return said
    if isinstance(said, str):
        if isinstance(names.get(said), str | bool):
            return names[said]
        try:
            return worked_out(said, {**names, **walk.named})
        except LayerError:
            if said in WORDS:
                return said
            raise
    return number(Fraction(str(said)))


def one_use(
    walk: Walk, name: str, block: Block, seen: Seen, given: dict[str, Given], *,
    first: bool, key: Key | None = None, settled: dict[str, int] | None = None,
) -> Used:  # fmt: skip
    """A block in its own words; what comes out in the words of the code around.

    Names that are `settled` are plain numbers in it.
    """
    outer: dict[str, Quantity] = {}
    inner: dict[str, Given] = {}
    words: list[tuple[str, str]] = []
    here = {**_shape_names(seen.shape), **walk.named, **given}
    if "width" not in given:
        here["width"] = channels_of(seen.shape)
    if "stride" not in given or not first:
        here["stride"] = fixed(1)
    says = walk.said_of(name)
    for own, value in here.items():
        if isinstance(value, str | bool):
            inner[own] = value
            words.append((own, str(value).lower()))
            continue
        outer[own] = quantity(value) if isinstance(value, Size) else value
        if outer[own].value.denominator != 1 and outer[own].formula.constant is not None:
            inner[own] = plain = outer.pop(own)
            words.append((own, f"{float(plain.value):g}"))
        elif own == "width" and own not in says:
            inner[own] = inner["channels"]
        elif own == "stride" and own not in says:
            inner[own] = fixed(1)
        else:
            inner[own] = Quantity(outer[own].value, of_atom(OwnName(own)))
    for own, plain_number in (settled or {}).items():
        inner[own] = number(plain_number)
        words.append((own, str(plain_number)))
    for axis in ("side", "rows", "columns"):
        inner.pop(axis, None)
    shape = _in_own_words(seen.shape)
    start = Seen(shape, fixed(1), seen.field, seen.step)
    before = (walk.inside, walk.named)
    walk.inside = (*walk.inside, name)
    walk.named = {n: named(size.value, OwnName(n)) for n, size in walk.named.items()}
    try:
        line, mine = _layers(walk, name, block, start, inner, key)
    finally:
        walk.inside, walk.named = before
    known: dict[Atom, Polynomial] = {OwnName(own): value.formula for own, value in outer.items()}
    end = Seen(
        tuple(size.renamed(known) for size in line.seen.shape),
        (quantity(seen.ratio) * quantity(line.seen.ratio.renamed(known))).size(),
        line.seen.field,
        line.seen.step,
    )
    numbers = tuple((own, _printable(value)) for own, value in outer.items())
    said = mine.words if mine else ()
    return Used(name, (*numbers, *said), line, end, tuple(words), own=mine)


def _layers(
    walk: Walk, name: str, block: Block, start: Seen, inner: dict[str, Given], key: Key | None
) -> tuple[Line, OwnCall | None]:
    """A block's layers, or the class that it is."""
    if not isinstance(block, PythonBlock):
        place = key or ("model", "blocks", name, "layers")
        return walk.line(block.layers, start, inner, place), None
    names = {**inner, **_shape_names(start.shape)}
    layer, own = own_line(
        class_of(walk.code, name), block, walk.around(start, names), walk.said_of(name)
    )
    nodes = walk.placed((layer,), start)
    return Line(nodes, nodes[-1].seen), own


def _printable(value: Quantity) -> Size:
    whole_value = int(value.value) if value.value.denominator == 1 else float(value.value)
    return as_given(whole_value, value.formula)


def _shape_names(shape: Shape) -> dict[str, Given]:
    """The names of a block for the sizes of what comes in."""
    found: dict[str, Given] = {"channels": channels_of(shape)}
    if len(shape) == MAP and shape[1] == shape[2]:
        found["side"] = shape[1]
    elif len(shape) == MAP:
        found |= {"rows": shape[1], "columns": shape[2]}
    elif len(shape) == TOKENS:
        found["positions"] = shape[0]
    return found


def _in_own_words(shape: Shape) -> Shape:
    names = _shape_names(shape)
    order = {MAP: ("channels", "rows", "columns"), TOKENS: ("positions", "channels")}
    axes = order.get(len(shape), ("channels",))
    if "side" in names:
        axes = ("channels", "side", "side")
    return tuple(named(size.value, OwnName(n)) for size, n in zip(shape, axes, strict=True))


def _end(uses: list[Used], count: Size) -> Seen:
    """What comes out of the last, whatever the count: sizes grow evenly, or stay."""
    last = uses[-1].seen
    if len(uses) < 2 or count.fixed:
        return last
    sizes = []
    for axis in range(len(last.shape)):
        steps = [one.seen.shape[axis].formula for one in uses]
        growth = [b - a for a, b in pairwise(steps)]
        if any(one != growth[0] for one in growth):
            raise LayerError(
                "each of the repeated blocks makes a different map", "write them out", "repeat"
            )
        whole_way = (quantity(count) - number(1)).formula * growth[0]
        sizes.append(Size(last.shape[axis].value, steps[0] + whole_way))
    return replace(last, shape=tuple(sizes))
