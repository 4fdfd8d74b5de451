"""`checkpoint`: the libraries whose names weights may have, and what they are for."""

from __future__ import annotations

import pytest
import yaml

from codegen.errors import SpecError
from codegen.plan import lower
from codegen.spec import load_text

TRANSFORMER = {"model": {"vocab_size": 16, "d_model": 8, "layers": 1, "attention": {"heads": 2}}}
LAYERS = [{"conv": {"width": 8, "norm": "batch"}}, "mean_pool", {"linear": "classes"}]
NETWORK = {
    "family": "network",
    "task": "image-classification",
    "model": {"image": 8, "layers": LAYERS},
}
WRONG = {
    "an unknown family": (NETWORK, {"torchvision": "resnets"}, "no mapping for torchvision's"),
    "two libraries": (NETWORK, {"torchvision": "resnet", "timm": "resnet"}, "is of one library"),
    "a transformer's names": (NETWORK, {"huggingface": "llama"}, "no network of plain layers"),
    "a network's names": (TRANSFORMER, {"timm": "resnet"}, "is a network of plain layers"),
    "the same of Hugging Face": (TRANSFORMER, {"huggingface": "resnet"}, "a network of plain"),
    "a network without blocks": (
        {**NETWORK, "model": {"image": 8, "layers": [*LAYERS[:1], {"conv": 8}, *LAYERS[1:]]}},
        {"torchvision": "resnet"},
        "names 3 modules outside of blocks, and this model has 4",
    ),
    "a block of other layers": (
        {
            **NETWORK,
            "model": {
                "image": 8,
                "blocks": {"basic": [{"conv": {"width": "width", "norm": "batch"}}]},
                "layers": [*LAYERS[:1], {"basic": 8}, *LAYERS[1:]],
            },
        },
        {"torchvision": "resnet"},
        "no names for a block `basic` of 2 modules",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_names_that_a_model_cannot_have_are_refused(case: str) -> None:
    model, checkpoint, why = WRONG[case]
    text = yaml.safe_dump({"name": "some", **model, "checkpoint": checkpoint})
    with pytest.raises(SpecError) as refused:
        lower(load_text(text, "specs/some.yaml"))
    (first, *_) = refused.value.diagnostics
    assert why in first.message and first.position is not None and first.hint


def test_parameters_have_the_names_that_they_have_there() -> None:
    text = yaml.safe_dump({"name": "some", **NETWORK, "checkpoint": {"timm": "resnet"}})
    plan = lower(load_text(text, "specs/some.yaml"))
    names = {row.name: row.layout for row in plan.model.parameters}
    assert names["layers.0.weight"] == "conv1.weight" and names["layers.4.bias"] == "fc.bias"
