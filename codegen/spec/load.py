"""A spec file -> Spec: `extends` and overrides resolved, every mistake reported at its place."""

from __future__ import annotations

import copy
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from codegen.errors import Diagnostic, Position, SpecError
from codegen.spec.characters import word
from codegen.spec.checks import CHECKS, check_name
from codegen.spec.diagnose import diagnose, path_of, show, suggestion
from codegen.spec.finding import Finding
from codegen.spec.source import (
    MAX_DEPTH,
    MAX_VALUES,
    Key,
    Span,
    Tree,
    parse,
    read_text,
    spec_error,
)
from codegen.spec.transformer import TransformerSpec

Spec = TransformerSpec  # the union of the families

FAMILIES: dict[str, type[TransformerSpec]] = {"transformer": TransformerSpec}

MAX_EXTENDS = 16


@dataclass(frozen=True)
class LoadedSpec:
    """A valid spec, where each of its values stands, and the files it was read from."""

    spec: Spec
    path: str  # posix, relative to the project
    tree: Tree
    sources: tuple[Path, ...]


def load_spec(path: Path, root: Path, overrides: Iterable[str] = ()) -> LoadedSpec:
    """Reads one spec; SpecError with all its mistakes. `overrides` are texts such as `a.b=c`."""
    name = shown(path, root)
    if not name.isprintable():  # it stands in the code that is made of it
        hint = "rename the file or its folder"
        raise SpecError(f"{word(name)}: a path with characters that nobody can read", hint)
    tree, sources = _read_with_extends(path, root, ())
    if not isinstance(tree.data, dict):
        where = tree.position(()) or Position(name, 1, 1)
        hint = "start with `name: my_model`"
        raise SpecError(Diagnostic("a spec is a mapping of fields", where, hint))
    problems: list[Diagnostic] = []
    for override in overrides:
        try:
            tree = merge(tree, parse_override(override))
        except SpecError as error:
            problems += error.diagnostics
    if problems:
        raise SpecError(problems)
    return LoadedSpec(_validate(tree), name, tree, sources)


def load_text(text: str, path: str) -> LoadedSpec:
    """A spec that is not on the disk yet; `path` is where it will be, relative to the project."""
    tree = parse(text, path)
    return LoadedSpec(_validate(tree), path, tree, ())


def shown(path: Path, root: Path) -> str:
    """The path as people see it: relative to the project, with forward slashes."""
    return Path(os.path.relpath(path.resolve(), root.resolve())).as_posix()


def parse_override(text: str) -> Tree:
    """`model.attention.heads=16` as a tree of one value; SpecError if it is no such thing."""
    name, equals, value = text.partition("=")
    keys = tuple(name.strip().split("."))
    source = f"--set {name.strip()}"
    if not equals or not all(keys) or len(keys) > MAX_DEPTH:
        hint = "write --set model.attention.heads=16"
        raise SpecError(f"--set {word(text)}: expected field=value", hint=hint)
    parsed = parse(value.strip(), source)
    tree = Tree(data=parsed.data, spans={keys + key: span for key, span in parsed.spans.items()})
    name_position = Position(source, 1, 1, name.strip(), len(name.strip()))
    for end in range(len(keys), 0, -1):
        tree.data = {keys[end - 1]: tree.data}
        span = tree.spans.get(keys[:end], Span(name_position))
        tree.spans[keys[:end]] = replace(span, key=name_position)
    return tree


def merge(low: Tree, high: Tree) -> Tree:
    """`high` over `low`: mappings merge, lists and scalars replace."""
    spans: dict[Key, Span] = {}

    def take(tree: Tree, value: Any, key: Key) -> Any:
        if key in tree.spans:
            spans[key] = tree.spans[key]
        if isinstance(value, dict | list):
            for step, inner in value.items() if isinstance(value, dict) else enumerate(value):
                take(tree, inner, (*key, step))
        return value

    def walk(a: Any, b: Any, key: Key) -> Any:
        if not isinstance(a, dict) or not isinstance(b, dict):
            return take(high, b, key)
        if span := low.spans.get(key) or high.spans.get(key):
            spans[key] = span
        merged: dict[str, Any] = {}
        for name in {**a, **b}:
            child = (*key, name)
            if name in a and name in b:
                merged[name] = walk(a[name], b[name], child)
            else:
                merged[name] = take(*((low, a[name]) if name in a else (high, b[name])), child)
        return merged

    data = walk(low.data, high.data, ())
    spans[()] = high.spans.get((), spans.get((), Span(Position("", 1, 1))))
    return Tree(data, spans)


