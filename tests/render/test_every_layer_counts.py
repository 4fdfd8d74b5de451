"""Every field of every layer changes the code that it is written for."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from codegen.plan import lower
from codegen.render import render_package
from codegen.spec import load_text
from codegen.spec.network.layers import KINDS

CONV: dict[str, Any] = {"width": 4, "norm": "batch", "activation": "relu"}
TOKENS = [{"conv": 4}, "tokens"]
# Of each kind: what stands before it, its fields, and another value of each field.
LAYERS: dict[str, tuple[list[Any], dict[str, Any], dict[str, Any]]] = {
    "conv": (
        [{"conv": 4}],
        CONV,
        {
            "width": 8, "kernel": 5, "stride": 2, "padding": "tf_same", "dilation": 2, "groups": 2,
            "bias": True, "norm": "layer", "activation": "tanh", "order": "pre",
            "weight": "standardised", "padding_mode": "reflect",
        },
    ),
    "linear": ([], {"width": 4}, {"width": 5, "bias": False, "norm": "layer", "activation": "elu",
                                "weight": "spectral"}),
    "norm": ([{"conv": 4}], {"kind": "group", "groups": 2},
             {"eps": 1e-3, "groups": 4}),
    "leaky_relu": ([], {}, {"slope": 0.2}),
    "max_pool": ([], {"kernel": 3}, {"kernel": 2, "stride": 1, "padding": 1, "ceil": True}),
    "mean_pool": ([], {"kernel": 3}, {"padding": "same", "count_padding": False}),
    "upsample": ([], {}, {"factor": 3, "mode": "bilinear"}),
    "pixel_shuffle": ([{"conv": 36}], {}, {"factor": 3}),
    "pixel_unshuffle": ([], {}, {"factor": 4}),
    "reshape": ([], {"sizes": [12, 8, 8]}, {"sizes": [3, 32, 8]}),
    "channel_shuffle": ([{"conv": 6}], {}, {"groups": 3}),
    "dropout": ([], {}, {"rate": 0.3}),
    "drop_path": ([], {}, {"rate": 0.3}),
    "rescale": ([], {"factor": 0.5}, {"factor": 0.3}),
    "scale": ([], {}, {"start": 0.3}),
    "attention": (TOKENS, {"heads": 2}, {"heads": 4, "bias": False}),
    "residual": (
        [{"conv": 4}],
        {"layers": [{"conv": {**CONV, "width": 8}}]},
        {
            "layers": [{"conv": CONV}], "shortcut": "pad", "activation": "relu",
            "project_norm": False,
        },
    ),
    "split": ([{"conv": 4}], {"into": ["here", ["relu", {"conv": 2}]]},
              {"into": [["relu"], "here"], "join": "add", "chain": True}),
    "patches": (
        [{"conv": 4}], {"layers": ["softmax"]}, {"size": 4, "layers": [{"norm": "layer"}]}
    ),
    "unet": (
        [],
        {"widths": [2, 3], "block": [{"conv": "width"}], "down": [{"max_pool": 2}],
         "up": ["upsample", {"conv": "width"}]},
        {"widths": [2, 4], "block": [{"conv": "2 * width"}], "down": [{"mean_pool": 2}],
         "up": ["upsample", {"conv": {"width": "width", "kernel": 1}}], "join": "add"},
    ),
    "from": (
        [{"conv": {**CONV, "as": "a"}}, {"conv": {**CONV, "as": "b"}}], {"name": "a"}, {"name": "b"}
    ),
    "dense": ([], {"layers": [{"conv": 2}]}, {"layers": [{"conv": 3}]}),
    "gate": ([], {"layers": ["sigmoid"]}, {"layers": ["tanh"]}),
    **{kind: ([], {"ways": ["here", ["relu"]]}, {"ways": [["relu"], "here"]})
       for kind in ("add", "concat", "subtract", "multiply")},
}  # fmt: skip


AFTER: dict[str, list[Any]] = {"from": [{"concat": ["here", "b"]}]}  # what reads the rest


def code(before: list[Any], layer: Any) -> str:
    """model.py of a network with one such layer."""
    model: dict[str, Any] = {"image": 16, "classes": 3, "conv": {"norm": "batch"}}
    after = AFTER.get(next(iter(layer)), [])
    model["layers"] = [{"conv": 3}, *before, layer, *after, "relu", "mean_pool", "linear"]
    head = {"name": "some", "family": "network", "task": "image-classification"}
    plan = lower(load_text(yaml.safe_dump({**head, "model": model}), "specs/some.yaml"))
    return render_package(plan, only=("model.py",))["model.py"]


def test_every_kind_of_layer_with_fields_is_here() -> None:
    own = {"kind", "keep", "when", "main"}
    having = {kind for kind, model in KINDS.items() if {*model.model_fields} - own}
    functions = {kind for kind in having if {*KINDS[kind].model_fields} - own == {"slope"}}
    assert having - functions | {"leaky_relu"} == {*LAYERS}


@pytest.mark.parametrize("kind", LAYERS)
def test_every_field_of_a_layer_shows_in_the_code(kind: str) -> None:
    before, said, others = LAYERS[kind]
    base = code(before, {kind: said})
    silent = [name for name, v in others.items() if code(before, {kind: {**said, name: v}}) == base]
    assert not silent
    left_out = {*KINDS[kind].model_fields} - {*others, "kind", "keep", "when", "of"}
    of_kinds = {"transposed", "output_padding", "affine"}  # of some convolutions, of some norms
    assert left_out <= {*of_kinds, "size", "stride", "ceil", "kernel", "padding"}
