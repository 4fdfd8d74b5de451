"""No field is accepted without effect: whatever a spec may say changes some byte of its package.

Every field of each task's specs is given every word that it knows, or another number; what the
checks refuse is fine, and what they accept must be seen in the rendered text.
"""

from __future__ import annotations

import copy
import types
from collections.abc import Iterator
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import pytest
import yaml
from pydantic import BaseModel

from codegen.errors import SpecError
from codegen.plan import Plan, lower
from codegen.render import render_package
from codegen.spec import LoadedSpec, load_text
from codegen.spec.families import FAMILIES, language

Path = tuple[str, ...]
TASKS = [(family, task) for family in FAMILIES for task in language(family).tasks]

TRANSFORMER = {"model": {"d_model": 64, "layers": 2, "attention": {"heads": 4}}}
BASES: dict[tuple[str, str], dict[str, Any]] = {
    ("network", "image-classification"): {
        "model": {
            "image": {"size": 16},
            "layers": [
                "conv",
                {"conv": {"width": 4, "norm": "batch"}},
                {"norm": "batch"},
                "norm",
                "flatten",
                {"linear": {"bias": True, "width": 4}},
                "linear",
            ],
        }
    },
    ("network", "super-resolution"): {
        "model": {
            "image": {"size": 16},
            "layers": [
                {"conv": {"width": 12, "norm": "batch"}},
                {"norm": "batch"},
                "norm",
                {"linear": {"bias": True, "width": 4}},
                {"linear": 4},
                "conv",
                {"conv": 12},
                {"pixel_shuffle": "upscale"},
            ],
        }
    },
    ("network", "image-to-image"): {
        "model": {
            "image": {"size": 16},
            "layers": [
                {"conv": {"width": 4, "norm": "batch"}},
                {"norm": "batch"},
                "norm",
                {"linear": {"bias": True, "width": 4}},
                {"linear": 4},
                "conv",
                {"conv": 3},
            ],
        }
    },
    ("network", "image-segmentation"): {
        "model": {
            "image": {"size": 16},
            "layers": [
                "conv",
                {"conv": {"width": 4, "norm": "batch"}},
                {"norm": "batch"},
                "norm",
                {"conv": {"width": "classes"}},
            ],
        }
    },
    ("network", "regression"): {"model": {"layers": ["linear"]}},
    ("recurrent", "causal-lm"): {"model": {"layers": 2, "width": 64, "embedding": {"dim": 64}}},
    ("recurrent", "seq2seq-lm"): {"model": {"layers": 2, "width": 64, "embedding": {"dim": 64}}},
    ("recurrent", "tagging"): {"model": {"layers": 2, "width": 64}},
    ("recurrent", "sequence-classification"): {"model": {"layers": 2, "width": 64}},
    ("network", "classification"): {"model": {"layers": ["linear"]}},
    ("gan", "image-generation"): {
        "model": {
            "image": {"size": 4},
            "generator": [
                "norm",
                {"linear": 12},
                {"reshape": ["channels / 4", 2, 2]},
                {"conv": {"width": 4, "norm": "batch"}},
                {
                    "conv": {
                        "width": "outputs",
                        "kernel": 4,
                        "stride": 2,
                        "padding": 1,
                        "transposed": True,
                    }
                },
            ],
            "discriminator": [
                "conv",
                {"conv": {"width": 4, "norm": "batch"}},
                "norm",
                "flatten",
                {"linear": {"bias": True, "width": 4}},
                "linear",
            ],
        }
    },
    ("gan", "image-translation"): {
        "model": {
            "image": {"size": 8},
            "generator": [
                {"conv": {"width": 4, "norm": "batch"}},
                "norm",
                {"linear": {"bias": True, "width": 4}},
                {"linear": 4},
                "conv",
                {"conv": "outputs"},
            ],
            "discriminator": [
                "conv",
                {"conv": {"width": 4, "norm": "batch"}},
                "norm",
                "flatten",
                {"linear": {"bias": True, "width": 4}},
                "linear",
            ],
        }
    },
}
NOT_TRIED = {("name",), ("family",), ("task",), ("tiles",), ("checkpoint", "huggingface")}
TEXTS: dict[str, list[Any]] = {
    "mask": ["causal & window(8)", "full", "causal & document"],
    "scale": [0.37],
    "arch": ["sm_90"],
    "kv_of": ["other"],
}
LENGTHS = {"betas": 2, "short_factor": 8, "long_factor": 8}
# Accepted changes that no package shows, and why that is right.
NO_BIAS = "an RMSNorm has no bias anyway"
AGAIN = "what the model or the field's default says, said again"
SAME: dict[str, str] = {
    "target.kernels: none": "the probe has no kernels anyway",
    "model.norm.bias: False": NO_BIAS,
    "model.norm: {'kind': 'rms', 'bias': False}": NO_BIAS,
    "model.final_norm: {'kind': 'rms', 'bias': False}": NO_BIAS,
    "model.encoder.norm: {'kind': 'rms', 'bias': False}": NO_BIAS,
    "model.final_norm: {'kind': 'rms'}": AGAIN,
    "model.attention.bias: {}": AGAIN,
    "model.dropout: {}": AGAIN,
    "model.linear: {}": AGAIN,
    "model.norm: {'kind': 'batch'}": AGAIN,
    "model.conv: {'padding': 1}": "what `same` is for a kernel of 3",
    "model.conv: {'order': 'activation_first'}": "the probe's convolutions have no activation",
    "model.conv: {}": AGAIN,
    "model.encoder.layers: 2": AGAIN,
    "model.encoder.norm: {'kind': 'rms'}": AGAIN,
    "model.encoder.attention: {}": AGAIN,
    "model.encoder.attention: {'bias': {}}": AGAIN,
    "model.encoder.mlp: {'kind': 'gated'}": AGAIN,
    "model.encoder.residual: {}": AGAIN,
    "model.encoder.embedding: {}": AGAIN,
    "model.cross_attention.bias: False": AGAIN,
    "model.cross_attention.bias: {}": AGAIN,
    "model.image: {'pooling': 'class'}": "the class token is what is pooled, where there is one",
}
ANYWHERE = "the probe has no kernels, and where units differ no utilisation is measured"
DEVICES = dict.fromkeys(
    ("target.device: cpu", "target.device: cuda", "target.device: hip", "target.arch: sm_90"),
    ANYWHERE,
)
ON_MAPS = dict.fromkeys(
    (f"model.linear: {{'width': {width!r}}}" for width in (1, 2, 32, "other")),
    "on a map each `linear` says its own width",
)
SAME_FOR = {
    ("transformer", "preference"): {**DEVICES, "train.loss: dpo": AGAIN},
    ("transformer", "seq2seq-lm"): DEVICES,
    ("transformer", "sequence-classification"): DEVICES,
    ("transformer", "tagging"): DEVICES,
    ("transformer", "embedding"): DEVICES,
    ("transformer", "image-embedding"): DEVICES,
    ("network", "super-resolution"): {**ON_MAPS, "train.loss: l2": AGAIN},
    ("network", "image-to-image"): {
        **ON_MAPS,
        "train.loss: l1": AGAIN,
        "data.pairs: folders": AGAIN,
    },
    ("network", "regression"): DEVICES,
    ("network", "classification"): DEVICES,
    ("recurrent", "sequence-classification"): DEVICES,
    ("recurrent", "tagging"): DEVICES,
    ("recurrent", "seq2seq-lm"): {**DEVICES, "model.attention.place: before": AGAIN},
}


