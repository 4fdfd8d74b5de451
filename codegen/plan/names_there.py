"""Names in a checkpoint: those of layers and languages, and those that are no part of the model."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import count, islice

from codegen.frozen import frozen

INDEX = re.compile(r"(?<=\.)\d+(?=\.)")  # of a layer in a name
LANGUAGE = "{language}"


@frozen
class OneOfSeveral:
    """Names in which `several` stands are left out, but for those of this model's `own`."""

    several: str
    own: str


def layers_there(patterns: Mapping[str, Collection[str]], skipped: Collection[int]) -> list[int]:
    """The number over there of each of our layers, where some of theirs are skipped; else none."""
    layers = max((int(n) for found in patterns.values() for n in found if n), default=-1) + 1
    numbers = (number for number in count() if number not in skipped)
    return list(islice(numbers, layers)) if skipped else []


def in_language(keys: Iterable[str], language: str) -> OneOfSeveral | None:
    """What stands before a language in names, all of which have the same; None where none has."""
    key = next((key for key in keys if LANGUAGE in key), None)
    if key is None:
        return None
    start = key.partition(LANGUAGE)[0].rpartition("}")[2]
    return OneOfSeveral(start, f"{start}{language}.")


def left_out(
    said: Iterable[str],
    ours: Mapping[str, str],
    layers: Mapping[str, set[str]],
    skipped: Collection[int] = (),
) -> Iterator[str]:
    """What a mapping leaves out, with its layers as numbers, and layers that a spec skips.

    `{layers}` is the number after the last layer. What a key begins with is left out where the
    model lacks what that key is for: `{layer}` are the layers without it. `ours` has the parameter
    of each key, `layers` the layers of each parameter.
    """
    numbers = layers_there(layers, skipped)
    for start in said:
        key = next((theirs for theirs in ours if theirs.startswith(start)), "")
        if key and "{layer}" not in start:
            yield from () if ours[key] in layers else (start,)
        elif key:
            lacking = _stack(ours[key], layers) - layers.get(ours[key], set())
            own = sorted(map(int, lacking))
            yield from (_numbered(start, numbers[n] if numbers else n) for n in own)
        else:
            after = 1 + max((int(n) for found in layers.values() for n in found if n), default=-1)
            after = numbers[-1] + 1 if numbers else after
            yield start.replace("{layers}", str(after))
    stacks = dict.fromkeys(key.partition("{layer}")[0] for key in ours if "{layer}" in key)
    yield from (f"{stack}{number}." for stack in stacks for number in sorted(skipped))


def _numbered(name: str, layer: int) -> str:
    return name.replace("{layer}", str(layer))


def _stack(name: str, layers: Mapping[str, set[str]]) -> set[str]:
    """All layers of the stack that a parameter is in."""
    stack = name.partition("{layer}")[0]
    return {n for other, found in layers.items() if other.startswith(f"{stack}{{") for n in found}
