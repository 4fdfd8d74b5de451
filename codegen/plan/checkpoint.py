"""The parameter table's names in another library's checkpoints, from its mapping file."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

from codegen.errors import Diagnostic, Position, SpecError
from codegen.plan.network import Parameter
from codegen.plan.plan import CheckpointKey, CheckpointPlan
from codegen.spec.source import parse

MAPPINGS = Path(__file__).parent.parent / "importers/huggingface"


def read_mapping(model_type: str) -> dict[str, Any]:
    """The mapping file of a model type, its `extends` resolved."""
    path = MAPPINGS / f"{model_type}.yaml"
    data: dict[str, Any] = parse(path.read_text(encoding="utf-8"), path.name).data
    if "extends" in data:
        low = read_mapping(data.pop("extends"))
        return {**low, **data, "keys": {**low["keys"], **data.get("keys", {})}}
    return data


def checkpoint_plan(
    model_type: str, parameters: tuple[Parameter, ...], position: Position | None = None
) -> CheckpointPlan:
    """Where each of our parameters lies over there; SpecError if one has no place."""
    mapping = read_mapping(model_type)
    known = {pattern(p.name) for p in parameters}
    keys = []
    for theirs, entry in mapping["keys"].items():
        whole = isinstance(entry, str)
        ours = (entry,) if whole else tuple(entry["stacked"])
        transposed = not whole and bool(entry.get("transposed"))
        if known.issuperset(ours):
            keys.append(CheckpointKey(theirs, ours, transposed))
    homeless = sorted(known.difference(name for key in keys for name in key.ours))
    if homeless:
        names = ", ".join(f"`{name}`" for name in homeless)
        message = f"Hugging Face's {model_type} has no place for {names}"
        raise SpecError(Diagnostic(message, position, "change the model or drop `checkpoint`"))
    covered = {key.theirs for key in keys}
    tied = tuple(
        (theirs, ours) for theirs, ours in mapping["tied"].items() if theirs not in covered
    )
    ignored = tuple(mapping.get("ignored", ()))
    return CheckpointPlan(model_type, mapping["prefix"], tuple(keys), tied, ignored)


def with_layout(parameters: tuple[Parameter, ...], plan: CheckpointPlan) -> tuple[Parameter, ...]:
    """The parameter table with the name that each row has over there."""
    theirs = {ours: key.theirs for key in plan.keys for ours in key.ours}

    def named(parameter: Parameter) -> Parameter:
        index = re.search(r"\d+", parameter.name)
        name = theirs[pattern(parameter.name)]
        return replace(parameter, layout=name.replace("{}", index[0] if index else ""))

    return tuple(named(p) for p in parameters)


def pattern(name: str) -> str:
    """A parameter's name with `{}` for its layer."""
    return re.sub(r"\.\d+\.", ".{}.", name)
