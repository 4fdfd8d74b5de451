"""Rows of layers, blocks in use, and ways that part and meet, run on a batch."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.oracle.network import maps
from tests.oracle.network.functions import FUNCTIONS, Array
from tests.oracle.network.leaves import Leaves, Names, channels

MAIN = {
    "conv": "width", "linear": "width", "norm": "kind", "max_pool": "kernel", "mean_pool": "kernel",
    "upsample": "factor", "pixel_shuffle": "factor", "pixel_unshuffle": "factor",
    "channel_shuffle": "groups", "dropout": "rate", "drop_path": "rate", "scale": "start",
    "attention": "heads", "residual": "layers", "dense": "layers", "gate": "layers",
    "split": "into", "patches": "layers", "from": "name", "rescale": "factor",
    "reshape": "sizes",
}  # fmt: skip
JOINS = ("add", "concat", "multiply", "subtract")


class Reading(Leaves):
    """A spec's model, run layer by layer."""

    def outputs(self, inputs: Array) -> Array:
        """What the model makes of a batch, not in training; every array is used."""
        names = {"classes": self.model.get("classes", 10), **self.model.get("numbers", {})}
        names |= {"upscale": self.model.get("upscale", 2)}
        names |= {"outputs": self.model.get("outputs", inputs.shape[1])}
        inputs = inputs.astype(np.float64)
        found = self.run(self.model["layers"], inputs, names, {"images": inputs})
        assert not [*self.weights, *self.running, *self.vectors]
        return found

    def run(self, layers: list[Any], x: Array, around: Names, kept: dict[str, Array]) -> Array:
        """Layers one after the other."""
        for layer in layers:
            kind, said = (layer, {}) if isinstance(layer, str) else next(iter(layer.items()))
            if not isinstance(said, dict):
                said = {"ways" if kind in JOINS else MAIN.get(kind, "width"): said}
            said = {**(layer if isinstance(layer, dict) else {}), **said}
            names = {**around, "channels": channels(x)}
            if x.ndim > 2:
                names["positions"] = x.shape[1] if x.ndim == 3 else x.shape[2] * x.shape[3]
            if not self.number(said.get("when", True), names):
                continue
            x = self.layer(kind, said, x, names, kept)
            if "as" in said:
                kept[said["as"]] = x
                self.ratios[id(x)] = self.ratio
        return x

    def layer(self, kind: str, said: Names, x: Array, names: Names, kept: dict[str, Array]) -> Any:
        """One layer."""
        if kind in self.model.get("blocks", {}):
            return self.block(kind, said, x, names)
        if kind == "from":
            x = kept[said["name"]]
            self.ratio = self.ratios[id(x)]
            return x
        if kind in JOINS:
            return joined(kind, self.all_ways(said["ways"], [x] * 64, names, kept))
        if kind in ("dense", "gate"):
            ratio = self.ratio
            y = self.run(said["layers"], x, names, {**kept})
            if kind == "gate" and y.ndim == 2 and x.ndim == 4:
                y = y[:, :, None, None]
            self.ratio = ratio
            return joined("concat" if kind == "dense" else "multiply", [x, y])
        method = getattr(self, f"_{kind}", None)
        if method is not None:
            return method({"of": kind, **said}, x, {**names, "kept": kept})
        return self.function(kind, x, said)

    def all_ways(
        self, said: list[Any], starts: list[Array], names: Names, kept: dict[str, Array]
    ) -> list[Array]:
        """Several ways; the map is as much smaller as the first of them makes it."""
        before, ratios, found = self.ratio, [], []
        for one, start in zip(said, starts, strict=False):
            self.ratio = before
            found.append(self.way(one, start, names, kept))
            ratios.append(self.ratio)
        self.ratio = ratios[0]
        return found

    def way(self, said: Any, x: Array, names: Names, kept: dict[str, Array]) -> Array:
        """One of several ways from a place."""
        if isinstance(said, str):
            return x if said == "here" else kept[said]
        return self.run(said, x, names, {**kept})

    def block(self, name: str, said: Names, x: Array, names: Names) -> Array:
        """Uses of a block; only the first has the stride."""
        block = self.model["blocks"][name]
        layers = block if isinstance(block, list) else block["layers"]
        own = {} if isinstance(block, list) else {k: v for k, v in block.items() if k != "layers"}
        mine = {k: v for k, v in said.items() if k not in ("repeat", "as", "when", name)}
        given = {**own, **{k: self.given(v, names) for k, v in mine.items()}}
        for index in range(self.number(said.get("repeat", 1), names)):
            inner = {"classes": names["classes"], **self.model.get("numbers", {}), **given}
            inner.setdefault("width", channels(x))
            if index or "stride" not in given:
                inner["stride"] = 1
            x = self.run(layers, x, inner, {})
        return x

    def given(self, said: Any, names: Names) -> Any:
        """What a block is given: a number, or a word."""
        if isinstance(said, str) and (said in FUNCTIONS or said in ("none", "leaky_relu", "batch")):
            return said
        return self.number(said, names)

    def _residual(self, said: Names, x: Array, names: Names) -> Array:
        before = self.ratio
        y = self.run(said["layers"], x, names, {**names["kept"]})
        shortcut, stride = said.get("shortcut", "project"), self.ratio // before
        if x.shape != y.shape or stride > 1 or shortcut == "always":
            added = self.shortcut(said, shortcut, x, y, stride, names)
            self.ratio = before * stride
        else:
            added = x
        y = y if added is None else added + y
        return self.function(self.word(said.get("activation", "none"), names), y)

    def shortcut(
        self, said: Names, how: Any, x: Array, y: Array, stride: int, names: Names
    ) -> Array | None:
        """What is added where the shape changes."""
        if isinstance(how, list):
            return self.run(how, x, names, {})
        fewer, resized = y.shape[1] < x.shape[1], stride > 1
        if how == "same" or (how in ("pad", "pad_same") and fewer):
            return None
        if how == "pad_same" and resized:
            return None
        if how in ("pad", "pad_same"):
            x = x[:, :, ::stride, ::stride]
            return np.pad(x, ((0, 0), (0, y.shape[1] - x.shape[1]), (0, 0), (0, 0)))
        if how == "pool" and stride > 1:
            mean: Any = lambda w: np.nanmean(w, (2, 3))  # noqa: E731
            rest = [-size % stride for size in x.shape[2:]]
            x = maps.padded(x, ((0, rest[0]), (0, rest[1])), np.nan)
            x = maps.pooled(x, (stride,) * 2, (stride,) * 2, (0, 0), False, mean, 0.0)
            stride = 1
        default = self.model.get("conv", {})
        norm = default.get("norm", "none") if said.get("project_norm", True) else "none"
        bias = default.get("bias", norm == "none")
        weight = self.take(y.shape[1], x.shape[1], 1, 1)
        weight = self.divided(weight) if default.get("weight") == "spectral" else weight
        found = maps.convolved(x, weight, (stride, stride), 1, 1)
        found = found + self.take(y.shape[1])[:, None, None] if bias else found
        return self.normed(norm, found)

    def _split(self, said: Names, x: Array, names: Names) -> Array:
        axis = 1 if x.ndim != 3 else 2
        found: list[Array] = []
        parts = np.split(x, len(said["into"]), axis)
        if not said.get("chain"):
            found = self.all_ways(said["into"], parts, names, names["kept"])
            return joined(said.get("join", "concat"), found)
        for part, way in zip(parts, said["into"], strict=True):
            if found and way != "here":
                part = part + found[-1]
            found.append(self.way(way, part, names, names["kept"]))
        return joined(said.get("join", "concat"), found)

    def _unet(self, said: Names, x: Array, names: Names) -> Array:
        inner = {n: v for n, v in names.items() if n in ("classes", *self.model.get("numbers", {}))}
        return self.level(said, 0, x, {**inner, "stride": 1, "levels": len(said["widths"])})

    def level(self, said: Names, at: int, x: Array, names: Names) -> Array:
        """A level of a unet, with all that is below it."""
        mine = {**names, "width": said["widths"][at], "level": at}
        block = said.get("block", [])
        x = self.run(block, x, mine, {})
        if at + 1 == len(said["widths"]):
            return x
        lower = {**names, "width": said["widths"][at + 1], "level": at + 1}
        y = self.run(said["down"], x, lower, {})
        y = self.run(said["up"], self.level(said, at + 1, y, names), mine, {})
        return self.run(block, joined(said.get("join", "concat"), [x, y]), mine, {})

    def _patches(self, said: Names, x: Array, names: Names) -> Array:
        n = self.number(said.get("size", 2), names)
        rows = []
        parts = [x[:, :, i::n, j::n] for i in range(n) for j in range(n)]
        tokens = np.concatenate([self._tokens({}, part, names) for part in parts])
        y = self.run(said["layers"], tokens, names, {})
        for part in np.split(y, n * n):
            height, width = x.shape[2] // n, x.shape[3] // n
            rows.append(part.transpose(0, 2, 1).reshape(len(x), -1, height, width))
        found = np.zeros((len(x), rows[0].shape[1], *x.shape[2:]))
        for at, part in enumerate(rows):
            found[:, :, at // n :: n, at % n :: n] = part
        return found


def joined(how: str, ways: list[Array]) -> Array:
    """Ways that meet."""
    if how == "concat":
        return np.concatenate(ways, 2 if ways[0].ndim == 3 else 1)
    found = ways[0]
    for way in ways[1:]:
        if how == "multiply" and found.ndim == 4 and way.ndim == 2:
            way = way[:, :, None, None]
        found = found + way if how == "add" else found - way if how == "subtract" else found * way
    return found
