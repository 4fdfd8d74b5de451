"""The mapping files: which there are, which one is for a checkpoint, what one says in full."""

from __future__ import annotations

import copy
import functools
from dataclasses import field
from pathlib import Path
from typing import Any

from codegen.errors import TgenError
from codegen.frozen import frozen
from codegen.importers.heads import headed, heads_of, laid_over
from codegen.importers.libraries import HUGGINGFACE
from codegen.spec.yaml.source import parse

HERE = Path(__file__).parent
FOLDER = HERE / "huggingface"
EVERY_TYPE = HERE / "every_type.yaml"
HEADS = HERE / "heads.yaml"
OTHER_NAMES = HERE / "other_names.yaml"
PARTS = (
    *("extends", "architectures", "aliases", "defaults", "absent", "lacks", "let"),
    *("spec", "aspects", "blocks", "within", "outside", "refused", "ignored", "unread", "unset"),
    *("weights", "heads", "written", "unwritten"),
)


@frozen
class Mapping:
    """A mapping file with what it extends and what all of them have in common."""

    name: str  # of the file: a model type, or TYPE.TASK
    architectures: tuple[str, ...]
    defaults: dict[str, Any]
    absent: dict[str, Any]  # fields of other types, and what common formulas take for them here
    aliases: dict[str, str]  # other names of fields
    let: dict[str, Any]
    spec: dict[str, Any]
    aspects: dict[str, str]
    blocks: dict[str, Any]
    refused: tuple[dict[str, Any], ...]
    ignored: frozenset[str]  # without bearing on the logits
    unread: frozenset[str]  # found in published files, and read by no code of the type
    unset: frozenset[str]  # nothing where they are null
    weights: dict[str, Any]
    generations: dict[str, int]  # of the file that has a key: 0, or 1 of what it extends, ...
    within: str | None = None  # the field that holds the config of the part that is imported
    outside: frozenset[str] = frozenset()  # fields beside it that are of that part, too
    written: dict[str, Any] = field(default_factory=dict)  # that a config says and no spec does
    unwritten: str = ""  # why no config.json can be written
    library: str = HUGGINGFACE
    fields: dict[str, dict[str, Any]] = field(default_factory=dict)  # of architectures, by name

    @property
    def fields_of_tensors(self) -> frozenset[str]:
        """Of an architecture, what the tensors say of it, not its name."""
        return frozenset(("image", "classes", "channels") if self.fields else ())


def known() -> list[str]:
    """The names of all mapping files."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def known_types() -> list[str]:
    """The model types that some file is for."""
    return sorted({name.partition(".")[0] for name in known()})


@functools.cache
def other_names() -> dict[str, str]:
    """Model types that are another type under a name of their own."""
    return dict(parse(OTHER_NAMES.read_text(encoding="utf-8"), OTHER_NAMES.name).data)


@functools.cache
def _read(path: Path) -> dict[str, Any]:
    """What a file says; one of another head may follow from that of the type."""
    model_type, dot, task = path.stem.partition(".")
    if dot and not path.exists():
        base = _resolved(model_type)
        return headed(path.stem, base, heads_of(base, _heads())[task])
    data: Any = parse(path.read_text(encoding="utf-8"), path.name).data
    odd = set(data) - set(PARTS)
    if odd:
        raise TgenError(f"{path.name}: no part of a mapping: {', '.join(sorted(odd))}")
    return dict(data)


def _resolved(name: str, seen: tuple[str, ...] = ()) -> dict[str, Any]:
    data = copy.deepcopy(_read(FOLDER / f"{name}.yaml"))
    parent = data.pop("extends", None)
    if parent is None:
        return data
    if parent in (*seen, name) or parent not in known():
        raise TgenError(f"{name}.yaml: can't extend `{parent}`")
    low = _resolved(parent, (*seen, name))
    low.pop("architectures", None)  # those of another model
    heads = laid_over(low.get("heads", {}), data.get("heads", {}), keep_nulls=True)
    return {**deep(low, data), "heads": heads}


@functools.cache
def _heads() -> dict[str, Any]:
    return dict(parse(HEADS.read_text(encoding="utf-8"), HEADS.name).data)


def other_heads(model_type: str) -> list[str]:
    """The names of what follows from a type's file, and has none of its own."""
    if model_type not in known():
        return []
    found = (f"{model_type}.{task}" for task in heads_of(_resolved(model_type), _heads()))
    return [name for name in found if name not in known()]


