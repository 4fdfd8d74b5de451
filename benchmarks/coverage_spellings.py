"""A config.json in other spellings: as older releases wrote it, and with each field left out.

What a spelling means, transformers' own config class says: the importer has to make of the text
what it makes of that class's answer, written out in today's words.
"""

from __future__ import annotations

import copy
import functools
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from transformers.models.auto.configuration_auto import CONFIG_MAPPING

from codegen.errors import TgenError
from codegen.importers.config import parse_config
from codegen.importers.spec_text import spec_text
from codegen.importers.translate import translate
from codegen.plan import lower
from codegen.spec import load_text

Fields = dict[str, Any]
KEPT = ("model_type", "architectures")
GLOBAL, LOCAL = "full_attention", "sliding_attention"
OLD_NAMES = {"dtype": "torch_dtype"}
# rope_parameters is all that these ever knew.
NEVER_OLD = (
    *("beam", "cohere_compass_text", "glmasr", "laguna", "lfm3", "mellum", "mimo_v2_flash"),
    "musicflamingo",
)
# What older releases called some types' parts of rope_parameters.
MODERNBERT = {"rope_theta": "global_rope_theta", "local": "local_rope_theta"}
NEOX = {"rope_theta": "rotary_emb_base", "partial_rotary_factor": "rotary_pct"}
OLD_ROPE: dict[str, dict[str, str]] = {
    "gemma3_text": {"local": "rope_local_base_freq"},
    "gpt_neox": NEOX,
    "gpt_neox_japanese": NEOX,
    "modernbert": MODERNBERT,
    "modernbert-decoder": MODERNBERT,
}


def unusual(fields: Fields) -> Fields:
    """With other bases of rotary positions than any type has by default."""
    return {
        name: unusual(value)
        if isinstance(value, dict) and name != "attn_config"
        else value * 1.5
        if name == "rope_theta" and value
        else value
        for name, value in fields.items()
    }


def spellings(fields: Fields) -> Iterator[tuple[str, Fields]]:
    """The names of other spellings, and the fields in them."""
    olds = list(old_spellings(fields))
    yield from olds
    here = list(paths(fields))
    yield from ((f"without {'.'.join(path)}", without(fields, path)) for path in here)
    for name, old in olds[:1]:
        renamed = [path for path in paths(old) if path not in here]
        yield from ((f"{name}, without {'.'.join(path)}", without(old, path)) for path in renamed)


def without(fields: Fields, path: tuple[str, ...]) -> Fields:
    """The fields but one."""
    first, *rest = path
    if rest:
        return {**fields, first: without(fields[first], tuple(rest))}
    return {name: value for name, value in fields.items() if name != first}


def paths(fields: Fields) -> Iterator[tuple[str, ...]]:
    """The place of each field, of those inside nested mappings too; no whole config within one."""
    for name, value in fields.items():
        if name in KEPT:
            continue
        if not (isinstance(value, dict) and "model_type" in value):
            yield (name,)
        if isinstance(value, dict):
            yield from ((name, *inner) for inner in paths(value))


def old_spellings(fields: Fields) -> Iterator[tuple[str, Fields]]:
    """As releases before rope_parameters wrote a config, and those before rope_type."""
    if fields["model_type"] in NEVER_OLD:
        return
    for name, kind in (("old spelling", "rope_type"), ("oldest spelling", "type")):
        old = in_old_words(fields, kind)
        if old != fields:
            yield name, old


def in_old_words(fields: Fields, kind: str) -> Fields:
    """Fields under their old names; `kind` is what the kind of a scaling was called."""
    made: Fields = {}
    for name, value in fields.items():
        if name == "rope_parameters" and value:
            made |= old_rope(value, kind, OLD_ROPE.get(fields.get("model_type", ""), {}))
        elif isinstance(value, dict):
            made[name] = in_old_words(value, kind)
        else:
            made[OLD_NAMES.get(name, name)] = value
    return made


