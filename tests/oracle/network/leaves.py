"""Single layers, run on a batch; weights come in the order of their layers."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from tests.oracle.network import maps
from tests.oracle.network.functions import FUNCTIONS, Array, leaky, softmax

Names = Mapping[str, Any]


def round_to(value: float, divisor: int = 8) -> int:
    """The nearest multiple, never less than nine tenths."""
    nearest = max(divisor, int(value + divisor / 2) // divisor * divisor)
    return nearest + divisor if nearest < 0.9 * value else nearest


FUNCTIONS_OF_NUMBERS = {
    "floor": math.floor, "ceil": math.ceil, "max": max, "min": min, "round_to": round_to
}  # fmt: skip

MODES: dict[str, Any] = {  # what lies around a map, as numpy calls it
    "zeros": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"
}  # fmt: skip


class Leaves:
    """A spec's model with an array for each weight, and for each running mean and variance.

    `vectors` are those that power iteration has come to, one for each weight that is `spectral`.
    """

    def __init__(
        self, model: Names, weights: Iterable[Array], running: Iterable[Array],
        vectors: Iterable[Array] = (),
    ) -> None:  # fmt: skip
        self.model = model
        self.weights: Iterator[Array] = iter(weights)
        self.running: Iterator[Array] = iter(running)
        self.vectors: Iterator[Array] = iter(vectors)
        self.ratios: dict[int, int] = {}  # of what is kept
        self.ratio = 1  # how many times smaller strides have made the map

    def take(self, *shape: int) -> Array:
        """The next weight, which has the shape."""
        found = next(self.weights)
        assert found.shape == shape, (found.shape, shape)
        return found

    def divided(self, weight: Array) -> Array:
        """A weight over its largest singular value, as a step of power iteration finds it."""
        matrix = weight.reshape(len(weight), -1)
        left = matrix @ next(self.vectors)
        return weight / math.sqrt(((left @ matrix) ** 2).sum() / (left**2).sum())

    def number(self, said: Any, names: Names) -> Any:
        """A number, or what an expression comes to."""
        if isinstance(said, list):
            return [self.number(one, names) for one in said]
        if not isinstance(said, str):
            return said
        value = eval(said, {"__builtins__": {}}, {**FUNCTIONS_OF_NUMBERS, **names})
        whole = not isinstance(value, bool | str) and value == int(value)
        return int(value) if whole else value

    def two(self, said: Any, names: Names) -> tuple[int, int]:
        """Of height and of width."""
        found = self.number(said, names)
        return (found[0], found[1]) if isinstance(found, list) else (found, found)

    def function(self, said: Any, x: Array, fields: Names | None = None) -> Array:
        """An activation, by its word or by its fields."""
        if isinstance(said, dict):
            return self.function(said["kind"], x, said)
        if said == "none":
            return x
        if said == "leaky_relu":
            return leaky(x, (fields or {}).get("slope", 0.01))
        if said == "softmax":
            return softmax(x, 1 if x.ndim != 3 else 2)
        if said == "prelu":
            return leaky(x, float(self.take(1)[0]))
        return FUNCTIONS[said](x)

    def _conv(self, said: Names, x: Array, names: Names) -> Array:
        said = {**self.model.get("conv", {}), **said}
        norm = self.word(said.get("norm", "none"), names)
        function = self.word(said.get("activation", "none"), names)
        order = said.get("order", "post")
        if order == "pre":
            x = self.function(function, self.normed(norm, x))
        elif order == "activation_first":
            x = self.function(function, x)
        x = self._convolution({**said, "bias": said.get("bias", norm == "none")}, x, names)
        if order != "pre":
            x = self.normed(norm, x)
        return self.function(function, x) if order == "post" else x

    def word(self, said: Any, names: Names) -> Any:
        """A word, or the word that a name stands for."""
        return names.get(said, said) if isinstance(said, str) else said

    def _convolution(self, said: Names, x: Array, names: Names) -> Array:
        width = self.number(said.get("width", x.shape[1]), names)
        kernel = self.two(said.get("kernel", 3), names)
        stride = self.two(said.get("stride", 1), names)
        dilation = self.number(said.get("dilation", 1), names)
        groups = said.get("groups", 1)
        groups = x.shape[1] if groups == "depthwise" else self.number(groups, names)
        padding = said.get("padding", "same")
        if said.get("transposed"):
            weight = self.take(x.shape[1], width // groups, *kernel)
            if said.get("weight") == "spectral":
                weight = self.divided(weight.swapaxes(0, 1)).swapaxes(0, 1)
            around = self.around(padding, x, kernel, stride, dilation, names)
            sides = (around[0][0], around[1][0])
            more = self.two(said.get("output_padding", 0), names)
            y = maps.transposed(x, weight, stride, sides, groups, more)
        else:
            self.ratio *= stride[0]
            weight = self.take(width, x.shape[1] // groups, *kernel)
            if said.get("weight") == "spectral":
                weight = self.divided(weight)
            if said.get("weight") == "standardised":
                mean = weight.mean((1, 2, 3), keepdims=True)
                weight = (weight - mean) / np.sqrt(
                    ((weight - mean) ** 2).mean((1, 2, 3), keepdims=True) + 1e-6
                )
            around = self.around(padding, x, kernel, stride, dilation, names)
            mode = MODES[said.get("padding_mode", "zeros")]
            wide = np.pad(x, ((0, 0), (0, 0), *around), mode=mode)
            y = maps.convolved(wide, weight, stride, dilation, groups)
        return y + self.take(width)[:, None, None] if said["bias"] else y

    def around(
        self, padding: Any, x: Array, kernel: Any, stride: Any, dilation: int, names: Names
    ) -> Any:
        """Pixels above and below, left and right."""
        if padding == "same":
            return tuple(((k - 1) * dilation // 2,) * 2 for k in kernel)
        if padding == "tf_same":
            found = []
            for size, k, s in zip(x.shape[2:], kernel, stride, strict=True):
                missing = max(0, (math.ceil(size / s) - 1) * s + dilation * (k - 1) + 1 - size)
                found.append((missing // 2, missing - missing // 2))
            return tuple(found)
        return tuple((one, one) for one in self.two(padding, names))

    def _linear(self, said: Names, x: Array, names: Names) -> Array:
        said = {**self.model.get("linear", {}), **said}
        outputs = self.model.get("classes", 10) if self.model.get("image") else 1
        width = self.number(said.get("width", outputs), names)
        weight = self.take(width, channels(x), *((1, 1) if x.ndim == 4 else ()))
        weight = weight.reshape(width, -1)
        if said.get("weight") == "spectral":
            weight = self.divided(weight)
        x = np.einsum("bchw,oc->bohw" if x.ndim == 4 else "...c,oc->...o", x, weight)
        if said.get("bias", True):
            bias = self.take(width)
            x = x + (bias[:, None, None] if x.ndim == 4 else bias)
        x = self.normed(self.word(said.get("norm", "none"), names), x)
        return self.function(self.word(said.get("activation", "none"), names), x)

    def _norm(self, said: Names, x: Array, names: Names) -> Array:
        default = self.model.get("norm", "batch")
        default = {"kind": default} if isinstance(default, str) else {"kind": "batch", **default}
        own = {k: v for k, v in said.items() if k in ("kind", "eps", "groups", "affine")}
        return self.normed({"kind": default["kind"], **own}, x)

    def normed(self, said: Any, x: Array) -> Array:
        """A norm, by its word or by its fields, over what the model says of its kind."""
        if said == "none":
            return x
        said = {"kind": said} if isinstance(said, str) else said
        default = self.model.get("norm", {})
        default = {"kind": default} if isinstance(default, str) else {"kind": "batch", **default}
        if default["kind"] == said.get("kind", default["kind"]):
            said = {**default, **said}
        kind, eps = said["kind"], said.get("eps", 1e-6 if said["kind"] == "response" else 1e-5)
        axis = 1 if x.ndim == 4 else -1
        count = channels(x)
        if kind == "batch":
            weight, bias = self.take(count), self.take(count)
            mean, variance = next(self.running), next(self.running)
            shown = [column(one, x) for one in (weight, bias, mean, variance)]
            return (x - shown[2]) / np.sqrt(shown[3] + eps) * shown[0] + shown[1]
        if kind == "response":
            weight, bias = self.take(count), self.take(count)
            size = np.sqrt((x**2).sum((2, 3), keepdims=True))
            size = size / (size.mean(1, keepdims=True) + eps)
            return x + column(weight, x) * (x * size) + column(bias, x)
        if kind == "rms":
            weight = self.take(count)
            return x / np.sqrt((x**2).mean(axis, keepdims=True) + eps) * column(weight, x)
        if kind == "instance" and not said.get("affine"):
            return standard(x, (2, 3), eps)
        weight, bias = self.take(count), self.take(count)
        if kind == "instance":
            return standard(x, (2, 3), eps) * column(weight, x) + column(bias, x)
        if kind == "layer":
            return standard(x, (axis,), eps) * column(weight, x) + column(bias, x)
        groups = said.get("groups", 32)
        parts = x.reshape(len(x), groups, -1)
        y = standard(parts, (2,), eps).reshape(x.shape)
        return y * column(weight, x) + column(bias, x)

    def _pool(self, said: Names, x: Array, names: Names, mean: bool) -> Array:
        reduce: Any = (lambda w: w.mean((2, 3))) if mean else (lambda w: w.max((2, 3)))
        if "size" in said:
            return maps.adaptive(x, self.number(said["size"], names), reduce)
        if "kernel" not in said:
            return (x.mean if mean else x.max)((2, 3) if x.ndim == 4 else 1)
        kernel = self.two(said["kernel"], names)
        stride = self.two(said.get("stride", said["kernel"]), names)
        self.ratio *= stride[0]
        padding = said.get("padding", 0)
        sides = (
            tuple((k - 1) // 2 for k in kernel) if padding == "same" else self.two(padding, names)
        )
        if not mean:
            return maps.pooled(x, kernel, stride, sides, said.get("ceil", False), reduce, -np.inf)
        if not said.get("count_padding", True):
            reduce = lambda w: np.nanmean(w, (2, 3))  # noqa: E731
            return maps.pooled(x, kernel, stride, sides, said.get("ceil", False), reduce, np.nan)
        return maps.pooled(x, kernel, stride, sides, said.get("ceil", False), reduce, 0.0)

    def _max_pool(self, said: Names, x: Array, names: Names) -> Array:
        return self._pool(said, x, names, mean=False)

    def _mean_pool(self, said: Names, x: Array, names: Names) -> Array:
        return self._pool(said, x, names, mean=True)

    def _upsample(self, said: Names, x: Array, names: Names) -> Array:
        factor = self.number(said.get("factor", 2), names)
        return maps.upsampled(x, factor, said.get("mode", "nearest"))

    def _pixel_shuffle(self, said: Names, x: Array, names: Names) -> Array:
        n = self.number(said.get("factor", 2), names)
        batch, count, height, width = x.shape
        x = x.reshape(batch, count // n // n, n, n, height, width)
        return x.transpose(0, 1, 4, 2, 5, 3).reshape(batch, -1, height * n, width * n)

    def _pixel_unshuffle(self, said: Names, x: Array, names: Names) -> Array:
        n = self.number(said.get("factor", 2), names)
        batch, count, height, width = x.shape
        x = x.reshape(batch, count, height // n, n, width // n, n)
        return x.transpose(0, 1, 3, 5, 2, 4).reshape(batch, -1, height // n, width // n)

    def _channel_shuffle(self, said: Names, x: Array, names: Names) -> Array:
        groups = self.number(said.get("groups", 2), names)
        parts = x.reshape(len(x), groups, -1, *x.shape[2:])
        return parts.transpose(0, 2, 1, 3, 4).reshape(x.shape)

    def _dropout(self, said: Names, x: Array, names: Names) -> Array:
        return x

    _drop_path = _dropout

    def _rescale(self, said: Names, x: Array, names: Names) -> Array:
        return x * said["factor"]

    def _scale(self, said: Names, x: Array, names: Names) -> Array:
        return x * column(self.take(channels(x)), x)

    def _flatten(self, said: Names, x: Array, names: Names) -> Array:
        return x.reshape(len(x), -1)

    def _reshape(self, said: Names, x: Array, names: Names) -> Array:
        return x.reshape(len(x), *self.number(said["sizes"], names))

    def _tokens(self, said: Names, x: Array, names: Names) -> Array:
        return x.reshape(*x.shape[:2], -1).transpose(0, 2, 1)

    def _transpose(self, said: Names, x: Array, names: Names) -> Array:
        return x.transpose(0, 2, 1)

    def _attention(self, said: Names, x: Array, names: Names) -> Array:
        heads, count = self.number(said.get("heads", 8), names), x.shape[2]
        mixed = np.einsum("bnc,oc->bno", x, self.take(3 * count, count))
        mixed = mixed + self.take(3 * count) if said.get("bias", True) else mixed
        found = []
        for head in range(heads):
            part = slice(head * (count // heads), (head + 1) * (count // heads))
            q, k, v = (mixed[:, :, n * count : (n + 1) * count][:, :, part] for n in range(3))
            scores = np.einsum("bqc,bkc->bqk", q, k) / math.sqrt(count // heads)
            found.append(softmax(scores, 2) @ v)
        weight, bias = self.take(count, count), self.take(count)
        return np.einsum("bnc,oc->bno", np.concatenate(found, 2), weight) + bias


def channels(x: Array) -> int:
    """Of a map the second axis, of anything else the last."""
    return x.shape[1] if x.ndim == 4 else x.shape[-1]


def column(one: Array, x: Array) -> Array:
    """A number for each channel, as the axes of x are."""
    return one[:, None, None] if x.ndim == 4 else one


def standard(x: Array, axes: tuple[int, ...], eps: float) -> Array:
    """Mean 0 and variance 1 over axes."""
    mean = x.mean(axes, keepdims=True)
    return (x - mean) / np.sqrt(((x - mean) ** 2).mean(axes, keepdims=True) + eps)
