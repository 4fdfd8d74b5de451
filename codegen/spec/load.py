"""A spec file -> Specs: overrides and variants resolved, every mistake reported at its place."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property, reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from codegen.errors import Diagnostic, SpecError
from codegen.frozen import frozen
from codegen.spec.checks import CHECKS, check_name
from codegen.spec.close_words import suggestion
from codegen.spec.diagnose import diagnose, path_of, show
from codegen.spec.families import DEFAULT, FAMILIES, language
from codegen.spec.head import SpecHead
from codegen.spec.language import FamilyLanguage
from codegen.spec.mistake import Mistake
from codegen.spec.tasks import task_of
from codegen.spec.yaml.blame import Alone, blamed
from codegen.spec.yaml.characters import word
from codegen.spec.yaml.merging import merge, parse_override
from codegen.spec.yaml.overrides import in_full
from codegen.spec.yaml.read import ReadSpec, Texts, read_spec, read_text_as_spec
from codegen.spec.yaml.source import Tree, spec_error
from codegen.spec.yaml.variants import Choice, Point, check_overrides, point_name, points_of

if TYPE_CHECKING:
    from codegen.spec.network.own_code import OwnCode

MAX_NAMED = 4  # variants that a message lists


@frozen
class LoadedSpec:
    """A valid spec, where each of its values stands, and the files it was read from."""

    spec: SpecHead
    path: str  # posix, relative to the project; of a variant, its file
    tree: Tree
    sources: Mapping[Path, str]  # its own file first, with the sha256 of what was read
    code: OwnCode | None = None  # of the user's own, that it names


@frozen
class BrokenVariant:
    """A variant that no model can be: the name that its package would have, and what is wrong."""

    name: str
    error: SpecError


def load_specs(
    path: Path, root: Path, overrides: Iterable[str] = (), texts: Texts | None = None
) -> tuple[LoadedSpec | BrokenVariant, ...]:
    """What one file says: a spec, or one for each combination of its `variants`.

    A variant that is wrong does not stop the others; SpecError with all mistakes if nothing is
    right. `overrides` are texts such as `a.b=c`, `texts` what files are read as instead.
    """
    read = read_spec(path, root, texts)
    said = _Said(read, _parsed(overrides, read.tree), path, root)
    if said.read.variants is None:
        return (said.loaded(),)
    made = tuple(map(said.at, said.points(said.read.variants)))
    broken = [one for one in made if isinstance(one, BrokenVariant)]
    if len(broken) == len(made):
        raise spec_error(problem for one in broken for problem in one.error.diagnostics)
    return made


def load_spec(
    path: Path,
    root: Path,
    overrides: Iterable[str] = (),
    variant: str | None = None,
    texts: Texts | None = None,
) -> LoadedSpec:
    """Reads one spec; SpecError with all its mistakes. Of a spec with variants, the one named."""
    read = read_spec(path, root, texts)
    said = _Said(read, _parsed(overrides, read.tree), path, root)
    if said.read.variants is None:
        if variant is not None:
            raise SpecError(f"{said.read.path} has no `variants`, so no `{word(variant)}`")
        return said.loaded()
    points = {point.name: point for point in said.points(said.read.variants)}
    if variant not in points:
        raise _which(said.read.variants, list(points), variant)
    made = said.at(points[variant])
    if isinstance(made, BrokenVariant):
        raise made.error
    return made


def load_text(text: str, path: str) -> LoadedSpec:
    """A spec that is not on the disk yet; `path` is where it will be, relative to the project."""
    return _Said(read_text_as_spec(text, path), (), Path(path)).loaded()


def _which(variants: Tree, names: Sequence[str], wanted: str | None) -> SpecError:
    where = variants.position(("variants",), of_key=True)
    some = ", ".join(names[:MAX_NAMED]) + (", ..." if len(names) > MAX_NAMED else "")
    if wanted is not None:
        hint = suggestion(wanted, names) or f"known: {some}"
        return SpecError(Diagnostic(f"no variant `{word(wanted)}`", where, hint))
    message = f"one package is asked for, and this spec's `variants` make {len(names)}: {some}"
    return SpecError(Diagnostic(message, where, f"choose one, as in --variant {names[0]}"))


def parsed_overrides(path: Path, root: Path, overrides: Iterable[str]) -> list[Tree]:
    """What texts such as `layers=4` say of a spec, their fields in full."""
    return _parsed(overrides, read_spec(path, root).tree)


def _parsed(overrides: Iterable[str], over: Tree) -> list[Tree]:
    trees: list[Tree] = []
    problems: list[Diagnostic] = []
    for override in overrides:
        try:
            trees.append(parse_override(override))
        except SpecError as error:
            problems += error.diagnostics
    model = _vocabulary(reduce(merge, trees, over).data)
    for at, tree in enumerate(trees):
        try:
            trees[at] = in_full(tree, model)
        except SpecError as error:
            problems += error.diagnostics
    if problems:
        raise SpecError(problems)
    return trees


def _vocabulary(data: Mapping[str, Any]) -> type[SpecHead]:
    """What the fields of a spec are, by its family and task."""
    family = data.get("family", DEFAULT)
    known = isinstance(family, str) and family in FAMILIES
    return language(family if known else DEFAULT).spec_of(data)


@frozen
class _Said:
    """What a file and the command line say, over which variants say more."""

    read: ReadSpec
    sets: Sequence[Tree]
    path: Path
    root: Path | None = None  # the project's folder, if there is one

    def tree(self, choices: Sequence[Choice] = ()) -> Tree:
        """The file, over it what a variant chooses, over it what the command line says."""
        trees = (*(choice.tree for choice in choices), *self.sets)
        merged = reduce(merge, trees, self.read.tree)
        name = merged.data.get("name")
        if choices and isinstance(name, str) and not list(check_name(name)):
            merged.data["name"] = point_name(name, choices)
        return merged

    def loaded(self, choices: Sequence[Choice] = ()) -> LoadedSpec:
        """The spec with these choices; SpecError with all its mistakes."""
        tree, read = self.tree(choices), self.read
        spec = _validate(tree, read.problems)
        reads = language(spec.family).code
        code = reads(spec, tree, self.path, self.root) if reads and self.root else None
        sources = {**read.sources, **(code.sources if code else {})}
        return LoadedSpec(spec, read.path, tree, sources, code)

    def problems(self, choices: Sequence[Choice] = ()) -> tuple[Diagnostic, ...]:
        """All mistakes of the spec with these choices."""
        try:
            self.loaded(choices)
        except SpecError as error:
            return error.diagnostics
        return ()

    @cached_property
    def alone(self) -> Alone:
        """The spec without its variants."""
        spans = self.tree().spans.values()
        return Alone(
            frozenset(at for span in spans for at in (span.value, span.key)),
            frozenset(self.problems()),
        )

    def points(self, variants: Tree) -> tuple[Point, ...]:
        """The variants of the spec; SpecError if they are none, or `--set` would undo one."""
        data = self.tree().data
        spec = _vocabulary(data)
        points = points_of(variants, str(data.get("name", "unnamed")), spec)
        for point in points:
            check_overrides(point, self.tree(point.choices))
        return points

    def at(self, point: Point) -> LoadedSpec | BrokenVariant:
        """One variant, or what is wrong with it."""
        try:
            return self.loaded(point.choices)
        except SpecError as error:
            found = blamed(error.diagnostics, point.choices, self.alone, self.problems)
            return BrokenVariant(point.name, spec_error(found))


def _validate(tree: Tree, known: Iterable[Diagnostic] = ()) -> SpecHead:
    """The typed spec; what is wrong with single fields and with their combination, all at once."""
    data: Mapping[str, Any] = tree.data
    family = data.get("family", DEFAULT)
    problems: list[Diagnostic] = list(known)
    if not isinstance(family, str) or family not in FAMILIES:
        from codegen.spec.hints.words import word_hint  # which right specs never need

        message = f"unknown family, got {show(family)}"
        hint = word_hint(family, "family", FAMILIES, DEFAULT) or f"one of: {', '.join(FAMILIES)}"
        problems.append(Diagnostic(message, tree.position(("family",)), hint))
        data = {**data, "family": DEFAULT}
        family = DEFAULT
    spoken = language(family)
    model = spoken.spec_of(data)
    if data.get("name") and isinstance(data["name"], str):
        problems += [_place(tree, finding) for finding in check_name(data["name"])]
    spec: SpecHead | None = None
    try:
        spec = model.model_validate(data)
    except ValidationError as error:
        problems += diagnose(error, tree, model)
        spec = _salvage(spoken, data, error)
    if spec is not None:
        checks = (*CHECKS, *spoken.checks, *task_of(spec.task).checks)
        problems += [_place(tree, finding) for check in checks for finding in check(spec)]
    if problems or spec is None:
        raise spec_error(problems)
    return spec


def _place(tree: Tree, finding: Mistake) -> Diagnostic:
    where = tree.position(finding.key)
    if finding.at is not None:
        where = tree.character(finding.key, *finding.at)
    return Diagnostic(finding.message, where, finding.hint)


def _salvage(
    spoken: FamilyLanguage, data: Mapping[str, Any], error: ValidationError
) -> SpecHead | None:
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
        return spoken.spec_of(rest).model_validate(rest)
    except ValidationError:
        return None