def _read_with_extends(
    path: Path, root: Path, seen: tuple[Path, ...], values: int = 0
) -> tuple[Tree, tuple[Path, ...]]:
    name = shown(path, root)
    tree = parse(read_text(path, name), name)
    values += len(tree.spans)
    if values > MAX_VALUES:
        message = f"with what extends it, the spec has more than {MAX_VALUES:,} values"
        raise SpecError(Diagnostic(message, tree.position(())))
    here = (*seen, path.resolve())
    if not isinstance(tree.data, dict) or "extends" not in tree.data:
        return tree, (path,)
    other = _parent(path, root, here, tree.data.pop("extends"), tree.position(("extends",)))
    low, sources = _read_with_extends(other, root, here, values)
    if isinstance(low.data, dict):
        low.data.pop("name", None)  # a variant has a name of its own
    elif low.data is not None:
        where = low.position(())
        raise SpecError(Diagnostic("a spec is a mapping of fields", where))
    return merge(low, tree), (path, *sources)


def _parent(
    path: Path, root: Path, here: tuple[Path, ...], target: object, position: Position | None
) -> Path:
    """The file that `extends` names, inside the project and not one that led here."""
    if not isinstance(target, str) or not target:
        raise SpecError(Diagnostic("`extends` takes the path of one spec", position))
    try:
        other = (path.parent / target).resolve()
        exists = other.is_file()
    except (OSError, ValueError, RuntimeError):  # too long, a NUL byte, a circle of links
        other, exists = path, False
    if not other.is_relative_to(root.resolve()):
        message = f"`extends: {word(target)}` leads outside the project"
        raise SpecError(Diagnostic(message, position))
    if exists and other in here:
        chain = " -> ".join(shown(p, root) for p in (*here, other))
        raise SpecError(Diagnostic(f"`extends` goes in a circle: {chain}", position))
    if len(here) > MAX_EXTENDS:
        raise SpecError(Diagnostic(f"more than {MAX_EXTENDS} `extends` in a row", position))
    if not exists:
        hint = suggestion(target, [p.name for p in path.parent.glob("*.yaml") if p != path])
        raise SpecError(Diagnostic(f"`extends: {word(target)}`: no such file", position, hint))
    return other


def _validate(tree: Tree) -> Spec:
    """The typed spec; what is wrong with single fields and with their combination, all at once."""
    data: Mapping[str, Any] = tree.data
    family = data.get("family", "transformer")
    problems: list[Diagnostic] = []
    if not isinstance(family, str) or family not in FAMILIES:
        message = f"unknown family, got {show(family)}"
        hint = suggestion(str(family), FAMILIES) or f"one of: {', '.join(FAMILIES)}"
        problems.append(Diagnostic(message, tree.position(("family",)), hint))
        data = {**data, "family": "transformer"}
        family = "transformer"
    model = FAMILIES[family]
    if isinstance(data.get("name"), str):
        problems += [_place(tree, finding) for finding in check_name(data["name"])]
    spec: Spec | None = None
    try:
        spec = model.model_validate(data)
    except ValidationError as error:
        problems += diagnose(error, tree, model)
        spec = _salvage(model, data, error)
    if spec is not None:
        problems += [_place(tree, finding) for check in CHECKS[family] for finding in check(spec)]
    if problems or spec is None:
        raise spec_error(problems)
    return spec


def _place(tree: Tree, finding: Finding) -> Diagnostic:
    where = tree.position(finding.key)
    if finding.at is not None:
        where = tree.character(finding.key, *finding.at)
    return Diagnostic(finding.message, where, finding.hint)


def _salvage(model: type[Spec], data: Mapping[str, Any], error: ValidationError) -> Spec | None:
    """The spec without its wrong fields, so that the checks of combinations still run."""
    if any(p["type"] == "too_long" and isinstance(p["input"], dict) for p in error.errors()):
        return None  # without its kinds of blocks, all that names them would look wrong
    rest = copy.deepcopy(dict(data))
    wrong = {path_of(problem["loc"], data) for problem in error.errors()}
    for *parents, last in sorted((path for path in wrong if path), key=len, reverse=True):
        at: Any = rest
        for parent in parents:
            at = at[parent]
        if isinstance(at, dict):
            at.pop(last, None)
    rest.setdefault("name", "unnamed")
    try:
        return model.model_validate(rest)
    except ValidationError:
        return None
