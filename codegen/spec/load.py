"""A spec file -> Spec: `extends` resolved, overrides applied, every mistake reported at its place."""

from __future__ import annotations

import copy
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from codegen.errors import Diagnostic, Position, SpecError
from codegen.spec.checks import CHECKS, Finding, check_name
from codegen.spec.diagnose import diagnose, path_of, suggestion
from codegen.spec.source import Key, Span, Tree, parse, read_text
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
    tree, sources = _read_with_extends(path, root, ())
    for override in overrides:
        tree = merge(tree, parse_override(override))
    if not isinstance(tree.data, dict):
        where = tree.position(()) or Position(shown(path, root), 1, 1)
        hint = "start with `name: my_model`"
        raise SpecError(Diagnostic("a spec is a mapping of fields", where, hint))
    return LoadedSpec(_validate(tree), shown(path, root), tree, sources)


def shown(path: Path, root: Path) -> str:
    """The path as people see it: relative to the project, with forward slashes."""
    return Path(os.path.relpath(path.resolve(), root.resolve())).as_posix()


def parse_override(text: str) -> Tree:
    """`model.attention.heads=16` as a tree of one value; SpecError if it is no such thing."""
    name, equals, value = text.partition("=")
    keys = tuple(name.strip().split("."))
    source = f"--set {name.strip()}"
    if not equals or not all(keys):
        hint = "write --set model.attention.heads=16"
        raise SpecError(f"--set {text}: expected field=value", hint=hint)
    parsed = parse(value.strip(), source)
    tree = Tree(data=parsed.data, spans={keys + key: span for key, span in parsed.spans.items()})
    name_position = Position(source, 1, 1, name.strip(), len(name.strip()))
    for end in range(len(keys), 0, -1):
        tree.data = {keys[end - 1]: tree.data}
        value_span = tree.spans.get(keys[:end], Span(name_position)).value
        tree.spans[keys[:end]] = Span(value_span, name_position)
    return tree


def merge(low: Tree, high: Tree) -> Tree:
    """`high` over `low`: mappings merge, lists and scalars replace."""
    spans = dict(low.spans)

    def walk(a: Any, b: Any, key: Key) -> Any:
        if isinstance(a, dict) and isinstance(b, dict):
            merged = dict(a)
            for name, value in b.items():
                child = (*key, name)
                if name in a:
                    merged[name] = walk(a[name], value, child)
                else:
                    merged[name] = value
                    adopt(child)
            return merged
        adopt(key)
        return b

    def adopt(key: Key) -> None:
        for old in [k for k in spans if k[: len(key)] == key]:
            del spans[old]
        spans.update({k: s for k, s in high.spans.items() if k[: len(key)] == key})

    data = walk(low.data, high.data, ())
    spans[()] = high.spans.get((), spans.get((), Span(Position("", 1, 1))))
    return Tree(data, spans)


def _read_with_extends(
    path: Path, root: Path, seen: tuple[Path, ...]
) -> tuple[Tree, tuple[Path, ...]]:
    name = shown(path, root)
    tree = parse(read_text(path, name), name)
    here = (*seen, path.resolve())
    if not isinstance(tree.data, dict) or "extends" not in tree.data:
        return tree, (path,)
    position = tree.position(("extends",))
    target = tree.data.pop("extends")
    if not isinstance(target, str) or not target:
        raise SpecError(Diagnostic("`extends` takes the path of one spec", position))
    other = (path.parent / target).resolve()
    if not other.is_relative_to(root.resolve()):
        raise SpecError(Diagnostic(f"`extends: {target}` leads outside the project", position))
    if other in here or len(here) > MAX_EXTENDS:
        chain = " -> ".join(shown(p, root) for p in (*here, other))
        raise SpecError(Diagnostic(f"`extends` goes in a circle: {chain}", position))
    if not other.is_file():
        hint = suggestion(target, [p.name for p in path.parent.glob("*.yaml") if p != path])
        raise SpecError(Diagnostic(f"`extends: {target}`: no such file", position, hint))
    low, sources = _read_with_extends(other, root, here)
    # A variant has a name of its own; the family's word for its parent is not inherited.
    low.data.pop("name", None) if isinstance(low.data, dict) else None
    return merge(low, tree), (path, *sources)


def _validate(tree: Tree) -> Spec:
    """The typed spec; what is wrong with single fields and with their combination, all at once."""
    data: Mapping[str, Any] = tree.data
    family = data.get("family", "transformer")
    problems: list[Diagnostic] = []
    if family not in FAMILIES:
        message = f"unknown family `{family}`"
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
        order = sorted(set(problems), key=_order)
        raise SpecError(order)
    return spec


def _order(problem: Diagnostic) -> tuple[str, int, int]:
    at = problem.position
    return (at.path, at.line, at.column) if at else ("", 0, 0)


def _place(tree: Tree, finding: Finding) -> Diagnostic:
    return Diagnostic(finding.message, tree.position(finding.key), finding.hint)


def _salvage(model: type[Spec], data: Mapping[str, Any], error: ValidationError) -> Spec | None:
    """The spec without its wrong fields, so that the checks of combinations still run."""
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
