"""Whole random specs of networks of plain layers, valid by construction."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from codegen.plan.network.activation import MODULES
from tests.strategies.choices import Fields, coin
from tests.strategies.network_maps import keeping, norms, rows, tokens

BETWEEN = st.one_of(
    st.sampled_from(sorted(MODULES)),
    st.sampled_from([0.1, 0.5]).map(lambda rate: {"dropout": rate}),
    st.just({"dropout": {}}),
)
PICTURES = ("super-resolution", "image-to-image")
# Blocks by name, and what a use may give; each keeps the size but for its stride.
BLOCKS: dict[str, tuple[Any, list[Fields]]] = {
    "basic": (
        [
            {
                "residual": {
                    "activation": "relu",
                    "layers": [
                        {"conv": {"width": "width", "stride": "stride", "norm": "batch"}},
                        {"conv": {"width": "width", "norm": "batch", "activation": "none"}},
                    ],
                }
            }
        ],
        [{"width": 4, "repeat": 2}, {"width": 6, "stride": 2, "repeat": 3}, {"width": 3}],
    ),
    "inverted": (
        {
            "expand": 2,
            "act": "relu6",
            "layers": [
                {
                    "residual": {
                        "shortcut": "same",
                        "layers": [
                            {
                                "conv": {
                                    "width": "expand * channels",
                                    "kernel": 1,
                                    "activation": "act",
                                    "when": "expand > 1",
                                }
                            },
                            {"conv": {"groups": "depthwise", "stride": "stride"}},
                            {"conv": {"width": "width", "kernel": 1}},
                        ],
                    }
                }
            ],
        },
        [{"width": 4, "expand": 1}, {"width": 4, "repeat": 2}, {"width": 5, "act": "tanh"}],
    ),
    "grow": ([{"dense": [{"conv": {"width": "growth", "activation": "elu"}}]}], [{"repeat": 3}]),
    "squeeze": (
        [
            {
                "gate": [
                    {"mean_pool": {"size": 1}},
                    {"conv": {"width": "round_to(channels / 2, 4)", "kernel": 1}},
                    "relu",
                    {"conv": {"width": "hidden", "kernel": 1, "activation": "sigmoid"}},
                ]
            }
        ],
        [{"hidden": "channels"}],
    ),
}
GROWTH = 2


@st.composite
def hidden(draw: st.DrawFn) -> list[str | Fields]:
    """Linear layers with functions and dropout between them."""
    layers: list[str | Fields] = []
    for _ in range(draw(st.integers(0, 3))):
        width, bias = draw(st.integers(1, 9)), draw(coin())
        layers.append({"linear": {"width": width, "bias": bias} if draw(coin()) else width})
        if draw(st.integers(0, 4)) == 0:
            layers[-1] = {"linear": {"width": width, "weight": "spectral"}}
        layers += draw(st.lists(BETWEEN, max_size=2))
    return layers


@st.composite
def used_blocks(draw: st.DrawFn, channels: int) -> tuple[dict[str, Any], list[Any], int]:
    """Some blocks, their uses, and the channels that come out of these."""
    names = draw(st.lists(st.sampled_from(sorted(BLOCKS)), max_size=3, unique=True))
    layers: list[Any] = []
    for name in names:
        for said in draw(st.lists(st.sampled_from(BLOCKS[name][1]), min_size=1, max_size=4)):
            layers.append({name: said})
            if name == "grow":
                channels += GROWTH * said["repeat"]
            channels = said.get("width", channels)
    return {name: BLOCKS[name][0] for name in names}, layers, channels


CONDITIONS = ("level < levels - 1", "0 < level <= 1", "level == 0", "level + 1 == levels")


@st.composite
def unets(draw: st.DrawFn, channels: int) -> tuple[Fields, int]:
    """Levels of maps whose sides four divides, and the channels that come out."""
    widths = draw(st.lists(st.integers(2, 5), min_size=2, max_size=3))
    conv = {"width": "width", "activation": "tanh", "norm": draw(norms((1, 2, 2)))}
    if "instance" in str(conv["norm"]):  # which some level has but a pixel for
        conv["norm"] = "none"
    downs: list[list[Any]] = [[{"max_pool": 2}], [{"conv": {"width": "width", "stride": 2}}]]
    turned = {"width": "width", "kernel": 2, "stride": 2, "padding": 0, "transposed": True}
    ups: list[list[Any]] = [[{"conv": turned}], ["upsample", {"conv": {"width": "width"}}]]
    join = draw(st.sampled_from(["concat", "add"]))
    said = {"widths": widths, "block": [{"conv": conv}], "join": join}
    said |= {"down": draw(st.sampled_from(downs)), "up": draw(st.sampled_from(ups))}
    for part in ("block", "down", "up"):
        if draw(st.integers(0, 2)) == 0:
            layer = draw(st.sampled_from([{"norm": "layer"}, {"rescale": 0.5}, {"tanh": {}}]))
            said[part] = [*said[part], {**layer, "when": draw(st.sampled_from(CONDITIONS))}]
    if draw(coin()):
        return {"unet": said}, widths[0]
    bare = {name: what for name, what in said.items() if name != "block"}
    bare["down"] = [*said["down"], {"conv": {"width": "width", "kernel": 1}}]
    return {"unet": {**bare, "join": "concat"}}, channels + widths[0]


@st.composite
def of_maps(draw: st.DrawFn) -> Fields:
    """A model of images: layers of maps, blocks, named values, tokens, and a head."""
    channels, side = draw(st.sampled_from([1, 2, 3, 4])), draw(st.integers(3, 8))
    layers, shape = draw(rows((channels, side, side), draw(st.integers(1, 4))))
    if min(shape[1:]) > 3 and not shape[1] % 4 and not shape[2] % 4 and draw(coin()):
        unet, width = draw(unets(shape[0]))
        layers, shape = [*layers, unet], (width, *shape[1:])
    model: Fields = {"image": {"size": side, "channels": channels}, "classes": 3}
    if draw(coin()):
        blocks, uses, width = draw(used_blocks(shape[0]))
        model |= {"blocks": blocks, "numbers": {"growth": GROWTH}} if blocks else {}
        layers, shape = [*layers, *uses], (width, *shape[1:])
        if uses:
            layers.append({"conv": {"width": 4, "kernel": 1, "as": "start"}})
            layers += [{"conv": {"width": 4, "norm": draw(norms((4, 1, 1)))}}]
            layers.append({"concat": [["silu"], "start", "here"]})
            if draw(coin()):  # a way that goes on from elsewhere, and one inside of it
                layers += [{"conv": {"width": 3, "as": "end"}}, {"from": "start"}, "silu"]
                layers.append({"concat": ["here", [{"from": "end"}, {"conv": {"width": 2}}]]})
    if draw(coin()):
        model["conv"] = {"activation": "silu", "kernel": 3}
        layers.append({"conv": {"width": 4, "norm": "batch"}})
        model["norm"] = draw(st.sampled_from(["batch", {"kind": "layer", "eps": 1e-4}]))
    ends: list[list[Any]] = [["mean_pool"], ["max_pool"], ["flatten"]]
    end: list[Any] = draw(st.sampled_from(ends))
    if draw(st.integers(0, 3)) == 0:
        layers.append({"conv": {"width": 4, "kernel": 1}})
        if draw(coin()):
            sizes = draw(st.sampled_from([[4, 3, 1], ["classes + 1", 1, "classes"], [12, 1, 1]]))
            layers += ["flatten", {"linear": 12}, {"reshape": sizes}, {"conv": 4}]
        end = ["tokens", *draw(tokens(4)), "transpose", "tanh", "transpose", "mean_pool"]
    return {**model, "layers": [*layers, *end, *draw(hidden()), "linear"]}


@st.composite
def of_pictures(draw: st.DrawFn, larger: bool) -> Fields:
    """A model whose maps come out as large as they went in, or `larger`."""
    channels, side = draw(st.sampled_from([1, 3])), draw(st.sampled_from([2, 4, 6]))
    layers: list[Any] = []
    for _ in range(draw(st.integers(0, 2))):
        layers += draw(keeping((channels, side, side), 1))
    if draw(coin()):
        layers += [{"conv": {"width": 3, "stride": 2, "norm": "batch"}}, {"upsample": 2}]
    if larger:
        upscale = draw(st.integers(2, 3))
        layers.append({"conv": {"width": f"{channels} * upscale * upscale", "as": "here_too"}})
        layers += [{"pixel_shuffle": "upscale"}]
        model: Fields = {"upscale": upscale}
    else:
        outputs = draw(st.sampled_from([1, 3, channels]))
        layers.append({draw(st.sampled_from(["conv", "linear"])): "outputs"})
        model = {} if outputs == channels and draw(coin()) else {"outputs": outputs}
        if outputs == channels:
            layers.append({draw(st.sampled_from(["add", "subtract"])): ["images", "here"]})
    return {"image": {"size": side, "channels": channels}, **model, "layers": layers}


@st.composite
def of_pixels(draw: st.DrawFn) -> Fields:
    """A model of images whose maps are as large at the end, with scores of each pixel."""
    channels, side = draw(st.sampled_from([1, 2, 3])), draw(st.sampled_from([2, 4, 5, 8]))
    layers: list[Any] = []
    for _ in range(draw(st.integers(0, 2))):
        layers += draw(keeping((channels, side, side), 1))
    if side % 4 == 0 and draw(coin()):
        layers.append(draw(unets(channels))[0])
    if side % 2 == 0 and draw(coin()):
        layers += [{"max_pool": 2}, {"conv": {"width": 3, "norm": "batch"}}, {"upsample": 2}]
    last = {"width": "classes", "kernel": draw(st.sampled_from([1, 3]))}
    layers.append(draw(st.sampled_from([{"linear": "classes"}, {"conv": last}])))
    image = {"size": side, "channels": channels}
    return {"image": image, "classes": draw(st.integers(1, 4)), "layers": layers}


@st.composite
def network_specs(draw: st.DrawFn) -> Fields:
    """Small whole specs of every task, as the mapping that a YAML file holds."""
    head = {"name": "drawn", "family": "network"}
    if draw(st.integers(0, 5)) == 0:
        task, train = draw(st.sampled_from(PICTURES)), {"loss": draw(st.sampled_from(["l1", "l2"]))}
        model = draw(of_pictures(task == "super-resolution"))
        return {**head, "task": task, "model": model, "train": train}
    if draw(st.integers(0, 5)) == 0:
        return {**head, "task": "image-segmentation", "model": draw(of_pixels())}
    if draw(st.integers(0, 2)):
        return {**head, "task": "image-classification", "model": draw(of_maps())}
    layers: list[Any] = draw(hidden())
    if draw(coin()):
        last = draw(st.sampled_from(["linear", {"linear": "classes"}, {"linear": {"bias": False}}]))
        image = {"size": draw(st.integers(1, 4)), "channels": draw(st.sampled_from([1, 3]))}
        classes, around = draw(st.integers(2, 5)), draw(st.lists(BETWEEN, max_size=1))
        model = {"image": image, "classes": classes, "layers": [*around, "flatten", *layers, last]}
        return {**head, "task": "image-classification", "model": model}
    data = {"inputs": ["a", "b", "c"][: draw(st.integers(1, 3))], "target": "z"}
    last = draw(st.sampled_from(["linear", {"linear": 1}]))
    if last == "linear" or not layers:
        last = "linear"
    rows_of_numbers = {**head, "task": "regression", "data": data}
    return {**rows_of_numbers, "model": {"layers": [*layers, last]}}
