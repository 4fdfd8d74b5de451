"""Which fields of a config transformers' own code of a type reads, found in its source.

`reads_of` follows a model's class through its bases and the classes and functions that they name,
and gathers `config.X` and `getattr(config, "X")`, and what the config's class does with its own
fields. It finds too many rather than too few: what it doesn't find, no code reads.
"""

from __future__ import annotations

import ast
import functools
import inspect
import sys
import textwrap
from collections.abc import Iterable, Iterator
from typing import Any

import transformers
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

from codegen.importers.mapping import Mapping

# Where the fields lie that any model has: its positions' and its attention's, and no loaders.
MODULES = ("models.", "modeling_rope_utils", "masking_utils", "cache_utils", "activations", "loss.")
# What the base of all configs does with fields that a type's own class declares.
ROPE = {"rope_parameters", "rope_scaling", "rope_theta", "partial_rotary_factor"}
# Read by the base of all configs and models.
ANYWHERE = {"id2label", "num_labels", "tie_word_embeddings", "quantization_config", "pruned_heads"}


def config_class(mapping: Mapping) -> Any:
    """transformers' config of a mapping's model type."""
    return CONFIG_MAPPING[mapping.name.partition(".")[0]]


def reads_of(mapping: Mapping) -> set[str]:
    """The fields that transformers reads for the classes of a mapping."""
    config = config_class(mapping)
    found = set(ANYWHERE)
    for name in mapping.architectures:
        if hasattr(transformers, name):
            found |= _reads_below(getattr(transformers, name))
    for base in config.__mro__:
        if base.__module__.startswith("transformers.models."):
            found |= _own(base).fields
    if "rope_parameters" in config.__dataclass_fields__ or "standardize_rope_params" in found:
        found |= ROPE
    for alias, own in config.attribute_map.items():
        if {alias, own} & found:
            found |= {alias, own}
    return found


class _Own:
    """What the source of one class or function reads of configs, and the names in it."""

    def __init__(self, thing: Any) -> None:
        self.fields: set[str] = set()
        self.names: set[str] = set()
        within = inspect.isclass(thing) and issubclass(thing, transformers.PreTrainedConfig)
        for node in ast.walk(_tree(thing)):
            self.fields.update(_fields_at(node, within=within))
            if isinstance(node, ast.Name):
                self.names.add(node.id)
            elif isinstance(node, ast.Attribute):
                self.names.add(node.attr)


@functools.cache
def _own(thing: Any) -> _Own:
    return _Own(thing)


def _tree(thing: Any) -> ast.AST:
    try:
        return ast.parse(textwrap.dedent(inspect.getsource(thing)))
    except (OSError, TypeError, SyntaxError):
        return ast.Module([], [])


def _fields_at(node: ast.AST, *, within: bool) -> Iterator[str]:
    """Fields that a node reads; `within` a config's class, `self` is one, and so are kwargs."""
    if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
        if _is_config(node.value, within=within):
            yield node.attr
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        if node.func.id in ("getattr", "hasattr"):
            yield from _text(node.args[1])
    elif within and isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        if node.func.attr in ("pop", "get", "setdefault") and node.args:
            yield from _text(node.args[0])
    elif within and isinstance(node, ast.Subscript):
        yield from _text(node.slice)


def _is_config(node: ast.AST, *, within: bool) -> bool:
    if isinstance(node, ast.Name):
        return node.id.endswith(("config", "cfg")) or (within and node.id == "self")
    return isinstance(node, ast.Attribute) and node.attr.endswith(("config", "cfg"))


def _text(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value


@functools.cache
def _below(thing: Any) -> tuple[Any, ...]:
    """The bases of a class, and the classes and functions that the source of `thing` names."""
    module = sys.modules[thing.__module__]
    named: Iterable[Any] = (getattr(module, name, None) for name in _own(thing).names)
    found = [*thing.__mro__[1:]] if inspect.isclass(thing) else []
    for one in named:
        found += one.values() if isinstance(one, dict) else [one]
    return tuple(inspect.unwrap(one) for one in found if _followed(one))


def _followed(thing: Any) -> bool:
    if not (inspect.isfunction(thing) or inspect.isclass(thing)):
        return False
    if inspect.isclass(thing) and issubclass(thing, transformers.PreTrainedConfig):
        return False
    return thing.__module__.startswith(tuple(f"transformers.{part}" for part in MODULES))


def _reads_below(thing: Any) -> set[str]:
    seen: set[Any] = set()
    waiting = [thing]
    while waiting:
        one = waiting.pop()
        if one not in seen:
            seen.add(one)
            waiting += _below(one)
    return set().union(*(_own(one).fields for one in seen))
