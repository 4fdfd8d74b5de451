"""A spec's data -> the YAML that a person would have written."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Iterator, Mapping
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from codegen.spec.families import DEFAULT, language
from codegen.spec.fields import is_mapping
from codegen.spec.language import FamilyLanguage
from codegen.spec.yaml.source import core_scalar

WIDTH = 88
PLAIN = re.compile(r"[A-Za-z_][\w ()&|~<>=.*/+-]*")
FIRST = ("name", "family", "task", "extends")


def spec_text(name: str, data: dict[str, Any], comment: str) -> str:
    """The text of a spec: what is the vocabulary's default left out, in the vocabulary's order."""
    said = shortened({"name": name, **data}, language(data.get("family", DEFAULT)))
    lines = [f"# {comment}", *yaml_lines(said)]
    return "\n".join(lines) + "\n"


def shortened(data: dict[str, Any], family: FamilyLanguage) -> dict[str, Any]:
    """Without what goes without saying, and in order."""
    model = dict(data.get("model", {}))
    fields = family.whole.model_fields["model"].annotation
    assert is_mapping(fields), fields
    attention = dict(model.get("attention", {}))
    heads, d_model = attention.get("heads"), model.get("d_model")
    if attention.get("kv_heads") == heads:
        attention.pop("kv_heads", None)
    own = attention.get("head_dim")
    if isinstance(heads, int) and isinstance(own, int) and heads * own == d_model:
        attention.pop("head_dim", None)
    if attention:
        model["attention"] = attention
    general = {**model, "attention": {"rope": _default_rope(model), **attention}}
    blocks = {kind: _unlike(own, general) for kind, own in model.pop("blocks", {}).items()}
    if "encoder" in model:
        own = {k: v for k, v in model["encoder"].items() if v != {}}
        model["encoder"] = _unlike(own, model)
    learned = model.get("embedding", {}).get("positions") == "learned"
    rope = attention.get("rope")
    short = without_defaults(model, fields)
    if learned and rope is not None and rope != "none":
        short.setdefault("attention", {})["rope"] = rope  # here the default is none
    _say_for_the_task(short, model, family.defaults.get(data.get("task", ""), {}), fields)
    if blocks:
        short["blocks"] = blocks
    order = [*fields.model_fields]
    order.remove("layers")
    order.insert(order.index("blocks") + 1 if blocks else order.index("d_model") + 1, "layers")
    short = {key: short[key] for key in [*order, *short] if key in short}
    return {key: short if key == "model" else data[key] for key in [*FIRST, *data] if key in data}


def _say_for_the_task(
    short: dict[str, Any],
    model: dict[str, Any],
    own: Mapping[str, Mapping[str, Any]],
    fields: type[BaseModel],
) -> None:
    """Says what differs from the task's own defaults, and nothing that doesn't."""
    for part, defaults in own.items():
        made = dict(short.get(part, {}))
        kinds = get_args(fields.model_fields[part].annotation)
        for kind in kinds[:1]:  # a part that only this task has
            made = without_defaults(made, kind)
        for field in defaults:
            made.pop(field, None)
            if model.get(part, {}).get(field, defaults[field]) != defaults[field]:
                made[field] = model[part][field]
        short.pop(part, None)
        if made:
            short[part] = made


def _default_rope(model: dict[str, Any]) -> Any:
    """The rotary positions of a model that says nothing of them."""
    return {} if model.get("embedding", {}).get("positions", "none") == "none" else "none"


def _unlike(own: Any, general: Any) -> Any:
    """What a kind of block says that the model doesn't say anyway."""
    if not isinstance(own, dict) or not isinstance(general, dict):
        return own
    left = {
        key: _unlike(value, general.get(key) or {})
        for key, value in own.items()
        if general.get(key, "none") != value
    }
    return {key: value for key, value in left.items() if value != {} or own[key] == {}}


def without_defaults(data: dict[str, Any], model: type[BaseModel]) -> dict[str, Any]:
    """A mapping without the fields that have their defaults, inner mappings too."""
    short: dict[str, Any] = {}
    for key, value in data.items():
        field = model.model_fields.get(key)
        if field is None or field.is_required():
            short[key] = value
            continue
        if _is_default(model, key, value):
            continue
        default = field.get_default(call_default_factory=True)
        if isinstance(value, dict) and isinstance(default, BaseModel):
            value = without_defaults(value, type(default))
        short[key] = value
    return short


def _is_default(model: type[BaseModel], key: str, value: Any) -> bool:
    """Whether saying it changes nothing."""
    field = model.model_fields[key]
    default = field.get_default(call_default_factory=True)
    value = None if value == "none" and default is None else value
    if not isinstance(value, dict):
        return isinstance(value, bool) == isinstance(default, bool) and value == default
    try:
        return isinstance(default, BaseModel) and type(default).model_validate(value) == default
    except ValidationError:
        return False


def yaml_lines(data: dict[str, Any], indent: int = 0) -> Iterator[str]:
    """A mapping in lines: in one line what fits, the rest below."""
    space = " " * indent
    for key, value in data.items():
        line = f"{space}{scalar(key)}: {flow(value)}"
        if len(line) <= WIDTH and not (indent == 0 and key == "model"):
            yield line
        elif isinstance(value, dict):
            yield f"{space}{scalar(key)}:"
            yield from yaml_lines(value, indent + 2)
        elif isinstance(value, list):
            yield f"{space}{scalar(key)}:"
            inner = " " * (indent + 2)
            yield from textwrap.wrap(
                flow(value), WIDTH, initial_indent=inner, subsequent_indent=inner + " "
            )
        else:
            yield line


def scalar(value: Any) -> str:
    """A number, a word or a quoted text, as YAML 1.2 reads it back."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        text = repr(value)
        return re.sub(r"e([+-])0*(\d)", lambda m: f"e{m[1].strip('+')}{m[2]}", text)
    if isinstance(value, int):
        return str(value)
    text = str(value)
    if PLAIN.fullmatch(text) and core_scalar(text) == text and text == text.strip():
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(_escaped(character) for character in escaped) + '"'


def flow(value: Any, word: Callable[[Any], str] = scalar) -> str:
    """A value in one line; `word` writes what is neither a mapping nor a list."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{word(k)}: {flow(v, word)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(flow(one, word) for one in value) + "]"
    return word(value)


def _escaped(character: str) -> str:
    return character if character.isprintable() else f"\\U{ord(character):08x}"
