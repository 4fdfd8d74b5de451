"""The spec language as Markdown, from the vocabulary itself."""

from __future__ import annotations

import inspect
import json
import types
from collections.abc import Container
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from codegen.spec.checks import MAX_NAME
from codegen.spec.families import FAMILIES, language
from codegen.spec.fields import is_mapping
from codegen.spec.head import SpecHead, Train, Vocabulary
from codegen.spec.owned import is_repeated, tasks_of
from codegen.spec.tasks import TASKS, task_of
from codegen.spec.yaml.field_names import models_in
from codegen.spec.yaml.file_fields import SpecFile
from codegen.spec.yaml.migrations import CHANGES, DEFAULT_CHANGES, LANGUAGE_VERSION
from codegen.spec.yaml.variants import MAX_VARIANTS

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
- `variants: {heads: [4, 8], norm: [layer, rms]}` makes a package of each combination.
- YAML 1.2: `1e-4` is a number, `no` is text; a key given twice is an error; no tags, no merge keys.
- `norm: rms` is short for `norm: {kind: rms}`; the same goes for `mlp`, `qk_norm`, `optimizer` and
  `schedule`.
"""


PLURALS = {
    "text": "texts",
    "value": "values",
    "number": "numbers",
    "whole number": "whole numbers",
    "mapping": "mappings",
    "mapping by name": "mappings by name",
}

VARIANTS = f"""\
## Variants

    name: gpt
    variants:
      heads: [4, 8]
      model.mlp: [{{kind: gated}}, {{kind: plain, d_ff: 3072}}]

makes four packages: `gpt_heads4_mlpgated`, `gpt_heads4_mlpplain_d_ff3072`, `gpt_heads8_mlpgated`
and `gpt_heads8_mlpplain_d_ff3072`. `--set` holds for all of them; `tgen plan SPEC --variant NAME`
chooses one. {MAX_VARIANTS} packages at most.

- A field is written in full (`model.attention.heads`), or by its last name alone. That is the
  nearest field of the name: of the spec, of `model`, of what else is at the top, then of their
  parts and so on. Where two are as near (`bias` of attention, of the MLP, of the head) it must be
  written in full, and so must fields of `blocks`, `encoder` and `cross_attention`.
- A value is said over the spec as `--set` says it: mappings merge, lists and scalars replace.
  `model.norm.kind: [layer, rms]` keeps what the spec says of the norm besides its kind.
- A package is called as its spec, then each field in the order written, with its value: `heads4`.
  - A field goes by its last name (`model.norm.kind` by `norm`), with the name before it where two
    fields would be called the same.
  - Of a value, letters become lower-case, digits stay, and all else becomes `_`. A number goes by
    its value: whole ones in full, others plain or with an exponent, whichever is shorter (`0_1`,
    `3e_4`), with `minus` before negative ones; then `true`, `false`, `none`, and `empty` where
    nothing is left.
  - A list is its values, a mapping its `kind` and then its other fields in alphabetical order, each
    with its value.
- Names that come out the same, or longer than {MAX_NAME} characters, are mistakes.
- `variants` are not inherited through `extends`, as `name` is not. A package depends on its own
  values only: another value in a list changes none of the packages that were there.
"""

VERSIONS = f"""\
## Versions of the language

`version: {LANGUAGE_VERSION}` says for which version of the language a file is written; without it,
that is today's. A file of an older version, or one with an old form, is brought up to date by

    tgen migrate specs/

which changes those characters and no others. A newer one needs a newer tgen.

| version | before | now |
|---|---|---|
"""

TASK_TABLE = """\
## Tasks

What a model is trained to do. A task has fields of its own, which are unknown to specs of others;
fields that only some tasks have say which.

