"""Uses of one block that follow each other -> a loop over tuples of the config."""

from __future__ import annotations

from dataclasses import replace
from itertools import groupby

from codegen.frozen import frozen
from codegen.plan.network.arguments import LAST
from codegen.plan.network.polynomial import Atom, Chosen, OwnName, Polynomial, constant, of_atom
from codegen.plan.network.size import Size
from codegen.plan.network.toy import STRUCTURE
from codegen.plan.network.tree import Line, Node, Repeated, Seen, Used
from codegen.plan.network.walk import OwnNumber

FEWEST = 3  # uses that are worth a loop
Given = tuple[tuple[str, Size], ...]


@frozen
class Looped:
    """A number that differs from stage to stage: the loop's name for it, and who has the values."""

    name: str
    ordinals: tuple[int, ...]


@frozen
class Stages:
    """Stages of blocks of one class: what the first of each is given, and the others.

    `start` is how many channels come into the first stage, `then` how many come out of each.
    `block_counts` are the blocks of each stage.
    """

    class_name: str
    loops: tuple[Looped, ...]
    counts: bool
    first: Given
    rest: Given
    start: Size
    then: Size | None
    uses: tuple[tuple[Used, ...], ...]
    block_counts: tuple[Size, ...]
    seen: Seen


def with_loops(line: Line, numbers: list[OwnNumber]) -> Line:
    """The model's line with its stages as loops, where that is what they are."""
    nodes: list[Node] = []
    for _, group in groupby(line.nodes, key=_kind):
        run = list(group)
        made = _stages([one for one in run if isinstance(one, Repeated)], numbers)
        nodes += [made] if made else run  # type: ignore[list-item]
    return replace(line, nodes=tuple(nodes))


def _kind(node: Node) -> object:
    if not isinstance(node, Repeated):
        return id(node)
    names = {use.class_name for use in node.uses}
    return names.pop() if len(names) == 1 else id(node)


def _stages(run: list[Repeated], numbers: list[OwnNumber]) -> Stages | None:
    if len(run) < FEWEST or any(not _of_sizes(one) for one in run):
        return None
    counts = any(one.said for one in run)
    if any(one.rest is None or not one.rest.class_name for one in run) and counts:
        return None
    varying = _varying(run, numbers)
    if varying is None:
        return None
    loops, own_names, fixed_ones = varying
    if not loops and not counts:
        return None  # nothing differs that a config could say
    firsts, rests, outs = [], [], []
    for index, one in enumerate(run):
        known: dict[Atom, Polynomial] = {
            Chosen(loop.ordinals[index]): of_atom(OwnName(name))
            for name, loop in zip(own_names, loops, strict=True)
        }
        known |= {Chosen(one): constant(int(numbers[one].value)) for one in fixed_ones}
        channels = dict(one.uses[0].given).get("channels")
        if not isinstance(channels, Size):
            return None
        firsts.append(_in_words(one.uses[0], channels, known))
        rests.append(_in_words(one.rest, channels, known) if one.rest else ())
        outs.append(_word(_channels(one.seen), channels, known))
        if not _only_words(firsts[-1]) or (counts and not _only_words(rests[-1])):
            return None
    if len(set(map(_text, firsts))) > 1 or len({str(out) for out in outs}) > 1:
        return None
    if counts and len(set(map(_text, rests))) > 1:
        return None
    if not _only_words((("", outs[0]),)):
        return None
    start = dict(run[0].uses[0].given)["channels"]
    assert isinstance(start, Size)
    if counts:
        ordinals = [_ordinal(one.count) for one in run]
        loops = (*loops, Looped("blocks", tuple(ordinals)))
    return Stages(
        class_name=run[0].uses[0].class_name,
        loops=loops,
        counts=counts,
        first=firsts[0],
        rest=rests[0] if counts else (),
        start=start,
        then=outs[0] if str(outs[0]) != "channels" else None,
        uses=tuple(one.uses for one in run),
        block_counts=tuple(one.count for one in run),
        seen=run[-1].seen,
    )


def _of_sizes(one: Repeated) -> bool:
    """Whether all that its blocks are given is a size."""
    return all(isinstance(value, Size) for use in one.uses for _, value in use.given)


def _text(given: Given) -> str:
    return ", ".join(f"{name}={value}" for name, value in given)


def _channels(seen: Seen) -> Size:
    return seen.shape[0] if len(seen.shape) != 2 else seen.shape[1]


def _ordinal(size: Size) -> int:
    atom = size.formula.atom
    assert isinstance(atom, Chosen), size
    return atom.ordinal


def _varying(
    run: list[Repeated], numbers: list[OwnNumber]
) -> tuple[tuple[Looped, ...], list[str], list[int]] | None:
    """The numbers that the stages are given themselves: looped over where they differ."""
    loops: list[Looped] = []
    names: list[str] = []
    alike: list[int] = []
    given = [dict(one.uses[0].given) for one in run]
    for name in sorted(given[0], key=lambda one: one in LAST):
        if name == "channels":
            continue  # carried from stage to stage
        sizes = [each.get(name) for each in given]
        atoms = [size.formula.atom if isinstance(size, Size) else None for size in sizes]
        own = [isinstance(a, Chosen) and numbers[a.ordinal].field == name for a in atoms]
        if not any(own):
            continue
        if not all(own):
            return None
        ordinals = tuple(atom.ordinal for atom in atoms if isinstance(atom, Chosen))
        values = {numbers[one].value for one in ordinals}
        if len(values) > 1 or name not in STRUCTURE:
            loops.append(Looped(name, ordinals))
            names.append(name)
        else:
            alike += ordinals
    return tuple(loops), names, alike


def _in_words(use: Used, channels: Size, known: dict[Atom, Polynomial]) -> Given:
    found = []
    for name, value in sorted(use.given, key=lambda pair: pair[0]):
        assert isinstance(value, Size)
        found.append((name, _word(value, channels, known)))
    return tuple(found)


def _word(size: Size, channels: Size, known: dict[Atom, Polynomial]) -> Size:
    if size.formula == channels.formula:
        return Size(size.value, of_atom(OwnName("channels")))
    return size.renamed(known)


def _only_words(given: Given) -> bool:
    """Whether nothing is left that only one stage has."""
    return not any(isinstance(a, Chosen) for _, value in given for a in value.formula.atoms())
