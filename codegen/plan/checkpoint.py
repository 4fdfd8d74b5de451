"""The parameter table's names in another library's checkpoints, from its mapping file."""

from __future__ import annotations

import ast
import copy
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from codegen.errors import Diagnostic, Position, SpecError
from codegen.importers.formula import parsed
from codegen.importers.mapping import read_mapping
from codegen.plan.checkpoint_plan import CheckpointKey, CheckpointPlan, ComputedTables
from codegen.plan.names_there import INDEX, LANGUAGE, in_language, layers_there, left_out
from codegen.plan.reads import OverLayer, Read
from codegen.plan.tables import Parameter
from codegen.plan.transformer.block_plan import BlockPlan
from codegen.plan.transformer.formula import Formula
from codegen.spec.head import Checkpoint

TABLE = ("width", "base", "start")  # of what a table is computed
MAX_NAMED = 8  # parameters in a message
Number = Read | OverLayer | Formula


def checkpoint_plan(
    said: Checkpoint,
    parameters: tuple[Parameter, ...],
    blocks: Sequence[BlockPlan] = (),
    position: Position | None = None,
) -> CheckpointPlan:
    """Where each of our parameters lies over there; SpecError if one has no place."""
    assert said.huggingface, said
    model_type, skipped = said.huggingface, set(said.skipped_layers)
    mapping = read_mapping(model_type)
    if "keys" not in mapping.weights:
        message = f"Hugging Face's {model_type} is a network of plain layers"
        raise SpecError(Diagnostic(message, position, "say `family: network`"))
    several = in_language(mapping.weights["keys"], said.language) if said.language else None
    if said.language and not several:
        message = f"Hugging Face's {model_type} has nothing by language"
        raise SpecError(Diagnostic(message, position, "drop `language`"))
    weights = _in_language(mapping.weights, said.language)
    table = {parameter.name: parameter for parameter in parameters}
    patterns = _patterns(table)
    numbers = _numbers(blocks)
    parallel = any(block.parallel for block in blocks)
    made: dict[str, CheckpointKey] = {}
    others: set[str] = set()
    housed: dict[str, int] = {}
    unused = [end for end, ours in weights.get("unused", {}).items() if _holds(ours, patterns)]
    # A type's own names come before those of the type that it extends, which it then doesn't know.
    generations = _in_language({"keys": mapping.generations}, said.language)["keys"]
    generations = {key: generations.get(key, 0) for key in weights["keys"]}
    for theirs in sorted(weights["keys"], key=lambda key: generations[key]):
        entries = _entries(weights["keys"][theirs])
        entry = next((e for e in entries if _suits(e, patterns, parallel)), None)
        if entry is None or theirs.endswith(tuple(unused)):
            continue  # of models with other options
        ours = tuple(entry["parts"])
        named = _expanded(ours, patterns)
        nearest = min(housed.get(name, generations[theirs]) for name in named)
        if nearest < generations[theirs]:
            continue
        key = _key(theirs, ours, entry, table[named[0]], numbers)
        made[theirs] = replace(key, everywhere=_is_everywhere(ours[0], patterns))
        if not housed.keys().isdisjoint(named):
            others.add(theirs)
        housed |= dict.fromkeys(named, generations[theirs])
    homeless = sorted({INDEX.sub("{layer}", name) for name in table.keys() - housed})
    if homeless:
        names = ", ".join(f"`{name}`" for name in homeless[:MAX_NAMED])
        more = f" and {len(homeless) - MAX_NAMED} more" if len(homeless) > MAX_NAMED else ""
        message = f"Hugging Face's {model_type} has no place for {names}{more}"
        raise SpecError(Diagnostic(message, position, "change the model or drop `checkpoint`"))
    told_apart = _told_apart([made[theirs] for theirs in weights["keys"] if theirs in made])
    keys = [key for key in told_apart if key.theirs not in others]
    read = [key for key in told_apart if key.theirs in others]
    return CheckpointPlan(
        model_type,
        weights.get("prefix", ""),
        tuple(keys),
        _tied(weights.get("tied", {}), keys),
        (*(end for end in weights.get("ignored", ()) if not _ends_one(made, end)), *unused),
        tuple(left_out(weights.get("left_out", ()), _first(weights["keys"]), patterns, skipped)),
        _layers_code(keys),
        tuple(read),
        _renamed(weights.get("renamed", {}), told_apart),
        _zero(weights.get("zero", ()), keys),
        _computed(weights.get("computed", {}), numbers),
        tuple(weights.get("fixed", {}).items()),
        tuple(layers_there(patterns, skipped)),
        several,
    )


