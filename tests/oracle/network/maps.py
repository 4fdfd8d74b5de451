"""What moves windows over maps (batch, channels, height, width), window by window."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tests.oracle.network.functions import Array

Two = tuple[int, int]


def padded(x: Array, padding: tuple[Two, Two], value: float = 0.0) -> Array:
    """The map with more rows and columns around."""
    return np.pad(x, ((0, 0), (0, 0), *padding), constant_values=value)


def convolved(x: Array, weight: Array, stride: Two, dilation: int, groups: int) -> Array:
    """Every output a sum over its window, for a map that is padded already."""
    outputs, inner, height, width = weight.shape
    rows = (x.shape[2] - dilation * (height - 1) - 1) // stride[0] + 1
    columns = (x.shape[3] - dilation * (width - 1) - 1) // stride[1] + 1
    found = np.zeros((len(x), outputs, rows, columns))
    for output in range(outputs):
        first = output // (outputs // groups) * inner
        for i in range(rows):
            for j in range(columns):
                top, left = i * stride[0], j * stride[1]
                window = x[
                    :,
                    first : first + inner,
                    top : top + dilation * (height - 1) + 1 : dilation,
                    left : left + dilation * (width - 1) + 1 : dilation,
                ]
                found[:, output, i, j] = (window * weight[output]).sum((1, 2, 3))
    return found


def transposed(
    x: Array, weight: Array, stride: Two, padding: Two, groups: int, more: Two = (0, 0)
) -> Array:
    """Every input adds its weights to a window of the output, which has `more` at its ends."""
    inputs, inner, height, width = weight.shape
    rows = (x.shape[2] - 1) * stride[0] + height + more[0]
    columns = (x.shape[3] - 1) * stride[1] + width + more[1]
    found = np.zeros((len(x), inner * groups, rows, columns))
    for source in range(inputs):
        first = source // (inputs // groups) * inner
        for i in range(x.shape[2]):
            for j in range(x.shape[3]):
                top, left = i * stride[0], j * stride[1]
                found[:, first : first + inner, top : top + height, left : left + width] += (
                    x[:, source, i, j][:, None, None, None] * weight[source]
                )
    return found[:, :, padding[0] : rows - padding[0], padding[1] : columns - padding[1]]


def pooled(
    x: Array, kernel: Two, stride: Two, padding: Two, ceil: bool, reduce: Callable[[Array], Array],
    fill: float,
) -> Array:  # fmt: skip
    """A number for each window; what lies outside of the map and its padding doesn't count."""
    sizes = []
    for size, k, s, p in zip(x.shape[2:], kernel, stride, padding, strict=True):
        room = size + 2 * p - k
        count = (-(-room // s) if ceil else room // s) + 1
        if ceil and (count - 1) * s >= size + p:
            count -= 1
        sizes.append(count)
    around = padded(x, ((padding[0],) * 2, (padding[1],) * 2), fill)
    found = np.zeros((*x.shape[:2], *sizes))
    for i in range(sizes[0]):
        for j in range(sizes[1]):
            top, left = i * stride[0], j * stride[1]
            window = around[:, :, top : top + kernel[0], left : left + kernel[1]]
            found[:, :, i, j] = reduce(window)
    return found


def adaptive(x: Array, size: int, reduce: Callable[[Array], Array]) -> Array:
    """So many parts of about the same height and width, a number for each."""
    found = np.zeros((*x.shape[:2], size, size))
    ends = [[(i * n // size, -(-(i + 1) * n // size)) for i in range(size)] for n in x.shape[2:]]
    for i, (top, bottom) in enumerate(ends[0]):
        for j, (left, right) in enumerate(ends[1]):
            found[:, :, i, j] = reduce(x[:, :, top:bottom, left:right])
    return found


def upsampled(x: Array, factor: int, mode: str) -> Array:
    """So many times as high and as wide: each axis by a matrix."""
    rows, columns = (_matrix(size, factor, mode) for size in x.shape[2:])
    return np.einsum("ih,bchw,jw->bcij", rows, x, columns)


def _matrix(size: int, factor: int, mode: str) -> Array:
    found = np.zeros((size * factor, size))
    for target in range(size * factor):
        source = (target + 0.5) / factor - 0.5
        if mode == "nearest":
            found[target, target // factor] = 1
            continue
        if mode == "bilinear":
            source = max(source, 0.0)
        first = int(np.floor(source))
        part = source - first
        if mode == "bilinear":
            weights = {0: 1 - part, 1: part}
        else:
            weights = {n: _cubic(abs(part - n)) for n in (-1, 0, 1, 2)}
        for offset, weight in weights.items():
            found[target, min(max(first + offset, 0), size - 1)] += weight
    return found


def _cubic(distance: float) -> float:
    a = -0.75
    if distance <= 1:
        return (a + 2) * distance**3 - (a + 3) * distance**2 + 1
    if distance < 2:
        return a * distance**3 - 5 * a * distance**2 + 8 * a * distance - 4 * a
    return 0.0
