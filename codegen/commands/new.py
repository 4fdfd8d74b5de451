"""`tgen new`: a spec that starts from another, of this project, of another or of tgen's own."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator, Sequence
from functools import reduce
from pathlib import Path
from typing import Any

import yaml

from codegen.commands.asked import project_of, spec_asked
from codegen.emit.disk import output_errors
from codegen.errors import SpecError, TgenError
from codegen.importers.network_text import network_text
from codegen.importers.spec_text import flow
from codegen.project import SPEC_SUFFIXES, Project, examples_folder
from codegen.spec import BrokenVariant, load_specs, parsed_overrides
from codegen.spec.checks import check_name
from codegen.spec.close_words import suggestion
from codegen.spec.yaml.merging import merge
from codegen.spec.yaml.read import read_spec
from codegen.spec.yaml.source import Key, Tree, decode, parse, read_file


def write_variant(name: str, start: Path, overrides: Sequence[str], project: Project) -> Path:
    """Writes NAME.yaml and returns its path; TgenError leaves nothing behind.

    `start` is the path of a spec or the name of one, the project's before tgen's own. The new one
    extends a spec that this project can reach; of another's it is a copy among the project's specs.
    """
    check_new_name(name, "new")
    parent = spec_called(start, project)
    own = project_of([parent]).root
    load_specs(parent, own)
    said = reduce(merge, parsed_overrides(parent, own, overrides), Tree(data={}))
    path, root, text = variant_text(name, parent, said, project)
    if os.path.lexists(path):
        raise TgenError(f"{path} exists already", hint="choose another name, or edit it")
    for made in load_specs(path, root, texts={path.resolve(): text}):
        if isinstance(made, BrokenVariant):
            raise made.error
    with output_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "x", encoding="utf-8", newline="\n") as file:  # through no link
            file.write(text)
    return path


def check_new_name(name: str, command: str) -> None:
    """TgenError if no package can be called that."""
    for finding in check_name(name):
        raise TgenError(f"tgen {command} {name}: {finding.message}", finding.hint)


def variant_text(name: str, parent: Path, said: Tree, project: Project) -> tuple[Path, Path, str]:
    """Where a spec goes that says this otherwise than another, whose project it is of, its text."""
    own = project_of([parent]).root
    if project.holds(parent):
        return parent.parent / f"{name}.yaml", own, _extending(parent, name, said)
    return project.specs / f"{name}.yaml", project.root, _copied(parent, own, name, said)


def spec_called(start: Path, project: Project) -> Path:
    """The spec at a path, or else of a name: the project's, or one that comes with tgen."""
    path = spec_asked(start)
    if path.is_file() or path.suffix not in ("", *SPEC_SUFFIXES) or len(path.parts) > 1:
        return path
    own = {p.stem: p for p in project.specs.rglob("*") if p.suffix in SPEC_SUFFIXES}
    known = {p.stem: p for p in sorted(examples_folder().glob("*.yaml"))} | own
    if path.stem not in known:
        hint = suggestion(path.stem, known) or f"tgen's own are {', '.join(sorted(known))}"
        raise SpecError(f"no spec at {path}, and none of this name", hint=hint)
    return known[path.stem]


def _extending(parent: Path, name: str, said: Tree) -> str:
    head = {"name": name, "extends": Path(os.path.relpath(parent, parent.parent)).as_posix()}
    return yaml.safe_dump({**head, **said.data}, sort_keys=False, default_flow_style=False)


def _copied(parent: Path, root: Path, name: str, said: Tree) -> str:
    """The spec's own text with what is said otherwise; all anew where that takes more."""
    text = decode(read_file(parent, str(parent)), str(parent))
    tree = parse(text, str(parent))
    high = merge(said, Tree({"name": name}))
    whole = merge(read_spec(parent, root).tree, high).data
    changed = _replaced(text, tree, high.data)
    if parse(changed, name).data == whole:
        return changed
    comment = "\n".join(itertools.takewhile(_is_comment, text.splitlines()))
    return network_text(name, whole, comment.removeprefix("# ") or f"As {parent.stem}")


def _replaced(text: str, tree: Tree, said: Any) -> str:
    """A text with other values where it has some that are neither mappings nor lists."""
    places = []
    for key, value in _values(said, ()):
        span = tree.spans.get(key)
        if span and span.value_at:
            places.append((span.value_at, flow(value)))
    for (first, end), value in sorted(places, reverse=True):
        text = text[:first] + value + text[end:]
    return text


def _values(said: Any, key: Key) -> Iterator[tuple[Key, Any]]:
    if isinstance(said, dict):
        for name, inner in said.items():
            yield from _values(inner, (*key, name))
    else:
        yield key, said


def _is_comment(line: str) -> bool:
    return line.startswith("#")
