"""Where two models begin to differ: the outputs of their blocks, and of what is inside."""

from __future__ import annotations

import re
from typing import Any

import torch
from torch import nn

from benchmarks.tiny_models import Example

NOTICED = 1e-4  # relative
ATTENTION = re.compile(r".*att.*|self|cross.*", re.IGNORECASE)
MLP = re.compile(r".*(mlp|feed_?forward|ffn|moe|experts).*", re.IGNORECASE)


def first_difference(ours: Any, reference: Any, case: Example) -> list[str]:
    """Lines that say how much each block differs, and what within the first one that does."""
    there, here = stacks(reference, 0), stacks(ours, 0)
    pairs = [(theirs, mine) for mine in here for theirs in there if len(theirs) == len(mine)][:2]
    if not pairs:
        return ["(no list of layers of the same length on both sides)"]
    lines = []
    for theirs, mine in pairs if case.inputs.keys() > {"decoder_input_ids"} else pairs[:1]:
        lines += stack_differences(ours, reference, case, theirs, mine)
    return lines


def stacks(model: nn.Module, least: int) -> list[nn.ModuleList]:
    """The lists of layers of a model, outermost first."""
    found = [
        module
        for name, module in model.named_modules()
        if isinstance(module, nn.ModuleList) and not re.search(r"\.\d+\.", f".{name}.")
    ]
    return [one for one in found if len(one) > least]


def stack_differences(
    ours: Any, reference: Any, case: Example, theirs: nn.ModuleList, mine: nn.ModuleList
) -> list[str]:
    """Each layer's input and output on both sides, then the parts of the first that differs."""
    pairs = list(zip(theirs, mine, strict=True))
    parts = [part_pairs(one, other) for one, other in pairs]
    watched: list[tuple[nn.Module, nn.Module]] = [*pairs, *(p[1:] for row in parts for p in row)]
    there = recorded(reference, case.inputs, [one for one, _ in watched], by_name=True)
    here = recorded(ours, case.inputs, [other for _, other in watched], by_name=False)
    lines = []
    for index, (one, other) in enumerate(pairs):
        entering = difference(there.get((id(one), 0)), here.get((id(other), 0)))
        leaving = difference(there.get((id(one), 1)), here.get((id(other), 1)))
        if index == 0:
            lines.append(f"what enters the first block: {shown(entering)}")
        lines.append(f"block {index}: {shown(leaving)}")
        if leaving is None or not leaving <= NOTICED:
            for name, part, own in parts[index]:
                value = difference(there.get((id(part), 1)), here.get((id(own), 1)))
                lines.append(f"    {name}: {shown(value)}")
            break
    return lines


def part_pairs(theirs: nn.Module, mine: nn.Module) -> list[tuple[str, nn.Module, nn.Module]]:
    """The parts of a layer that can be told by their names."""
    found = []
    for name, pattern in (("attention", ATTENTION), ("mlp", MLP)):
        one = [child for key, child in theirs.named_children() if is_part(key, child, pattern)]
        other = [child for key, child in mine.named_children() if is_part(key, child, pattern)]
        if one and other:
            found.append((f"{name} ({type(one[0]).__name__})", one[0], other[0]))
    return found


def is_part(name: str, module: nn.Module, pattern: re.Pattern[str]) -> bool:
    return bool(pattern.fullmatch(name)) and "norm" not in name.lower() and any(module.children())


def recorded(
    model: Any, inputs: dict[str, torch.Tensor], modules: list[nn.Module], *, by_name: bool
) -> dict[tuple[int, int], torch.Tensor]:
    """Of each module the first tensor that enters (0) and leaves (1) in one forward."""
    kept: dict[tuple[int, int], torch.Tensor] = {}

    def keep(module: nn.Module, given: tuple[Any, ...], named: dict[str, Any], made: Any) -> None:
        for place, values in ((0, [*given, *named.values()]), (1, flat(made))):
            tensors = [v for v in values if isinstance(v, torch.Tensor) and v.is_floating_point()]
            if tensors:
                kept.setdefault((id(module), place), tensors[0].detach())

    handles = [module.register_forward_hook(keep, with_kwargs=True) for module in modules]
    try:
        with torch.no_grad():
            model(**inputs) if by_name else model(*inputs.values())
    finally:
        for handle in handles:
            handle.remove()
    return kept


def flat(values: Any) -> list[Any]:
    if isinstance(values, dict):
        return list(values.values())
    return list(values) if isinstance(values, tuple | list) else [values]


def difference(wanted: torch.Tensor | None, values: torch.Tensor | None) -> float | None:
    """max|difference| / max|wanted|; None where they can't be compared."""
    if wanted is None or values is None or wanted.numel() != values.numel():
        return None
    values = values.reshape(wanted.shape)
    return float((values - wanted).abs().max() / wanted.abs().max())


def shown(value: float | None) -> str:
    if value is None:
        return "not comparable"
    return "same" if value <= 1e-5 else f"differs by {value:.1e}"