def _ends_one(keys: Iterable[str], end: str) -> bool:
    """Whether a key that this model has ends so."""
    return any(key.endswith(end) for key in keys)


def _holds(condition: str, patterns: Container[str]) -> bool:
    """Whether a model has a tensor, `NAME`, or has none, `no NAME`."""
    name = condition.removeprefix("no ")
    return (name in patterns) == (name == condition)


def _in_language(weights: dict[str, Any], language: str | None) -> dict[str, Any]:
    """What is said of weights, with the keys of this language."""
    if language is None:
        return weights
    keys = {key.replace(LANGUAGE, language): value for key, value in weights["keys"].items()}
    return {**weights, "keys": keys}


def _computed(
    said: Mapping[str, Mapping[str, Any]], numbers: Mapping[str, Number]
) -> ComputedTables | None:
    """The tables that are compared with what we compute, all of one form."""
    for form in said.values():
        return ComputedTables(tuple(said), *(_code(form.get(name, 0), numbers) for name in TABLE))
    return None


def _zero(names: Iterable[str], keys: Sequence[CheckpointKey]) -> tuple[str, ...]:
    """What may be absent by its whole name, or by its end where layers have it."""
    found = [key for key in keys if key.theirs in names]
    return tuple(key.suffix if "{layer}" in key.theirs else key.theirs for key in found)


def _renamed(ends: Mapping[str, str], keys: Iterable[CheckpointKey]) -> tuple[tuple[str, str], ...]:
    """The ends of old names that some key may have had."""
    names = [key.theirs for key in keys]
    return tuple(pair for pair in ends.items() if any(name.endswith(pair[1]) for name in names))


def _first(keys: Mapping[str, Any]) -> dict[str, str]:
    """The first of our parameters that each key may stand for."""
    return {theirs: _entries(said)[0]["parts"][0] for theirs, said in keys.items()}


def _entries(said: Any) -> list[dict[str, Any]]:
    """What a key may hold: one of several things, of which the model has at most one."""
    each = said if isinstance(said, list) else [said]
    return [{"parts": [entry]} if isinstance(entry, str) else entry for entry in each]


def _suits(entry: Mapping[str, Any], patterns: Mapping[str, set[str]], parallel: bool) -> bool:
    """Whether a model has what a key is of, what is beside it, and not what it is without."""
    needed = {*entry["parts"], *([entry["beside"]] if "beside" in entry else [])}
    rest = entry.get("without") not in patterns and entry.get("parallel", parallel) == parallel
    return needed <= patterns.keys() and rest


def _tied(second: Mapping[str, str], keys: Sequence[CheckpointKey]) -> tuple[tuple[str, str], ...]:
    """Second names with the first, where the tensor has no place of its own."""
    first = {key.ours[0]: key.theirs for key in keys if not key.viewed}
    own = {key.theirs for key in keys}
    return tuple((t, first[ours]) for t, ours in second.items() if t not in own and ours in first)


def _patterns(names: Iterable[str]) -> dict[str, set[str]]:
    """Each parameter's name, as it is and with {layer} for an index: the layers that have it."""
    found: dict[str, set[str]] = {}
    for name in names:
        found.setdefault(name, set()).add("")
        for match in INDEX.finditer(name):
            pattern = f"{name[: match.start()]}{{layer}}{name[match.end() :]}"
            found.setdefault(pattern, set()).add(match[0])
    return found


def _is_everywhere(ours: str, patterns: Mapping[str, set[str]]) -> bool:
    """Whether all layers have a parameter; not known of one among several stacks of layers."""
    if "{layer}" not in ours:
        return True
    stacks: dict[str, set[str]] = {}
    for pattern, layers in patterns.items():
        stack, brace, _ = pattern.partition("{layer}")
        if brace:
            stacks.setdefault(stack, set()).update(layers)
    return len(stacks) == 1 and patterns[ours] == stacks[ours.partition("{layer}")[0]]


