"""The layers of a smaller network: narrower where the next layer alone reads what one makes."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Any, get_args

from codegen.commands.pruning.numbers import fewer
from codegen.errors import TgenError
from codegen.spec.network.fields import Function
from codegen.spec.network.layers import KINDS

KINDS_OF = {"channels": ("conv", "linear"), "neurons": ("linear",)}
BY_NUMBER = ("batch", "instance", "none")  # norms that know no other channel
PASSED = (  # each number for itself, or each channel's numbers
    *(name for name in get_args(Function) if name != "softmax"),
    *("max_pool", "mean_pool", "upsample", "dropout", "flatten", "rescale"),
)
CHANNELS = re.compile(r"\bchannels\b")  # in the width of a layer: those that it reads
WITH_WAYS = ("residual", "add", "concat", "multiply", "subtract", "dense", "gate")


def smaller_network(model: dict[str, Any], structure: str, amount: float) -> dict[str, Any]:
    """What a spec says otherwise of its `model`; TgenError if no layer can be narrower."""
    found = _Narrowing(model, KINDS_OF[structure], amount)
    layers = found.narrowed(model["layers"])
    blocks = {name: found.block(block) for name, block in model.get("blocks", {}).items()}
    blocks = {name: block for name, block in blocks.items() if block != model["blocks"][name]}
    if not found.count:
        message = f"{structure} can't be cut here: no layer has a width that the next alone reads"
        raise TgenError(message, "a width in a chain of layers, such as `conv: 32` before another")
    said = {"layers": layers} if layers != model["layers"] else {}
    return {**said, **({"blocks": blocks} if blocks else {})}


class _Narrowing:
    """Lists of layers made narrower, and how many layers of them are so far."""

    def __init__(self, model: dict[str, Any], kinds: tuple[str, ...], amount: float) -> None:
        self.model, self.kinds, self.amount, self.count = model, kinds, amount, 0

    def narrowed(self, layers: Any) -> Any:
        """A list of layers, whose last makes as much as before."""
        if not isinstance(layers, list):
            return layers
        made = [self._inside(layer) for layer in layers]
        for at, layer in enumerate(made):
            kind, fields = _parts(layer)
            reader = self._reader(kind, fields, made[at + 1 :]) if kind in self.kinds else None
            if reader is not None:
                part = self._part(fields["width"])
                made[at] = {kind: {**fields, "width": _narrower(fields["width"], part)}}
                made[at + 1 + reader] = _reading(made[at + 1 + reader], part)
                self.count += 1
        return made

    def block(self, said: Any) -> Any:
        """A block, of which a mapping may say other things beside its layers."""
        if isinstance(said, dict):
            return {n: self.narrowed(v) if n == "layers" else v for n, v in said.items()}
        return self.narrowed(said)

    def _inside(self, layer: Any) -> Any:
        """A layer that has lists of others, with those narrower."""
        kind, _ = _parts(layer)
        if kind not in WITH_WAYS or not isinstance(layer, dict):
            return layer
        said = layer[kind]
        if isinstance(said, list):
            return {**layer, kind: self._ways(kind, said)}
        if not isinstance(said, dict):
            return layer
        made = {name: self._ways(kind, v) if isinstance(v, list) else v for name, v in said.items()}
        return {**layer, kind: made}

    def _ways(self, kind: str, said: list[Any]) -> list[Any]:
        if KINDS[kind].main == "layers":
            return list(self.narrowed(said))
        return [self.narrowed(way) for way in said]

    def _reader(self, kind: str, fields: dict[str, Any], after: list[Any]) -> int | None:
        """Which layer reads what one makes, if that can be narrower and the layer is known."""
        width = fields.get("width")
        plain = width not in (None, "classes", "outputs") and fields.get("groups", 1) == 1
        if not plain or not self._is_open(kind, fields):
            return None
        for at, layer in enumerate(after):
            reads, own = _parts(layer)
            if reads in ("conv", "linear") and own.get("groups", 1) == 1:
                said = "when" not in own and (reads == "linear" or "width" in own)
                return at if said and self._is_open(reads, own, reads=True) else None
            if not self._is_passed(reads, own):
                return None
        return None

    def _is_passed(self, kind: str, own: dict[str, Any]) -> bool:
        """Whether a layer between the two leaves each channel for itself."""
        if "as" in own:
            return False
        if kind == "conv":
            each = own.get("groups") == "depthwise" and "width" not in own
            return each and self._is_open(kind, own)
        if kind == "norm":
            return _kind(own.get("of") or self.model.get("norm", "batch")) in BY_NUMBER
        return kind in PASSED

    def _is_open(self, kind: str, fields: dict[str, Any], *, reads: bool = False) -> bool:
        """Whether nothing of a weight layer stands in the way between it and the next."""
        general = self.model.get(kind, {}) if isinstance(self.model.get(kind), dict) else {}
        whole = {**general, **fields}
        before = whole.get("order", "post") in ("pre", "activation_first")
        between = before if reads else not before
        between = between or whole.get("groups") == "depthwise"
        alone = _kind(whole.get("norm", "none")) in BY_NUMBER
        alone = alone and _kind(whole.get("activation", "none")) != "softmax"
        named = "as" in whole and not reads
        bound = whole.get("transposed") or whole.get("weight", "plain") == "spectral"
        return not named and not bound and (alone or not between)

    def _part(self, width: Any) -> Fraction:
        """How much of a width is left."""
        if isinstance(width, int):
            return Fraction(fewer(width, self.amount, "channels"), width)
        return Fraction(1 - self.amount).limit_denominator(64)


def _narrower(width: Any, part: Fraction) -> Any:
    if isinstance(width, int):
        return int(width * part)
    whole = width if str(width).isidentifier() else f"({width})"
    return f"floor({whole} * {part.numerator} / {part.denominator})"


def _reading(layer: Any, part: Fraction) -> Any:
    """A layer that reads so much less and makes as much, although it counts what it reads."""
    kind, fields = _parts(layer)
    width = fields.get("width")
    if not isinstance(width, str) or not CHANNELS.search(width):
        return layer
    before = f"(channels * {part.denominator} / {part.numerator})"
    return {kind: {**fields, "width": CHANNELS.sub(before, width)}}


def _parts(layer: Any) -> tuple[str, dict[str, Any]]:
    """A layer's word and its fields."""
    if isinstance(layer, str):
        return layer, {}
    beside = {n: v for n, v in layer.items() if n in ("as", "when", "repeat")} if layer else {}
    rest = [(name, value) for name, value in layer.items() if name not in beside]
    if len(rest) != 1:
        return "", {}
    ((kind, said),) = rest
    if isinstance(said, dict):
        return kind, {**beside, **said}
    main = KINDS[kind].main if kind in KINDS else "width"
    return kind, {**beside, **({main: said} if main and said is not None else {})}


def _kind(said: Any) -> str:
    return str(said.get("kind", "batch")) if isinstance(said, dict) else str(said)