def deep(low: Any, high: Any) -> Any:
    """`high` over `low`: mappings merge, `null` removes a key, lists and scalars replace."""
    if not isinstance(low, dict) or not isinstance(high, dict):
        return high
    made = dict(low)
    for key, value in high.items():
        made.pop(key, None) if value is None else made.update({key: deep(low.get(key), value)})
    return made


@functools.cache
def read_mapping(name: str) -> Mapping:
    """A mapping file in full. It is shared: don't change it."""
    own, every = _resolved(name), _read(EVERY_TYPE)
    weights = deep(every.get("weights", {}), own.get("weights", {}))
    return Mapping(
        name,
        tuple(own.get("architectures", ())),
        # An unset default is the null that `deep` would take away.
        _defaults(name, every.get("defaults", {})),
        {**every.get("defaults", {}), **every.get("absent", {})},
        own.get("aliases", {}),
        {**every.get("let", {}), **own.get("let", {})},
        deep(every.get("spec", {}), own.get("spec", {})),
        own.get("aspects", {}),
        own.get("blocks", {}),
        (*every.get("refused", ()), *own.get("refused", ())),
        frozenset((*every.get("ignored", ()), *own.get("ignored", ()))),
        frozenset((*every.get("unread", ()), *own.get("unread", ()))),
        frozenset(every.get("unset", ())),
        _named(weights),
        {_name_there(key, weights): depth for key, depth in _generations(name).items()},
        own.get("within"),
        frozenset(own.get("outside", ())),
        own.get("written", {}),
        own.get("unwritten", ""),
    )


def _named(weights: dict[str, Any]) -> dict[str, Any]:
    """The same with keys as they are there."""
    made = dict(weights)
    for part in ("keys", "tied", "computed", "fixed"):
        if part in weights:
            made[part] = {_name_there(key, weights): v for key, v in weights[part].items()}
    return made


def _name_there(key: str, weights: dict[str, Any]) -> str:
    """A key as it is there: a type that extends another may have a prefix, or all `moved`."""
    moved = weights.get("moved", {})
    key = key.replace("{prefix}", weights.get("prefix", ""))
    start = max((one for one in moved if key.startswith(one)), key=len, default=None)
    return key if start is None else moved[start] + key.removeprefix(start)


def _generations(name: str) -> dict[str, int]:
    """How far up the files that extend each other the nearest one stands that has a key."""
    data = _read(FOLDER / f"{name}.yaml")
    above = _generations(data["extends"]) if "extends" in data else {}
    own = data.get("weights", {}).get("keys", {})
    return {key: depth + 1 for key, depth in above.items()} | dict.fromkeys(own, 0)


def _defaults(name: str, common: dict[str, Any]) -> dict[str, Any]:
    """Of a file over those of what it extends, but for what it lacks; `null` is a value."""
    data = _read(FOLDER / f"{name}.yaml")
    low = _defaults(data["extends"], common) if "extends" in data else common
    lacks = data.get("lacks", ())
    return {**{name: low[name] for name in low if name not in lacks}, **data.get("defaults", {})}


def towers(model_type: str, architectures: list[str]) -> list[Mapping]:
    """The files for the parts of a model that is two in one, each with a config of its own."""
    names = (name for name in known() if name.partition(".")[0] == model_type)
    files = [read_mapping(name) for name in names]
    found = [one for one in files if one.within and {*architectures} & {*one.architectures}]
    return found if len(found) > 1 else []


def choose(model_type: str, architectures: list[str]) -> Mapping | None:
    """The file for a model type and its heads, or None where no file is for the type."""
    model_type = other_names().get(model_type, model_type)
    names = [name for name in known() if name.partition(".")[0] == model_type]
    # A model without a head is that of an encoder before it is a language model's part.
    files = [read_mapping(name) for name in (*other_heads(model_type), *names)]
    for file in files:
        if set(architectures) & set(file.architectures):
            return file
    return next((file for file in files if file.name == model_type), None)
