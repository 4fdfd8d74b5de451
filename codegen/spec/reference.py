"""The spec language as JSON Schema and as Markdown, both from the vocabulary itself."""

from __future__ import annotations

import json
import types
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from codegen.spec.atoms import ATOMS
from codegen.spec.scale import NAMES
from codegen.spec.transformer import TransformerSpec

INTRODUCTION = """\
# The spec language

A spec says what is special about a model; every field has a default. Fields are the same in the
generated code, its tests, logs and checkpoints. This page is made by `tgen schema --markdown`.

    name: small_llama
    model:
      d_model: 512
      layers: 8
      attention: {heads: 8, kv_heads: 2}

- `extends: other.yaml` builds on another spec of the project: mappings merge, lists and scalars
  replace.
- `tgen build SPEC --set model.attention.heads=16` overrides one field.
- YAML 1.2: `1e-4` is a number, `no` is text; a key given twice is an error; no tags, no merge keys.
- `norm: rms` is short for `norm: {kind: rms}`; so for `mlp`, `qk_norm`, `optimizer`, `schedule`.
"""


# whose fields are those of sections before
SAID_BEFORE = ("model.blocks", "model.encoder", "model.cross_attention")


def json_schema() -> str:
    """JSON Schema of a spec, with `extends`, for editors."""
    schema = TransformerSpec.model_json_schema()
    schema["title"] = "tgen spec"
    schema["properties"]["extends"] = {
        "type": "string",
        "description": "path of the spec that this one builds on",
    }
    schema["required"] = []
    return json.dumps(schema, indent=2, sort_keys=True) + "\n"


def markdown() -> str:
    """The reference of every field: type, default, meaning."""
    parts = [INTRODUCTION, _section("A spec", TransformerSpec, ""), *_nested(TransformerSpec, "")]
    names = ", ".join(f"`{name}`" for name in NAMES)
    masks = ", ".join(f"`{name}`" for name in ATOMS)
    parts.append(
        "## Expressions\n\n"
        f"A mask is made of {masks},\n"
        "of comparisons over q, k and whole numbers (`q - k < 256`), and of `&`, `|`, `~` and\n"
        "parentheses; `tgen mask` draws it. `causal & window(256)` shows a token itself and the\n"
        "255 before it. Attention is generated for `causal` and `causal & window(n)`.\n\n"
        f"A scale is a number or an expression of {names}, `sqrt(...)` and `+ - * /`.\n"
    )
    return "\n".join(parts)


def _nested(model: type[BaseModel], path: str) -> list[str]:
    """A section for each mapping below a model, depth first."""
    parts = []
    for name, field in model.model_fields.items():
        for inner in models_in(field.annotation):
            place = f"{path}.{name}" if path else name
            if get_origin(field.annotation) is dict:
                place += ".NAME"
            several = len(models_in(field.annotation)) > 1
            kind = inner.model_fields.get("kind")
            title = f"{place} (kind: {kind.default})" if several and kind else place
            parts.append(_section(f"`{title}`", inner, place))
            if not place.startswith(SAID_BEFORE):
                parts += _nested(inner, place)
    return parts


def _section(title: str, model: type[BaseModel], path: str) -> str:
    document = (model.__doc__ or "").strip()
    rows = ["| field | type | default | meaning |", "|---|---|---|---|"]
    for name, field in model.model_fields.items():
        meaning = (field.description or "").replace("|", "\\|")
        rows.append(f"| `{name}` | {type_name(field.annotation)} | {_default(field)} | {meaning} |")
    return f"## {title}\n\n{document}\n\n" + "\n".join(rows) + "\n"


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.default
    if isinstance(value, BaseModel) or value == {}:
        return "below" if isinstance(value, BaseModel) else "none"
    if value is None:
        return "none"
    return (
        f"`{json.dumps(value)}`".replace('"', "")
        if not isinstance(value, float)
        else f"`{value:g}`"
    )


def type_name(annotation: Any) -> str:
    """A type in words."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return type_name(get_args(annotation)[0])
    if origin is Literal:
        return ", ".join(f"`{value}`" for value in get_args(annotation))
    if origin in (Union, types.UnionType):
        members = [a for a in get_args(annotation) if a is not type(None)]
        return " or ".join(dict.fromkeys(type_name(a) for a in members))
    if origin is list:
        return f"list of {type_name(get_args(annotation)[0])}s"
    if origin is dict:
        return "mapping of names"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "mapping"
    return {bool: "true or false", int: "whole number", float: "number", str: "text"}[annotation]


def models_in(annotation: Any) -> list[type[BaseModel]]:
    """The mappings that a field may hold."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [m for argument in get_args(annotation) for m in models_in(argument)]
