"""How generated code reads numbers: a config's fields, a module's own, and what is made of them.

Each prints as Python: as a constructor reads it from its `config`, or, by `of`, as code that has
the config under another name.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar

from codegen.frozen import frozen

Part = TypeVar("Part")


class Printed(ABC):
    """Data that is Python over a config."""

    def __str__(self) -> str:
        """As a constructor reads it."""
        return self.of("config")

    @abstractmethod
    def of(self, config: str) -> str:
        """As code that has the config under that name."""

    def as_factor(self, config: str) -> str:
        """The same, to multiply by."""
        return self.of(config)


@frozen
class Read(Printed):
    """A field of the config; `by_layer`, the layer's entry of it."""

    field: str
    by_layer: bool = False

    def of(self, config: str) -> str:
        """`config.window`, or `config.windows[layer]`."""
        return f"{config}.{self.field}[layer]" if self.by_layer else f"{config}.{self.field}"


@frozen
class OverLayer(Printed):
    """A number that the layers divide by their places: by one in the first, by two in the next."""

    read: Printed

    @property
    def by_layer(self) -> bool:
        """Whether it differs by layer."""
        return True

    def of(self, config: str) -> str:
        """`config.attention_scale / (layer + 1)`."""
        return f"{self.read.of(config)} / (layer + 1)"


@frozen
class LayerCount(Printed):
    """How many layers there are: a field, or the length of one that says the `kinds` of all."""

    read: Read
    kinds: bool

    def of(self, config: str) -> str:
        """`config.layers`, or `len(config.layers)`."""
        return f"len({self.read.of(config)})" if self.kinds else self.read.of(config)


@frozen
class Growing(Printed):
    """A number that grows evenly from zero in the first of the layers to `most` in the last."""

    most: Read
    layers: LayerCount

    def of(self, config: str) -> str:
        """`config.drop_path * layer / max(1, config.layers - 1)`."""
        return f"{self.most.of(config)} * layer / max(1, {self.layers.of(config)} - 1)"


@frozen
class Largest(Printed):
    """The largest entry of a field that has one for each layer."""

    read: Read

    def of(self, config: str) -> str:
        """`max(config.prefixes)`."""
        return f"max({self.read.of(config)})"


@frozen
class Total(Printed):
    """A sum of fields and of numbers that no config changes."""

    parts: tuple[int | Read, ...]

    def of(self, config: str) -> str:
        """`config.vocab_size + config.extra_tokens`."""
        return " + ".join(p.of(config) if isinstance(p, Read) else str(p) for p in self.parts)


@frozen
class Own:
    """A product of numbers, those by name being the module's own: `2 * self.head_dim`."""

    factors: tuple[int | str, ...]

    def __str__(self) -> str:
        """As the module's own methods read it."""
        return " * ".join(f"self.{f}" if isinstance(f, str) else str(f) for f in self.factors)


def own(*factors: int | str) -> Own:
    """The product of a module's own numbers by name, and of plain ones."""
    return Own(factors)


def with_reads(part: Part, change: Callable[[Read], Read]) -> Part:
    """A part of a plan with each of its reads changed."""
    changed: Part = _changed(part, change)
    return changed


def reads_of(part: Any) -> Iterator[Read]:
    """Every read in a part of a plan."""
    if isinstance(part, Read):
        yield part
        return
    for inner in _inside(part):
        yield from reads_of(inner)


def _inside(part: Any) -> Iterator[Any]:
    if isinstance(part, tuple):
        yield from part
    elif isinstance(part, dict):
        yield from part.values()
    elif is_dataclass(part):
        yield from (getattr(part, f.name) for f in fields(part))


def _changed(part: Any, change: Callable[[Read], Read]) -> Any:
    if isinstance(part, Read):
        return change(part)
    if isinstance(part, tuple):
        return tuple(_changed(item, change) for item in part)
    if isinstance(part, dict):
        return {key: _changed(item, change) for key, item in part.items()}
    if is_dataclass(part) and not isinstance(part, type):
        own = {f.name: _changed(getattr(part, f.name), change) for f in fields(part)}
        return replace(part, **own)
    return part
