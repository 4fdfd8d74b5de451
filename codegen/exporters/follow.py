"""A config's fields as code over the package's Config, so that they follow what a checkpoint has.

Each number is changed by itself and read forward again: what of the Config moves with it shows of
what it is made. An expression counts that gives the field in every one of these configs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import permutations
from typing import Any

from codegen.errors import TgenError
from codegen.exporters.forward import read
from codegen.frozen import frozen
from codegen.importers.mapping import Mapping as Mapped
from codegen.importers.scope import fields_read
from codegen.plan.transformer.encoder_decoder import lower_encoder_decoder
from codegen.plan.transformer.lower import lower_network
from codegen.spec.transformer.vocabulary import TransformerSpec

Values = Mapping[str, Any]
Place = tuple[str | int, ...]
OF_ROPE = ("rope_theta", "partial_rotary_factor")  # said in rope_parameters
ALL = 2**30  # a window that sees everything
# Fields of a Config that say how training goes, and nothing of what a model computes.
OF_TRAINING = (
    *("init_std", "embedding_std", "aux_loss", "router_z_loss", "z_loss", "correction_rate"),
    *("dropout", "attention_dropout", "residual_dropout", "embedding_dropout", "drop_path"),
    *("layer_scale", "temperature", "label_smoothing"),
)


@frozen
class Code:
    """Python over a `config`, and what it comes to."""

    text: str
    value: Callable[[Values], Any]

    def holds(self, samples: list[Sample], wanted: Callable[[Sample], Any]) -> bool:
        """Whether it gives in every sample what is wanted."""
        for sample in samples:
            try:
                found = self.value(sample.config)
            except (ArithmeticError, LookupError, TypeError, ValueError):
                return False
            if not same(found, wanted(sample)):
                return False
        return True


@frozen
class Sample:
    """The fields of a config.json, and the Config that they come to."""

    fields: dict[str, Any]
    config: dict[str, Any]


def same(one: Any, other: Any) -> bool:
    """Whether two values are equal, numbers but for rounding, and of one kind."""
    if isinstance(one, float) and isinstance(other, float | int):
        return abs(one - other) <= 1e-9 * max(abs(one), abs(other))
    return type(one) is type(other) and bool(one == other)


def config_of(spec: TransformerSpec) -> dict[str, Any]:
    """The values of the Config that a spec's package has."""
    stacked = spec.task == "seq2seq-lm"
    network = lower_encoder_decoder(spec) if stacked else lower_network(spec.model, spec.task)
    return {field.name: field.value for field in network.fields if field.formula is None}


def constant(value: Any) -> Code:
    """A value that follows nothing."""
    return Code(repr(value), lambda config: value)


class Follower:
    """The code of each field of a config, found in samples."""

    def __init__(self, fields: dict[str, Any], mapping: Mapped) -> None:
        self.mapping = mapping
        first = self.sample(fields)
        assert first is not None, fields
        self.first = first
        self.moved: set[Place] = set()
        self.fields = {**fields, **self._defaults(fields)}
        self.first = Sample(self.fields, first.config)
        self.samples = [self.first]
        for path, value in _numbers(self.fields, ()):
            self._move(path, value)
        unmoved = [n for n in self.fields if n not in fields and (n,) not in self.moved]
        self.fields = {n: value for n, value in self.fields.items() if n not in unmoved}

    def _defaults(self, fields: dict[str, Any]) -> dict[str, Any]:
        """Numbers that a config need not say."""
        known, reads = self.mapping.defaults, fields_read(self.mapping)
        return {
            name: known[name]
            for name in known
            if name in reads and name not in fields and name not in OF_ROPE
            if isinstance(known[name], int | float) and not isinstance(known[name], bool)
        }

    def sample(self, fields: dict[str, Any]) -> Sample | None:
        """What fields come to; None where they can't be."""
        try:
            return Sample(fields, config_of(read(fields, self.mapping).spec))
        except TgenError:
            return None

    def _move(self, path: Place, value: int | float) -> None:
        """A sample in which one number is another, or it and one that has to be equal."""
        alike = [other for other, one in _numbers(self.fields, ()) if one == value != 0]
        for others in ((), *((one,) for one in alike if one != path)):
            for changed in _others(value):
                fields = self.fields
                for one in (path, *others):
                    fields = _with(fields, one, changed)
                for given in (fields, _tiled(fields, value, changed)):
                    sample = self.sample(given)
                    if sample is not None and self._like_first(sample):
                        self.samples.append(sample)
                        if sample.config != self.first.config:
                            self.moved.add(path)
                        return

    def _like_first(self, sample: Sample) -> bool:
        """Whether the sample is of the same package: its Config has the same fields."""
        own, other = self.first.config, sample.config
        return own.keys() == other.keys() and all(
            type(own[name]) is type(other[name]) for name in own
        )

    def code(self, path: Place, value: Any) -> Code:
        """The code of one field, at any depth."""
        if isinstance(value, dict):
            return joined({key: self.code((*path, key), inner) for key, inner in value.items()})
        if isinstance(value, list):
            return self._list(path, value)
        if isinstance(value, bool) or not isinstance(value, int | float) or path not in self.moved:
            return constant(value)
        return self.found(lambda sample: _get(sample.fields, path), value) or constant(value)

    def found(
        self, wanted: Callable[[Sample], Any], value: int | float, but: str = ""
    ) -> Code | None:
        """The simplest code that gives a number in every sample, without one of the fields."""
        config = {name: v for name, v in self.first.config.items() if name != but}
        for candidate in candidates(config, value):
            if candidate.holds(self.samples, wanted):
                return candidate
        return None

    def _list(self, path: Place, value: list[Any]) -> Code:
        """A list with an entry for each layer."""
        for code in by_layer(self.first.config, value):
            if code.holds(self.samples, lambda sample: _get(sample.fields, path)):
                return code
        if any(isinstance(entry, list | dict) for entry in value):
            return _list_of([self.code((*path, i), one) for i, one in enumerate(value)])
        return constant(value)


