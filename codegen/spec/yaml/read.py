"""A spec file and those that it extends -> one tree; what files say of themselves is taken out."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import field
from pathlib import Path

from codegen.errors import Diagnostic, Position, SpecError
from codegen.frozen import frozen
from codegen.spec.close_words import suggestion
from codegen.spec.yaml.characters import word
from codegen.spec.yaml.merging import merge
from codegen.spec.yaml.source import MAX_VALUES, Tree, decode, parse, read_file
from codegen.spec.yaml.versions import take_version

MAX_EXTENDS = 16

Texts = Mapping[Path, str]  # of files that are not on the disk yet, by their resolved paths


@frozen
class ReadSpec:
    """What a spec says, its `variants` aside, and the files that it was read from."""

    tree: Tree
    path: str  # posix, relative to the project
    sources: Mapping[Path, str] = field(default_factory=dict)  # with the sha256 of what was read
    variants: Tree | None = None
    problems: tuple[Diagnostic, ...] = ()  # such as an older version


def read_spec(path: Path, root: Path, texts: Texts | None = None) -> ReadSpec:
    """A spec and all that it extends; SpecError if one can't be read or is no mapping."""
    name = shown(path, root)
    if not name.isprintable():  # it stands in the code that is made of it
        hint = "rename the file or its folder"
        raise SpecError(f"{word(name)}: a path with characters that nobody can read", hint)
    read = _read(path, root, (), texts or {})
    if not isinstance(read.tree.data, dict):
        raise _no_mapping(read)
    return read


def read_text_as_spec(text: str, path: str) -> ReadSpec:
    """A text as if it were the file `path`, which extends nothing."""
    read = _taken_apart(parse(text, path), path, {})
    if not isinstance(read.tree.data, dict):
        raise _no_mapping(read)
    return read


def extended(path: Path, root: Path) -> tuple[Path, ...]:
    """The file that a spec builds on, if it says one and it is there."""
    try:
        data = parse(decode(read_file(path, ""), ""), "").data
        target = data.get("extends") if isinstance(data, dict) else None
        return (_parent(path, root, (path.resolve(),), target, None),)
    except SpecError:
        return ()


def shown(path: Path, root: Path) -> str:
    """The path as people see it: relative to the project, with forward slashes."""
    return Path(os.path.relpath(path.resolve(), root.resolve())).as_posix()


def _no_mapping(read: ReadSpec) -> SpecError:
    where = read.tree.position(()) or Position(read.path, 1, 1)
    hint = "start with `name: my_model`"
    return SpecError(Diagnostic("a spec is a mapping of fields", where, hint))


def _read(
    path: Path, root: Path, seen: tuple[Path, ...], texts: Texts, values: int = 0
) -> ReadSpec:
    name, real = shown(path, root), path.resolve()
    if real in texts:
        text, sources = texts[real], {path: ""}
    else:
        raw = read_file(path, name)
        text, sources = decode(raw, name), {path: hashlib.sha256(raw).hexdigest()}
    tree = parse(text, name)
    values += len(tree.spans)
    if values > MAX_VALUES:
        message = f"with what extends it, the spec has more than {MAX_VALUES:,} values"
        raise SpecError(Diagnostic(message, tree.position(())))
    read = _taken_apart(tree, name, sources)
    here = (*seen, real)
    if not isinstance(read.tree.data, dict) or "extends" not in read.tree.data:
        return read
    target, where = read.tree.data.pop("extends"), read.tree.position(("extends",))
    low = _read(_parent(path, root, here, target, where), root, here, texts, values)
    if isinstance(low.tree.data, dict):
        low.tree.data.pop("name", None)  # a spec has a name of its own, and variants
    elif low.tree.data is not None:
        where = low.tree.position(())
        raise SpecError(Diagnostic("a spec is a mapping of fields", where))
    return ReadSpec(
        merge(low.tree, read.tree),
        name,
        {**read.sources, **low.sources},
        read.variants,
        (*read.problems, *low.problems),
    )


def _taken_apart(tree: Tree, name: str, sources: Mapping[Path, str]) -> ReadSpec:
    """One file's tree without its `version` and `variants`."""
    problems = take_version(tree)
    if not isinstance(tree.data, dict) or "variants" not in tree.data:
        return ReadSpec(tree, name, sources, None, problems)
    spans = {key: tree.spans.pop(key) for key in [*tree.spans] if key[:1] == ("variants",)}
    variants = Tree({"variants": tree.data.pop("variants")}, spans)
    return ReadSpec(tree, name, sources, variants, problems)


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
