"""A spec's data -> the YAML that a person would have written."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Iterator, Mapping
from typing import Any, get_args

from pydantic import BaseModel

from codegen.importers.derived import (
    attention_in_short,
    head_in_short,
    image_in_short,
    mlp_in_short,
)
from codegen.importers.layers import in_short
from codegen.importers.unsaid import without_defaults
from codegen.spec.families import DEFAULT, language
from codegen.spec.fields import is_mapping
from codegen.spec.language import FamilyLanguage
from codegen.spec.transformer.vocabulary import Block
from codegen.spec.yaml.source import core_scalar

WIDTH = 88
KEPT = "\0"  # a space within an item, where no line ends
PLAIN = re.compile(r"[A-Za-z_][\w ()&|~<>=.*/+-]*")
FIRST = ("name", "family", "task", "extends")


def spec_text(name: str, data: dict[str, Any], comment: str) -> str:
    """The text of a spec: what is the vocabulary's default left out, in the vocabulary's order."""
    said = shortened({"name": name, **data}, language(data.get("family", DEFAULT)))
    lines = [f"# {comment}", *_lines(said, 0)]
    return "\n".join(lines) + "\n"


def shortened(data: dict[str, Any], family: FamilyLanguage) -> dict[str, Any]:
    """Without what goes without saying, and in order."""
    model = dict(data.get("model", {}))
    fields = family.whole.model_fields["model"].annotation
    assert is_mapping(fields), fields
    d_model = model.get("d_model", fields.model_fields["d_model"].default)
    attention = attention_in_short(model.get("attention", {}), d_model)
    if attention:
        model["attention"] = attention
    general = {**model, "attention": {"rope": _default_rope(model), **attention}}
    blocks = {kind: _unlike(own, general) for kind, own in model.pop("blocks", {}).items()}
    learned = model.get("embedding", {}).get("positions") == "learned"
    if "encoder" in model:
        model["encoder"] = _encoder_in_short(model["encoder"], model, blocks)
        if not model["encoder"]:
            del model["encoder"]
    rope = attention.get("rope")
    own = [kind["mlp"] for kind in (*blocks.values(), model.get("encoder", {})) if "mlp" in kind]
    parts = {
        "mlp": lambda mlp: mlp_in_short(mlp, own, d_model),
        "head": lambda head: head_in_short(head, model.get("embedding", {}), d_model),
        "image": image_in_short,
    }
    model |= {name: short(model[name]) for name, short in parts.items() if name in model}
    short = without_defaults(model, fields)
    blocks = {
        kind: _short_block(own, short, d_model, learned=learned) for kind, own in blocks.items()
    }
    if learned and rope is not None and rope != "none":
        short.setdefault("attention", {})["rope"] = rope  # here the default is none
    _say_for_the_task(short, model, family.defaults.get(data.get("task", ""), {}), fields)
    if blocks:
        short["blocks"] = blocks
    order = [*fields.model_fields]
    order.remove("layers")
    order.insert(order.index("blocks") + 1 if blocks else order.index("d_model") + 1, "layers")
    short = {key: short[key] for key in [*order, *short] if key in short}
    data = {key: short if key == "model" else value for key, value in data.items()}
    if data.get("task") == family.whole.model_fields["task"].default:
        del data["task"]
    return {key: data[key] for key in [*FIRST, *data] if key in data}


def _short_block(own: Any, short: dict[str, Any], d_model: int, *, learned: bool) -> Any:
    """What a kind of block says, without the defaults of what the model doesn't say either."""
    if not isinstance(own, dict):
        return own
    attention = {"rope": "none", **short.get("attention", {})} if learned else None
    over = {**short, "attention": attention} if attention else short
    if "attention" in own and not {"heads", "head_dim"} & over.get("attention", {}).keys():
        own = {**own, "attention": attention_in_short(own["attention"], d_model)}
    return without_defaults(own, Block, over)


def _encoder_in_short(
    encoder: Mapping[str, Any], model: Mapping[str, Any], blocks: Mapping[str, Any]
) -> dict[str, Any]:
    """What an encoder says that its decoder doesn't; it attends by `padding` if nothing else."""
    own = {key: value for key, value in encoder.items() if value != {}}
    if isinstance(own.get("layers"), list) and all(isinstance(one, str) for one in own["layers"]):
        own["layers"] = in_short(own["layers"])
        if own["layers"] == model.get("layers"):
            del own["layers"]
    short: dict[str, Any] = _unlike(own, model)
    for kind, block in dict(short.get("blocks", {})).items():
        said = blocks.get(kind, {}).get("attention", {}).get("mask")
        if said is None and block.get("attention") == {"mask": "padding"}:
            short["blocks"] = {**short["blocks"], kind: _without(block, "attention")}
    return short


def _without(data: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in data.items() if key != name}


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


def _lines(data: dict[str, Any], indent: int) -> Iterator[str]:
    """A mapping in lines: in one line what fits, the rest below."""
    space = " " * indent
    for key, value in data.items():
        line = f"{space}{scalar(key)}: {flow(value)}"
        if len(line) <= WIDTH and not (indent == 0 and key == "model"):
            yield line
        elif isinstance(value, dict):
            yield f"{space}{scalar(key)}:"
            yield from _lines(value, indent + 2)
        elif isinstance(value, list):
            yield f"{space}{scalar(key)}:"
            inner = " " * (indent + 2)
            items = [flow(one).replace(" ", KEPT) for one in value]
            lines = textwrap.wrap(
                f"[{', '.join(items)}]", WIDTH, initial_indent=inner, subsequent_indent=inner + " "
            )
            yield from (wrapped.replace(KEPT, " ") for wrapped in lines)
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
        if value >= 1e4 and value.is_integer():
            digits = str(int(value))
            first, rest = digits[0], digits[1:].rstrip("0")
            text = f"{first}.{rest}e{len(digits) - 1}" if rest else f"{first}e{len(digits) - 1}"
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
