"""Several steps that are one layer."""

from __future__ import annotations

from codegen.capture.graph import Graph, Step
from codegen.capture.item import Item


def pattern(graph: Graph, step: Step, start: str) -> tuple[Item, str] | None:
    """The layer that a step ends, and the step before it; None where it ends none."""
    return _channel_shuffle(graph, step) or _gathered(graph, step)


def _before(graph: Graph, step: Step) -> Step | None:
    reads = graph.reads(step)
    return graph.steps[reads[0]] if len(set(reads)) == 1 else None


def _channel_shuffle(graph: Graph, last: Step) -> tuple[Item, str] | None:
    """(channels) as (groups, rest), transposed, and flat again (arXiv:1707.01083)."""
    if last.word not in ("view", "reshape", "flatten"):
        return None
    chain = [last]
    while len(chain) < 4:
        before = _before(graph, chain[-1])
        if before is None or len(graph.users.get(before.name, ())) == 0:
            return None
        chain.append(before)
        if before.word not in ("contiguous", "transpose", "permute", "view", "reshape"):
            break
    moved = [one for one in chain if one.word in ("transpose", "permute")]
    parted = [one for one in chain[1:] if one.word in ("view", "reshape")]
    if len(moved) != 1 or not parted:
        return None
    first = parted[0]
    source = _before(graph, first)
    if source is None or len(first.shape) != 4 or len(source.shape) != 3:
        return None
    groups, rest, *pixels = first.shape
    right = (
        source.shape == last.shape == (groups * rest, *pixels)
        and moved[0].shape == (rest, groups, *pixels)
        and _swaps(graph, moved[0])
    )
    if not right:
        return None
    item = Item(
        "channel_shuffle", {"groups": groups}, owners=last.owners, incoming=source.shape,
        outgoing=last.shape,
    )  # fmt: skip
    return item, source.name


def _swaps(graph: Graph, moved: Step) -> bool:
    """Whether it is the first two axes of an item that change places."""
    axes = graph.value(list(moved.args[1:]))
    axes = axes[0] if axes and isinstance(axes[0], list) else axes
    return sorted(axes) == [1, 2] if moved.word == "transpose" else list(axes) == [0, 2, 1, 3, 4]


def _gathered(graph: Graph, last: Step) -> tuple[Item, str] | None:
    """A map as tokens: its pixels in a row, channels last."""
    if last.word not in ("transpose", "permute") or len(last.shape) != 2:
        return None
    flat = _before(graph, last)
    if flat is None or flat.word not in ("flatten", "view", "reshape", "Flatten"):
        return None
    source = _before(graph, flat)
    if source is None or len(source.shape) != 3:
        return None
    channels, height, width = source.shape
    if flat.shape != (channels, height * width) or last.shape != flat.shape[::-1]:
        return None
    item = Item("tokens", {}, owners=last.owners, incoming=source.shape, outgoing=last.shape)
    return item, source.name
