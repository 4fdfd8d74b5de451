"""What the export of a package writes into config.json, as code over its Config."""

from __future__ import annotations

import functools
from typing import Any

from codegen.errors import TgenError
from codegen.exporters.follow import OF_TRAINING, Code, Follower, constant
from codegen.exporters.invert import inverted
from codegen.frozen import frozen
from codegen.importers.mapping import Mapping as Mapped
from codegen.importers.mapping import read_mapping
from codegen.spec import load_text
from codegen.spec.transformer.vocabulary import TransformerSpec

OF_CLASSES = ("id2label", "label2id", "num_labels")  # which are known when a model is written


@frozen
class ConfigThere:
    """A config.json: its fields as code, and what the Config has to be for which it has no field.

    `refused` says why there is none.
    """

    model_type: str = ""
    architecture: str = ""
    fields: tuple[tuple[str, str], ...] = ()
    checks: tuple[tuple[str, str], ...] = ()  # a field of the Config, and code for what it is there
    refused: str = ""


@functools.lru_cache(maxsize=64)
def config_there(said: str) -> ConfigThere:
    """That of a spec, as JSON of what it says."""
    spec = load_text(said, "there.yaml").spec
    assert isinstance(spec, TransformerSpec), spec
    mapping = read_mapping(spec.checkpoint.huggingface or "")
    try:
        return _there(spec, mapping)[0]
    except TgenError as error:
        return ConfigThere(refused=str(error))


def _there(spec: TransformerSpec, mapping: Mapped) -> tuple[ConfigThere, dict[str, Code], Follower]:
    model_type = mapping.name.partition(".")[0]
    if mapping.within:
        raise TgenError(f"{model_type} is a model of more than this part of it")
    fields = {"model_type": model_type, **inverted(spec, mapping)}
    follower = Follower(fields, mapping)
    codes = {name: follower.code((name,), v) for name, v in follower.fields.items()}
    del codes["model_type"]
    if any(name in follower.first.config for name in ("classes",)):
        codes = {name: code for name, code in codes.items() if name not in OF_CLASSES}
    for name, said in mapping.written.items():
        of_another = isinstance(said, str) and said.startswith("=")
        codes[name] = codes[said[1:]] if of_another else constant(said)
    if spec.model.image is None:
        codes.setdefault("pad_token_id", constant(None))
    there = ConfigThere(
        model_type,
        architecture_of(mapping),
        tuple((name, code.text) for name, code in codes.items()),
        tuple((name, code.text) for name, code in checks(follower, codes, mapping).items()),
    )
    return there, codes, follower


def architecture_of(mapping: Mapped) -> str:
    """The class there."""
    if mapping.architectures:
        return mapping.architectures[0]
    base = read_mapping(mapping.name.partition(".")[0])
    return next((one for one in base.architectures if one.endswith("Model")), "")


def checks(follower: Follower, codes: dict[str, Code], mapping: Mapped) -> dict[str, Code]:
    """What a config has no field for: what follows from its fields, or is one number there."""
    text = " ".join(code.text for code in codes.values()) + " "
    exempt = set(OF_TRAINING)
    if not str(mapping.spec.get("model", {}).get("context_length", "")).startswith("="):
        exempt.add("context_length")  # of which there is none
    found = {}
    for name, value in follower.first.config.items():
        if name in exempt or any(f"config.{name}{end}" in text for end in " ,)].}"):
            continue
        found[name] = _follows(follower, name, value) or constant(value)
    return found


def _follows(follower: Follower, name: str, value: Any) -> Code | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if all(sample.config[name] == value for sample in follower.samples):
        return None
    return follower.found(lambda sample: sample.config[name], value, but=name)