def joined(parts: dict[str, Code]) -> Code:
    """A mapping of codes, as code."""
    text = ", ".join(f"{key!r}: {code.text}" for key, code in parts.items())
    return Code(
        f"{{{text}}}", lambda config: {key: code.value(config) for key, code in parts.items()}
    )


def _list_of(parts: list[Code]) -> Code:
    text = ", ".join(code.text for code in parts)
    return Code(f"[{text}]", lambda config: [code.value(config) for code in parts])


def candidates(config: Values, value: int | float) -> Iterator[Code]:
    """Code that may give a value, the simplest first."""
    scalars = {n: v for n, v in config.items() if isinstance(v, int | float)}
    for name, own in scalars.items():
        if same(own, value):
            yield Code(f"config.{name}", lambda c, n=name: c[n])
    for name, own in config.items():
        if isinstance(own, tuple):
            yield from _of_tuple(name, own)
    for name, own in scalars.items():
        yield from _changed(name, own, value)
    for name, own in config.items():
        if isinstance(own, tuple) and isinstance(own[0], int | float):
            for which, taken in (("min", min), ("max", max)):
                for code in _changed(name, taken(own), value):
                    text = code.text.replace(f"config.{name}", f"{which}(config.{name})")
                    yield Code(text, lambda c, n=name, f=code, t=taken: f.value({n: t(c[n])}))
    for (one, a), (other, b) in permutations(scalars.items(), 2):
        if isinstance(value, int) and isinstance(a, int) and isinstance(b, int):
            if b and a // b == value and a % b == 0:
                text = f"config.{one} // config.{other}"
                yield Code(text, lambda c, x=one, y=other: c[x] // c[y])
            if a * b == value and one < other:
                text = f"config.{one} * config.{other}"
                yield Code(text, lambda c, x=one, y=other: c[x] * c[y])
            if a + b == value and one < other:
                text = f"config.{one} + config.{other}"
                yield Code(text, lambda c, x=one, y=other: c[x] + c[y])
        elif isinstance(value, float) and b and same(float(a / b), value):
            text = f"config.{one} / config.{other}"
            yield Code(text, lambda c, x=one, y=other: c[x] / c[y])
        elif isinstance(value, float) and b > 0 and same(a * b**0.5, value):
            text = f"config.{one} * config.{other} ** 0.5"
            yield Code(text, lambda c, x=one, y=other: c[x] * c[y] ** 0.5)


def _of_tuple(name: str, own: tuple[Any, ...]) -> Iterator[Code]:
    if own and isinstance(own[0], str):
        yield Code(f"len(config.{name})", lambda c: len(c[name]))
        for word in dict.fromkeys(own):
            text = f"config.{name}.count({word!r})"
            yield Code(text, lambda c, w=word: c[name].count(w))
        return
    yield Code(f"min(config.{name})", lambda c: min(c[name]))
    yield Code(f"max(config.{name})", lambda c: max(c[name]))
    yield Code(f"config.{name}[0]", lambda c: c[name][0])
    yield Code(f"config.{name}[-1]", lambda c: c[name][-1])
    yield Code(f"len(config.{name})", lambda c: len(c[name]))


def _changed(name: str, own: int | float, value: int | float) -> Iterator[Code]:
    """One field and a number that the code has."""
    whole = isinstance(own, int) and isinstance(value, int)
    if whole and 0 < abs(value - own) <= 16:
        more = int(value - own)
        sign = "+" if more > 0 else "-"
        yield Code(f"config.{name} {sign} {abs(more)}", lambda c: c[name] + more)
    if whole and own and value % own == 0 and 1 < value // own <= 16:
        times = int(value // own)
        yield Code(f"{times} * config.{name}", lambda c: times * c[name])
    if whole and value and own % value == 0 and 1 < own // value <= 16:
        part = int(own // value)
        yield Code(f"config.{name} // {part}", lambda c: c[name] // part)
    for times in (2, 4):
        if whole and value - times * own and abs(value - times * own) <= 8:
            off = int(value - times * own)
            sign = "+" if off > 0 else "-"
            text = f"{times} * config.{name} {sign} {abs(off)}"
            yield Code(text, lambda c, t=times, o=off: t * c[name] + o)
    if isinstance(own, int) and isinstance(value, float) and own == value:
        yield Code(f"float(config.{name})", lambda c: float(c[name]))
    if isinstance(own, float) and isinstance(value, int) and own == value:
        yield Code(f"round(config.{name})", lambda c: round(c[name]))
    if isinstance(own, float) and own:
        if isinstance(value, int):
            yield Code(f"round(1 / config.{name})", lambda c: round(1 / c[name]))
            yield Code(f"round(config.{name} ** -2)", lambda c: round(c[name] ** -2))
        else:
            yield Code(f"1 / config.{name}", lambda c: 1 / c[name])
            yield Code(f"config.{name} ** -2", lambda c: c[name] ** -2)


def by_layer(config: Values, value: list[Any]) -> Iterator[Code]:
    """Code for a list with an entry for each layer."""
    for name, own in config.items():
        if isinstance(own, tuple) and own == tuple(value):
            yield Code(f"list(config.{name})", lambda c, n=name: list(c[n]))
    for name, own in config.items():
        if not isinstance(own, tuple) or len(own) != len(value):
            continue
        if ALL in own:
            inner = {entry for entry, one in zip(value, own, strict=True) if one == ALL}
            outer = {entry for entry, one in zip(value, own, strict=True) if one != ALL}
            if len(inner) == len(outer) == 1:
                whole, part = *inner, *outer
                text = f"[{whole!r} if window == 2**30 else {part!r} for window in config.{name}]"
                yield Code(
                    text, lambda c, n=name, w=whole, p=part: [w if x == ALL else p for x in c[n]]
                )
        table: dict[Any, Any] = {}
        for entry, one in zip(value, own, strict=True):
            table.setdefault(one, entry)
        if all(table[one] == entry for entry, one in zip(value, own, strict=True)):
            text = f"[{table!r}[kind] for kind in config.{name}]"
            yield Code(text, lambda c, n=name, t=table: [t[x] for x in c[n]])
    if value and all(entry == value[0] for entry in value):
        for name, own in config.items():
            if name == "layers" and own == len(value):
                yield Code(f"[{value[0]!r}] * config.layers", lambda c: value[:1] * c["layers"])
            elif name == "layers" and isinstance(own, tuple) and len(own) == len(value):
                text = f"[{value[0]!r}] * len(config.layers)"
                yield Code(text, lambda c: value[:1] * len(c["layers"]))


def _numbers(value: Any, path: Place) -> Iterator[tuple[Place, int | float]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _numbers(inner, (*path, key))
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield path, value


def _others(value: int | float) -> Iterator[int | float]:
    """Numbers to try in the place of one."""
    if isinstance(value, float):
        yield from ((value * 1.5, value / 2) if value else (0.25,))
    else:
        yield from (n for n in (value * 2, value * 3, value // 2, value + 1, value - 1) if n > 0)


def _with(fields: dict[str, Any], path: Place, value: Any) -> dict[str, Any]:
    name, *rest = path
    inner = _with(fields[name], tuple(rest), value) if rest else value
    return {**fields, name: inner}


def _get(fields: dict[str, Any], path: Place) -> Any:
    found: Any = fields
    for name in path:
        found = found[name]
    return found


def _tiled(fields: dict[str, Any], old: int | float, new: int | float) -> dict[str, Any]:
    """With lists of an entry a layer as long as there are layers now."""
    count = int(new)


    def tiled(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: tiled(inner) for name, inner in value.items()}
        if not isinstance(value, list):
            return value
        return (value * count)[:count] if len(value) == old else [tiled(one) for one in value]

    return {name: tiled(value) for name, value in fields.items()}