"""


def markdown() -> str:
    """The reference of every field: type, default, meaning."""
    parts = [INTRODUCTION, section("A spec", SpecHead), *_nested(SpecHead, ""), _tasks()]
    parts += [section(f"`data` of `{name}`", task_of(name).data) for name in TASKS]
    known = {one for field in Train.model_fields.values() for one in models_in(field.annotation)}
    for family in FAMILIES:
        spoken = language(family)
        (model,) = models_in(spoken.whole.model_fields["model"].annotation)
        parts += [section(f"`model` of `family: {family}`", model), *_nested(model, "model")]
        (train,) = models_in(spoken.whole.model_fields["train"].annotation)
        if train is not Train:
            title, shared = f"`train` of `family: {family}`", _as_in(train, Train)
            parts += [section(title, train, skip=shared), *_nested(train, "train", known)]
        parts += [spoken.notes()] if spoken.notes else []
    parts += [section("A spec file", SpecFile), VARIANTS, VERSIONS + _changes()]
    return "\n".join(parts)


def _tasks() -> str:
    """A row for each task, with the families whose models can be trained to do it."""
    rows = ["| task | a model that | families |", "|---|---|---|"]
    for name in TASKS:
        having = [family for family in FAMILIES if name in language(family).tasks]
        families = ", ".join(f"`{family}`" for family in having)
        rows.append(f"| `{name}` | {task_of(name).summary} | {families} |")
    return TASK_TABLE + "\n".join(rows) + "\n"


def _as_in(model: type[BaseModel], base: type[BaseModel]) -> set[str]:
    """The fields that a model has as another one has them."""
    known = base.model_fields
    return {
        name
        for name, field in model.model_fields.items()
        if name in known
        and (field.annotation, field.default) == (known[name].annotation, known[name].default)
    }


def _nested(model: type[BaseModel], path: str, known: Container[type[BaseModel]] = ()) -> list[str]:
    """A section for each mapping below a model that is not known, depth first."""
    parts = []
    for name, field in model.model_fields.items():
        for inner in models_in(field.annotation):
            if inner in known or inner is Vocabulary:  # of which each task has its own
                continue
            place = f"{path}.{name}" if path else name
            if get_origin(field.annotation) is dict:
                place += ".NAME"
            several = len(models_in(field.annotation)) > 1
            kind = inner.model_fields.get("kind")
            title = f"{place} (kind: {kind.default})" if several and kind else place
            parts.append(section(f"`{title}`", inner))
            if not is_repeated(field):
                parts += _nested(inner, place)
    return parts


def _changes() -> str:
    """A row for each change of the language."""
    rows = [(change.version, change.old, change.new) for change in CHANGES if not change.values]
    for change in CHANGES:
        rows += [
            (change.version, f"{change.old}: {a}", f"{change.new}: {b}") for a, b in change.values
        ]
    for of in DEFAULT_CHANGES:
        was, now = (json.dumps(value) for value in (of.was, of.now))
        rows.append((of.version, f"{of.field}: {was}", f"{of.field}: {now} by default"))
    return "".join(f"| {version} | `{old}` | `{new}` |\n" for version, old, new in sorted(rows))


def section(title: str, model: type[BaseModel], skip: Container[str] = ()) -> str:
    """A vocabulary's fields, some aside, as a table below a title."""
    document = inspect.cleandoc(model.__doc__ or "")
    fields = {name: one for name, one in model.model_fields.items() if name not in skip}
    if not fields:
        return f"## {title}\n\n{document} It has no fields.\n"
    rows = ["| field | type | default | meaning |", "|---|---|---|---|"]
    for name, field in fields.items():
        meaning = (field.description or "its word").replace("|", "\\|")
        if tasks := tasks_of(field):
            meaning += f" ({', '.join(f'`{task}`' for task in tasks)})"
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
        names = dict.fromkeys(type_name(a) for a in members)
        return " or ".join(sorted(names, key=lambda name: name.startswith("list of")))
    if origin is list:
        members = type_name(get_args(annotation)[0]).split(" or ")
        several = " or ".join(PLURALS.get(one, one) for one in members)
        return f"list of ({several})" if members[1:] else f"list of {several}"
    if origin is dict:
        return "mapping by name"
    if annotation is Any:
        return "value"
    if is_mapping(annotation):
        return "mapping"
    return {bool: "true or false", int: "whole number", float: "number", str: "text"}[annotation]
