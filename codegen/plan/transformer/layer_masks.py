"""The masks of a model's layers, and what their numbers become at toy size."""

from __future__ import annotations

from collections.abc import Iterable

from codegen.plan.masks.names import MaskNumber
from codegen.spec.masks.reach import plain, window_of
from codegen.spec.masks.tree import And, Atom, Mask, parse_mask
from codegen.spec.transformer.vocabulary import Block

TINY_CONTEXT = 32
EVERYTHING = 2**30  # keys in a window that no text outgrows; sums of two fit in 32 bits


def layer_masks(blocks: dict[str | None, Block]) -> dict[str | None, Mask]:
    """The mask of each kind. Beside layers with a window, a causal one has a window of all keys.

    Of all, not of context_length: a text may be longer than that, and caches are.
    """
    masks = {kind: plain(parse_mask(block.attention.mask)) for kind, block in blocks.items()}
    if any(window_of(mask) is not None for mask in masks.values()):
        everything = And(Atom("causal"), Atom("window", (EVERYTHING,)))
        masks = {k: everything if m == Atom("causal") else m for k, m in masks.items()}
    return masks


def true_value(number: MaskNumber, context_length: int) -> int:
    """A number of a mask as a model has it: of a window as it is, of others no more than a text."""
    is_window = number.name.rstrip("_0123456789") == "window"
    return number.value if is_window else min(number.value, context_length)


def toy_values(
    all_numbers: Iterable[tuple[MaskNumber, ...]], context_length: int
) -> dict[MaskNumber, int]:
    """Each number of the masks at toy size: different where the true ones are, in their order."""
    found: dict[MaskNumber, int] = {}
    for number in dict.fromkeys(n for numbers in all_numbers for n in numbers):
        base = number.name.rstrip("_0123456789")
        alike = {
            n.value
            for numbers in all_numbers
            for n in numbers
            if n.name.rstrip("_0123456789") == base
        }
        if base == "window" and number.value >= context_length:
            found[number] = EVERYTHING if number.value == EVERYTHING else TINY_CONTEXT
            continue
        rank = sorted(alike).index(number.value)
        most = TINY_CONTEXT - 1 if base == "window" else TINY_CONTEXT
        found[number] = min(number.knob.toy + number.knob.step * rank, most)
    return found
