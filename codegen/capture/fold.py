"""Layers as a person says them: a convolution with its norm and activation, residuals, gates."""

from __future__ import annotations

from typing import Any

from codegen.capture.axes import WORDS
from codegen.capture.item import RECALLED, Item, Line, Way, shared_owners

FUNCTIONS = (*WORDS, "gelu_tanh")
SUMS = ("conv", "linear")
OWN = ("padding", "padding_mode", "output_padding", "dilation", "groups", "transposed")
APART = ("layer", "rms")  # norms that stand alone


def folded(line: Line) -> Line:
    """The same line in fewer layers."""
    line = _with_vectors([_joined(item) for item in line])
    found: Line = []
    at = 0
    while at < len(line):
        made, taken = _one(line, at, found)
        found.append(made)
        at += taken
    return found


def _with_vectors(line: Line) -> Line:
    """What stands between a mean over the map and `flatten` is as well of the vector."""
    kinds = [(item.kind, item.fields.get("size"), item.fields.get("kind")) for item in line]
    for at in range(len(line) - 2):
        first, second, third = kinds[at : at + 3]
        moves = second == ("norm", None, "layer") or second[0] == "dropout"
        if moves and first[:2] == ("mean_pool", 1) and third[0] == "flatten":
            line[at + 1], line[at + 2] = line[at + 2], line[at + 1]
            line[at + 2].outgoing = line[at + 1].outgoing
    return line


def _one(line: Line, at: int, before: Line) -> tuple[Item, int]:
    """The layer that begins at a place, and how many it is made of."""
    item, after = line[at], line[at + 1 :]
    kinds = [one.kind for one in after[:3]]
    if item.kind == "norm" and item.fields["kind"] not in APART:
        acts = kinds[:1] and kinds[0] in FUNCTIONS and _alone(after[0])
        sums = after[1:2] if acts else after[:1]
        if sums and sums[0].kind == "conv" and (acts or not _goes_on(after[1:])):
            return _with(sums[0], item, after[0] if acts else None, order="pre"), 3 if acts else 2
    if item.kind in SUMS:
        if kinds and kinds[0] == "norm" and after[0].fields["kind"] not in APART:
            acts = len(after) > 1 and kinds[1] in FUNCTIONS and _alone(after[1])
            if not _begins_pre(after[2 if acts else 1 :], acts, line[:at], before):
                return _with(item, after[0], after[1] if acts else None), 3 if acts else 2
        if kinds and kinds[0] in FUNCTIONS and _alone(after[0]):
            return _with(item, None, after[0]), 2
    if item.kind == "mean_pool" and kinds[:1] == ["flatten"] and item.fields == {"size": 1}:
        item.fields, item.outgoing = {}, after[0].outgoing
        return item, 2
    if item.kind == "residual" and kinds and kinds[0] in FUNCTIONS and _alone(after[0]):
        item.fields["activation"] = _word(after[0])
        item.owners = shared_owners([item.owners, after[0].owners])
        return item, 2
    return item, 1


def _alone(item: Item) -> bool:
    return not item.tensors or item.kind == "prelu"


def _goes_on(after: Line) -> bool:
    """Whether a norm or an activation comes after a convolution, which is its own then."""
    return bool(after) and (after[0].kind == "norm" or after[0].kind in FUNCTIONS)


def _begins_pre(after: Line, acts: bool, before: Line, found: Line) -> bool:
    """Whether a norm belongs to the convolution that comes after it: in rows that begin so."""
    pre = bool(found) and found[-1].fields.get("order") == "pre"
    return pre and bool(after) and after[0].kind == "conv" and (acts or True)


def _with(item: Item, norm: Item | None, act: Item | None, order: str = "post") -> Item:
    if norm is not None:
        item.fields["norm"] = _norm(norm)
    if act is not None:
        item.fields["activation"] = _word(act)
    parts = [one for one in (item, norm, act) if one is not None]
    if order == "pre":
        item.fields["order"] = order
        parts = [one for one in (norm, act, item) if one is not None]
    item.tensors = [names for one in parts for names in one.tensors]
    item.owners = shared_owners([one.owners for one in parts])
    item.outgoing = parts[-1].outgoing
    return item


def _norm(item: Item) -> dict[str, Any]:
    return dict(item.fields)


def _word(item: Item) -> Any:
    return {"kind": item.kind, **item.fields} if item.fields else item.kind


def _joined(item: Item) -> Item:
    """A join by its own name, with its ways folded."""
    item.ways = [folded(way) if isinstance(way, list) else way for way in item.ways]
    others = [way for way in item.ways if way != "here"]
    if any(isinstance(way, str) or way[0].kind == RECALLED for way in others):
        return item
    if len(item.ways) != 2 or len(others) == 0:
        return item
    if item.kind == "add":
        return _residual(item)
    if item.kind == "multiply" and len(others) == 1:
        item.kind, item.ways = "gate", others
    elif item.kind == "concat" and item.ways[0] == "here" and len(others) == 1:
        item.kind, item.ways = "dense", others
    return item


def _residual(item: Item) -> Item:
    if "here" in item.ways:
        item.kind = "residual"
        item.ways = [way for way in item.ways if way != "here"]
        return item
    shorts: list[Way] = [way for way in item.ways if is_projection(way)]
    if len(shorts) == 1:
        item.kind = "residual"
        layers = [way for way in item.ways if way is not shorts[0]]
        item.ways = [*layers, *shorts]
    return item


def is_projection(way: Way) -> bool:
    """Whether a way is a 1 x 1 convolution, perhaps with a norm, and nothing else."""
    if not isinstance(way, list) or len(way) != 1 or way[0].kind != "conv":
        return False
    said = way[0].fields
    plain = not {*OWN, "order"} & {*said}
    return plain and said["kernel"] == 1 and said["activation"] == "none"