def old_rope(new: Fields, kind: str, names: dict[str, str]) -> Fields:
    """rope_theta, rope_scaling and what stood beside them, from rope_parameters."""
    local = (new.get(LOCAL) or {}).get("rope_theta")
    beside = {names["local"]: local} if local is not None and "local" in names else {}
    new = (new[GLOBAL] or {}) if GLOBAL in new else new
    scaling = {kind if name == "rope_type" else name: value for name, value in new.items()}
    for name in ("rope_theta", "partial_rotary_factor"):
        if name in scaling:
            beside[names.get(name, name)] = scaling.pop(name)
    plain = scaling.get(kind, "default") == "default"
    return {**beside, "rope_scaling": None if plain else scaling}


def spelled_out(fields: Fields, whole: Fields) -> Fields:
    """What transformers makes of a spelling, with the fields that `whole` has or that it moved."""
    return moved(read_there(fields), read_there(whole), whole)


def config_there(fields: Fields) -> Any:
    """The configuration that transformers makes of a config.json."""
    return CONFIG_MAPPING[fields["model_type"]].from_dict(copy.deepcopy(fields))


def read_there(fields: Fields) -> Fields:
    """All its fields."""
    return _read_there(json.dumps(fields))


@functools.lru_cache(maxsize=8)
def _read_there(text: str) -> Fields:
    found: Fields = json.loads(config_there(json.loads(text)).to_json_string(use_diff=False))
    return found


def rope_in(fields: Fields) -> Any:
    """What a configuration says of rotary positions."""
    inner = {name: rope_in(value) for name, value in fields.items() if isinstance(value, dict)}
    return {**inner, "rope_parameters": fields.get("rope_parameters")}


def moved(now: Fields, before: Fields, whole: Fields) -> Fields:
    """Of `now` what `whole` says too, or what differs from `before`."""
    made: Fields = {name: whole[name] for name in KEPT if name in whole}
    for name, value in now.items():
        inner = whole.get(name)
        if isinstance(value, dict) and isinstance(inner, dict) and name != "rope_parameters":
            made[name] = moved(value, before.get(name) or {}, inner)
        elif name in whole or value != before.get(name):
            made[name] = value
    return made


def difference(fields: Fields, whole: Fields) -> str:
    """How the importer's reading of a spelling differs from transformers'; empty if it doesn't."""
    try:
        meant = spelled_out(fields, whole)
    except Exception:  # transformers takes no such config: there is nothing to be equal to
        return ""
    if meant == fields:
        return ""
    wanted, found = read_here(meant), read_here(fields)
    if wanted == found or (isinstance(wanted, str) and isinstance(found, str)):
        return ""
    if isinstance(found, str):
        missing = any(
            value is None and f"`{name}` is missing" in found for name, value in meant.items()
        )
        return "" if missing else f"refused: {found}"
    if isinstance(wanted, str):
        return f"read, though what it means is refused: {wanted}"
    plans = planned(found), planned(wanted)
    if isinstance(plans[1], str) or plans[0] == plans[1]:
        return ""
    return "; ".join(differences(found, wanted, ()))


def planned(spec: Fields) -> Any:
    """Every number of a spec resolved, or why it can't be."""
    try:
        plan = lower(load_text(spec_text("model_there", spec, ""), "specs/model_there.yaml"))
    except TgenError as error:
        return str(error.diagnostics[0].message)
    return replace(plan, spec_digest="")


def read_here(fields: Fields) -> Any:
    """What the importer makes of a config.json, or why it doesn't."""
    try:
        return translate(parse_config(json.dumps(fields), "config.json")).spec
    except TgenError as error:
        return str(error.diagnostics[0].message)


def differences(found: Any, wanted: Any, at: tuple[str, ...]) -> Iterator[str]:
    """Each place where two specs say different things."""
    if isinstance(found, dict) and isinstance(wanted, dict):
        for name in dict.fromkeys([*found, *wanted]):
            yield from differences(found.get(name), wanted.get(name), (*at, name))
    elif found != wanted:
        yield f"{'.'.join(at)} is {found}, not {wanted}"
