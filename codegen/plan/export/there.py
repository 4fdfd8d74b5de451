"""What the export of a package writes into config.json, as code over its Config."""

from __future__ import annotations

import functools
import re
import textwrap

from codegen.errors import TgenError
from codegen.frozen import frozen
from codegen.importers.mapping import Mapping as Mapped
from codegen.importers.mapping import read_mapping
from codegen.plan.export.code import NO_VALUE, Values, made_again, same, value_of
from codegen.plan.export.follow import Follower
from codegen.plan.export.invert import inverted
from codegen.spec import load_text
from codegen.spec.transformer.vocabulary import TransformerSpec

OF_CLASSES = ("id2label", "label2id", "num_labels")  # which are known when a model is written
# Fields of a Config that say how training goes, and nothing of what a model computes.
OF_TRAINING = (
    *("init_std", "embedding_std", "aux_loss", "router_z_loss", "z_loss", "correction_rate"),
    *("dropout", "attention_dropout", "residual_dropout", "embedding_dropout", "drop_path"),
    *("layer_scale", "temperature", "label_smoothing"),
)


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

    def says(self, config: Values) -> bool:
        """Whether its fields say all of a Config."""
        try:
            wanted = ((config[name], value_of(code, config)) for name, code in self.checks)
            return not self.refused and all(same(own, there) for own, there in wanted)
        except NO_VALUE:
            return False

    @property
    def constant(self) -> tuple[tuple[str, str], ...]:
        """The fields that are the same for every Config."""
        return tuple(pair for pair in self.fields if "config." not in pair[1])

    @property
    def following(self) -> tuple[tuple[str, str], ...]:
        """The others."""
        return tuple(pair for pair in self.fields if "config." in pair[1])

    @property
    def refused_lines(self) -> tuple[str, ...]:
        """The same in pieces, as long as a line of code has room for."""
        return tuple(textwrap.wrap(self.refused, 80, drop_whitespace=False))


@functools.lru_cache(maxsize=64)
def config_there(said: str) -> ConfigThere:
    """That of a spec, as JSON of what it says."""
    spec = load_text(said, "there.yaml").spec
    assert isinstance(spec, TransformerSpec), spec
    mapping = read_mapping(spec.checkpoint.huggingface or "")
    try:
        return written(spec, mapping)
    except TgenError as error:
        why = " ".join(error.diagnostics[0].message.split())
        return ConfigThere(mapping.name.partition(".")[0], refused=why.replace('"', "'"))


def written(spec: TransformerSpec, mapping: Mapped) -> ConfigThere:
    """The same; TgenError says why there is none."""
    model_type = mapping.name.partition(".")[0]
    if mapping.within or mapping.unwritten:
        why = mapping.unwritten or "the rest of such a model is not in this package"
        raise TgenError(f"no config.json of the type {model_type} is written: {why}")
    follower = Follower({"model_type": model_type, **inverted(spec, mapping)}, mapping)
    codes = {name: follower.code((name,), v) for name, v in follower.fields.items()}
    del codes["model_type"]
    if "classes" in follower.first.config:
        codes = {name: code for name, code in codes.items() if name not in OF_CLASSES}
    for name, said in mapping.written.items():
        of_another = isinstance(said, str) and said.startswith("=")
        codes[name] = codes[said[1:]] if of_another else repr(said)
    if spec.model.image is None:
        codes.setdefault("pad_token_id", "None")
    checks = checked(follower, " ".join(codes.values()), mapping)
    return ConfigThere(model_type, architecture_of(mapping), tuple(codes.items()), checks)


def architecture_of(mapping: Mapped) -> str:
    """The class there."""
    if mapping.architectures:
        return mapping.architectures[0]
    base = read_mapping(mapping.name.partition(".")[0])
    return next((one for one in base.architectures if one.endswith("Model")), "")


def checked(follower: Follower, codes: str, mapping: Mapped) -> tuple[tuple[str, str], ...]:
    """What fields of the Config are there which no code reads, or not all that they say."""
    reads = {"classes", *re.findall(r"config\.(\w+)", codes)}
    if not str(mapping.spec.get("model", {}).get("context_length", "")).startswith("="):
        reads.add("context_length")  # of which there is none
    found = {}
    for name, value in follower.first.config.items():
        if name not in reads and name not in OF_TRAINING:
            found[name] = follower.follows(name)
        elif isinstance(value, tuple) and value:
            texts = made_again(follower.first.config, name, codes)
            if again := follower.giving(texts, follower.own(name)):
                found[name] = again
    if follower.fixed_lists:  # which are for these very layers
        found["layers"] = repr(follower.first.config["layers"])
    return tuple(found.items())