def words(annotation: Any, name: str) -> Iterator[Any]:
    """Values that a field may have: every word, a few numbers, mappings with one field each."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        yield from words(arguments[0], name)
    elif origin is Literal:
        yield from arguments
    elif origin in (Union, types.UnionType):
        for one in arguments:
            yield from words(one, name)
    elif annotation is bool:
        yield from (True, False)
    elif annotation is int:
        yield from (1, 2, 32)
    elif annotation is float:
        yield from (0.37, 2.0)
    elif annotation is str:
        yield from TEXTS.get(name, ["other"])
    elif origin is list:
        yield from ([value] * LENGTHS.get(name, 1) for value in words(arguments[0], name))
    elif isinstance(annotation, type) and issubclass(annotation, BaseModel):
        required = {f: v for f, i in annotation.model_fields.items() for v in start(f, i)}
        yield required
        for path, value in fields(annotation):
            yield with_value(required, path, value)


def start(name: str, field: Any) -> list[Any]:
    """A value of a field that a mapping can't do without."""
    if name == "kind" and not field.is_required():
        return [field.get_default()]
    return [*words(field.annotation, name)][:1] if field.is_required() else []


def fields(model: type[BaseModel], above: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Every field below a mapping, with each value that is tried; of an optional mapping, `{}`."""
    for name, field in model.model_fields.items():
        path = (*above, name)
        default = field.get_default(call_default_factory=True)
        if path in NOT_TRIED:
            continue
        if isinstance(default, BaseModel):
            yield from fields(type(default), path)
        elif path == ("model",):  # which a network's spec has to say
            assert field.annotation is not None
            yield from fields(field.annotation, path)
            continue
        for value in words(field.annotation, name):
            if value != default and not (isinstance(default, BaseModel) and "kind" not in value):
                yield path, value


def with_value(data: dict[str, Any], path: Path, value: Any) -> dict[str, Any]:
    """The data with one more value."""
    made = copy.deepcopy(data)
    at = made
    for step in path[:-1]:
        at = at.setdefault(step, {})
    at[path[-1]] = value
    return made


def loaded(data: dict[str, Any]) -> LoadedSpec | None:
    """The spec; None if it is refused."""
    try:
        return load_text(yaml.safe_dump(data), "specs/probe.yaml")
    except SpecError:
        return None


def rendered(plan: Plan) -> Iterator[tuple[str, str]]:
    """The files of a package, the likeliest to differ first, without the spec's digest."""
    for only in (("model.py",), ("options.py",), None):
        for name, text in render_package(plan, only=only).items():
            yield name, text.replace(plan.spec_digest[:12], "")


def differs(plan: Plan, base: dict[str, str], names: set[str]) -> bool:
    """Whether some file of the package is not as before."""
    found = set()
    for name, text in rendered(plan):
        if base.get(name) != text:
            return True
        found.add(name)
    return found != names


def silent(family: str, task: str) -> list[str]:
    """The changes of one field that are accepted and change nothing."""
    data = {
        "name": "probe",
        "family": family,
        "task": task,
        **BASES.get((family, task), TRANSFORMER),
    }
    whole = loaded(data)
    assert whole, task
    base = dict(rendered(lower(whole)))
    found = []
    for path, value in fields(language(family).spec(task)):
        changed = loaded(with_value(data, path, value))
        if changed is None or changed.spec == whole.spec:
            continue  # refused, or what the spec says anyway
        try:
            plan = lower(changed)
        except SpecError:
            continue  # what fits nowhere
        if not differs(plan, base, set(base)):
            found.append(f"{'.'.join(path)}: {value}")
    return list(dict.fromkeys(found))


@pytest.mark.drawn
@pytest.mark.parametrize(("family", "task"), TASKS)
def test_every_accepted_change_of_a_field_shows_in_the_package(family: str, task: str) -> None:
    same = {**SAME, **SAME_FOR.get((family, task), {})}
    assert [change for change in silent(family, task) if change not in same] == []
