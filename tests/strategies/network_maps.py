"""Random layers of maps, valid by construction: each with the shape of what comes out of it."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from tests.strategies.choices import Fields, coin

Shape = tuple[int, int, int]
Drawn = tuple[Any, Shape]
FUNCTIONS = [
    "relu", "leaky_relu", "elu", "silu", "gelu", "gelu_tanh", "mish", "softplus", "tanh", "sigmoid",
    "relu6", "selu", "prelu", "hardswish", "hardsigmoid", "softmax", "none",
    {"kind": "leaky_relu", "slope": 0.2},
]  # fmt: skip
SIDE = 9  # what upsampling makes no larger


def divisors(number: int) -> list[int]:
    return [n for n in range(1, number + 1) if number % n == 0]


@st.composite
def norms(draw: st.DrawFn, shape: Shape) -> Any:
    kinds = ["batch", "layer", "group", "rms", "response", "none"]
    kinds += ["instance"] if shape[1] * shape[2] > 1 else []
    kind = draw(st.sampled_from(kinds))
    if kind == "group":
        return {"kind": "group", "groups": draw(st.sampled_from(divisors(shape[0])))}
    said: Fields = {"kind": kind, "eps": draw(st.sampled_from([1e-5, 1e-3]))}
    if kind == "instance":
        said["affine"] = draw(coin())
    return said if kind != "none" and draw(coin()) else kind


def window(size: int, kernel: int, stride: int, padding: int, dilation: int = 1) -> int:
    return (size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1


@st.composite
def convs(draw: st.DrawFn, shape: Shape, width: int | None = None, flat: bool = False) -> Drawn:
    """Any convolution; `flat`: of one that keeps the size."""
    channels, height, wide = shape
    said: Fields = {}
    groups: Any = 1
    out = width or draw(st.integers(1, 6))
    if width is None and draw(coin()):
        groups = draw(st.sampled_from([*divisors(channels), "depthwise"]))
        out = channels * (1 if draw(coin()) else 2)
    kernel = draw(st.sampled_from([1, 3, [1, 3], [3, 1], 5] if min(height, wide) > 1 else [1, 3]))
    stride = 1 if flat else draw(st.sampled_from([1, 1, 2, [1, 2]]))
    dilation = draw(st.sampled_from([1, 1, 2]))
    sides = [kernel, kernel] if isinstance(kernel, int) else kernel
    steps = [stride, stride] if isinstance(stride, int) else stride
    padding = draw(st.sampled_from(["same", "same", "tf_same", 1, 0]))
    if flat and padding in (0, 1):
        padding = "same"
    reach = [dilation * (k - 1) for k in sides]
    if padding in (0, 1) and min(height - reach[0], wide - reach[1]) + 2 * padding < 1:
        padding = "same"
    around = [r // 2 if padding == "same" else padding for r in reach]
    if padding == "tf_same":
        size = [-(-n // s) for n, s in zip((height, wide), steps, strict=True)]
    else:
        size = [
            window(n, k, s, p, dilation)
            for n, k, s, p in zip((height, wide), sides, steps, around, strict=True)
        ]
    said = {"kernel": kernel, "stride": stride, "dilation": dilation, "padding": padding}
    said |= {"groups": groups, "width": out}
    if draw(coin()):
        said["bias"] = draw(coin())
    if padding not in ("tf_same", 0) and any(around) and draw(st.integers(0, 3)) == 0:
        fits = all(a < n for a, n in zip(around, (height, wide), strict=True))
        modes = ["replicate", *(["reflect", "circular"] if fits else [])]
        said["padding_mode"] = draw(st.sampled_from(modes))
    elif padding != "tf_same" and draw(st.integers(0, 5)) == 0:
        said["weight"] = draw(st.sampled_from(["standardised", "spectral"]))
    made = (out, size[0], size[1])
    said["order"] = draw(st.sampled_from(["post", "post", "pre", "activation_first"]))
    said["norm"] = draw(norms(shape if said["order"] == "pre" else made))
    said["activation"] = draw(st.sampled_from(FUNCTIONS))
    return {"conv": said}, made


@st.composite
def pools(draw: st.DrawFn, shape: Shape) -> Drawn:
    kind = draw(st.sampled_from(["max_pool", "mean_pool"]))
    channels, height, wide = shape
    if draw(st.integers(0, 3)) == 0:
        size = draw(st.integers(1, 3))
        return {kind: {"size": size}}, (channels, size, size)
    kernel = draw(st.integers(1, min(3, height, wide)))
    stride, ceil = draw(st.integers(1, 3)), draw(coin())
    padding = draw(st.integers(0, kernel // 2))
    size = []
    for n in (height, wide):
        room = n + 2 * padding - kernel
        count = (-(-room // stride) if ceil else room // stride) + 1
        size.append(count - (ceil and (count - 1) * stride >= n + padding))
    said: Fields = {"kernel": kernel, "stride": stride, "padding": padding, "ceil": bool(ceil)}
    if kind == "mean_pool":
        said["count_padding"] = not ceil and draw(coin())  # PyTorch's own count where both are
    return {kind: said}, (channels, size[0], size[1])


@st.composite
def movers(draw: st.DrawFn, shape: Shape) -> Drawn:
    """What moves numbers, or drops none outside of training."""
    channels, height, wide = shape
    found: list[Drawn] = [({"dropout": 0.3}, shape), ({"drop_path": 0.2}, shape)]
    found += [
        ({"scale": 0.5}, shape),
        ({"rescale": -0.5}, shape),
        ({"norm": "layer"}, shape),
        ("norm", shape),
    ]
    if max(height, wide) * 2 <= SIDE:
        mode = draw(st.sampled_from(["nearest", "bilinear", "bicubic"]))
        bigger = (channels, height * 2, wide * 2)
        found.append(({"upsample": {"factor": 2, "mode": mode}}, bigger))
        windows: list[Fields] = [{"kernel": 2, "padding": 0}, {"kernel": 4, "padding": 1}]
        windows.append({"kernel": 3, "output_padding": 1})
        how = draw(st.sampled_from(windows))
        turned = {"width": 3, "stride": 2, "transposed": True, **how}
        turned["weight"] = draw(st.sampled_from(["plain", "plain", "spectral"]))
        found.append(({"conv": {**turned, "norm": "batch"}}, (3, height * 2, wide * 2)))
        if channels % 4 == 0:
            found.append(({"pixel_shuffle": 2}, (channels // 4, height * 2, wide * 2)))
    if height % 2 == 0 and wide % 2 == 0:
        found.append(({"pixel_unshuffle": 2}, (channels * 4, height // 2, wide // 2)))
    groups = draw(st.sampled_from(divisors(channels)))
    found.append(({"channel_shuffle": groups}, shape))
    turned_over = (height * channels // groups, groups, wide)
    found.append(({"reshape": [f"channels * {height} / {groups}", *turned_over[1:]]}, turned_over))
    found.append(({"reshape": [wide, height, channels]}, (wide, height, channels)))
    width = draw(st.integers(1, 5))
    said = {"width": width, "activation": draw(st.sampled_from(FUNCTIONS)), "norm": "layer"}
    said["weight"] = draw(st.sampled_from(["plain", "plain", "spectral"]))
    found.append(({"linear": said}, (width, height, wide)))
    return draw(st.sampled_from(found))


@st.composite
def keeping(draw: st.DrawFn, shape: Shape, depth: int) -> list[Any]:
    """Layers that keep the shape."""
    layers = [draw(convs(shape, width=shape[0], flat=True))[0]]
    if depth and draw(coin()):
        layers.insert(0, draw(joins(shape, depth - 1, keeps=True))[0])
    return layers


@st.composite
def tokens(draw: st.DrawFn, channels: int, straight: bool = False) -> list[Any]:
    """Layers of tokens that keep their width; `straight`: without ways that part."""
    inner: list[Any] = [{"norm": draw(st.sampled_from(["layer", "rms"]))}]
    inner.append({"attention": {"heads": draw(st.sampled_from(divisors(channels)))}})
    mixed = [{"linear": {"width": "2 * channels", "activation": "gelu"}}, {"linear": channels}]
    found: list[list[Any]] = [[{"residual": inner}], mixed, [{"residual": mixed}]]
    return draw(st.sampled_from([inner, mixed] if straight else found))


@st.composite
def joins(draw: st.DrawFn, shape: Shape, depth: int, keeps: bool = False) -> Drawn:
    """Ways that part and meet."""
    channels, height, wide = shape
    same = ["residual", "gate", "vector_gate", "add", "multiply", "subtract"]
    same += ["split", "chain"] if channels % 2 == 0 else []
    same += ["patches"] if height % 2 == 0 and wide % 2 == 0 else []
    kind = draw(st.sampled_from(same if keeps else [*same, "dense", "concat", "projected"]))
    if kind == "residual":
        said: Fields = {"layers": draw(keeping(shape, depth))}
        said["activation"] = draw(st.sampled_from(["none", "relu", "tanh"]))
        said["shortcut"] = draw(st.sampled_from(["project", "same", "pad", "always"]))
        return {"residual": said}, shape
    if kind == "projected":
        layer, made = draw(convs(shape))
        square = height == wide and made[1] == made[2]
        how: list[Any] = ["same"]
        stride = layer["conv"]["stride"]
        even = layer["conv"]["padding"] in ("same", "tf_same") and isinstance(stride, int)
        how += ["project", "pool", "pad", "pad_same"] if square and even else []
        shortcut = draw(st.sampled_from(how))
        if shortcut == "same" and made == shape:
            return {"residual": [layer]}, made
        return {"residual": {"layers": [layer], "shortcut": shortcut}}, made
    if kind == "gate":
        inner = [{"mean_pool": {"size": 1}}, {"conv": {"kernel": 1, "activation": "sigmoid"}}]
        return {"gate": inner}, shape
    if kind == "vector_gate":
        return {"gate": ["mean_pool", {"linear": {"width": channels}}, "sigmoid"]}, shape
    if kind in ("add", "multiply", "subtract"):
        ways = [draw(keeping(shape, depth)), draw(st.sampled_from(["here", ["relu"]]))]
        return {kind: ways[::-1] if draw(coin()) else ways}, shape
    if kind in ("split", "chain"):
        part = (channels // 2, height, wide)
        ways = [draw(st.sampled_from(["here", ["tanh"]])), draw(keeping(part, depth))]
        return {"split": {"into": ways, "chain": kind == "chain"}}, shape
    if kind == "patches":
        return {"patches": {"size": 2, "layers": draw(tokens(channels, straight=True))}}, shape
    if kind == "dense":
        layer, made = draw(convs(shape, flat=True))
        return {"dense": [layer]}, (channels + made[0], height, wide)
    one, a = draw(convs(shape, flat=True))
    other, b = draw(convs(shape, flat=True))
    ways = [[one], "here", [other, "relu"]]
    return {"concat": ways}, (a[0] + channels + b[0], height, wide)


@st.composite
def rows(draw: st.DrawFn, shape: Shape, count: int) -> tuple[list[Any], Shape]:
    """So many layers, one after the other."""
    layers: list[Any] = []
    for _ in range(count):
        kind = draw(st.sampled_from(["conv", "conv", "pool", "mover", "join", "join"]))
        one_of = {"conv": convs, "pool": pools, "mover": movers}
        layer, made = draw(one_of[kind](shape) if kind in one_of else joins(shape, 2))
        if made[0] <= 24:
            layers.append(layer)
            shape = made
    return layers, shape