def _expanded(ours: Sequence[str], patterns: Mapping[str, set[str]]) -> list[str]:
    """The names of our parameters that patterns stand for."""
    return [
        pattern.replace("{layer}", layer) for pattern in ours for layer in patterns.get(pattern, ())
    ]


def _key(
    theirs: str,
    ours: tuple[str, ...],
    entry: Mapping[str, Any],
    first: Parameter,
    numbers: Mapping[str, Number],
) -> CheckpointKey:
    """One key; the outputs of stacked experts are their second axis, and the last if transposed."""
    transposed = bool(entry.get("transposed"))
    of_experts = len(first.shape) == 3 or (".experts." in first.name and len(first.shape) == 2)
    axis = -1 if transposed else int(of_experts and "{expert}" not in theirs)
    groups = entry.get("groups")
    return CheckpointKey(
        theirs,
        ours,
        transposed,
        int(entry.get("axis", axis)),
        _code(groups, numbers) if groups is not None and groups != 1 else "",
        tuple(_code(size, numbers) for size in entry.get("shape", ())),
        end_to_end=bool(entry.get("end_to_end")),
    )


def _numbers(blocks: Sequence[BlockPlan]) -> dict[str, Number]:
    """How the numbers that all blocks have alike are read."""
    found: dict[str, set[Number]] = {}
    for block in blocks:
        rows = [row for attention in block.attentions for row in attention.numbers.items()]
        rows += [row for mlp in block.mlps for row in mlp.numbers.items()]
        for name, read in rows:
            found.setdefault(name, set()).add(read)
    return {name: next(iter(reads)) for name, reads in found.items() if len(reads) == 1}


def _code(value: Any, numbers: Mapping[str, Number]) -> str:
    """A number of the mapping as code over the model: `=kv_heads` is model.config.kv_heads."""
    if not isinstance(value, str):
        return str(value)
    tree = copy.deepcopy(parsed(value.removeprefix("=")))
    return ast.unparse(_OverModel(numbers).visit(tree))


class _OverModel(ast.NodeTransformer):
    """An expression's names as the fields that hold their numbers."""

    def __init__(self, numbers: Mapping[str, Number]) -> None:
        self.numbers = numbers

    def visit_Name(self, node: ast.Name) -> ast.expr:
        """The number of that name, which is a field's where no layer says otherwise."""
        return parsed(self.numbers.get(node.id, Read(node.id)).of("model.config"))


def _layers_code(keys: Sequence[CheckpointKey]) -> str:
    """Code for the number of layers: of the longest stack, where there are several."""
    stacks = dict.fromkeys(
        name.partition(".{layer}")[0] for key in keys for name in key.ours if "{layer}" in name
    )
    counts = [f"len(model.{stack})" for stack in stacks]
    return counts[0] if len(counts) == 1 else f"max({', '.join(counts)})"


def _told_apart(keys: Sequence[CheckpointKey]) -> list[CheckpointKey]:
    """Each key with the shortest end that no other one has."""
    made = []
    for key in keys:
        ends = key.theirs.rpartition("}")[2]
        others = [other.theirs for other in keys if other is not key]
        alone = bool(ends) and not any(name.endswith(ends) for name in others)
        made.append(replace(key, suffix=ends if alone else key.theirs))
    return made


def with_layout(parameters: tuple[Parameter, ...], plan: CheckpointPlan) -> tuple[Parameter, ...]:
    """The parameter table with the name that each row has over there."""
    theirs = {ours: key.theirs for key in plan.keys for ours in key.ours}

    def named(parameter: Parameter) -> Parameter:
        if parameter.name in theirs:
            return replace(parameter, layout=theirs[parameter.name])
        for match in INDEX.finditer(parameter.name):
            start, end = match.span()
            pattern = f"{parameter.name[:start]}{{layer}}{parameter.name[end:]}"
            if pattern in theirs:
                numbers = plan.layers_there
                layer = str(numbers[int(match[0])]) if numbers else match[0]
                layout = theirs[pattern].replace("{layer}", layer)
                return replace(parameter, layout=layout)
        raise AssertionError(parameter.name)

    return tuple(named(p) for p in parameters)
