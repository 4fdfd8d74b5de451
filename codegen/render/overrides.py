"""Templates of a project's own: which of tgen's they stand for, checked before any is rendered."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import jinja2
from jinja2 import nodes

from codegen.errors import Diagnostic, Position, TgenError
from codegen.frozen import frozen
from codegen.project import Project, template_files, templates_folder
from codegen.render.template_errors import line_diagnostic

ORIGINALS = "tgen"  # `tgen/transformer/mlp.py.jinja` is tgen's own, whatever stands for it
NO_TEMPLATES = ("README.md",)


@frozen
class Reference:
    """A template that another includes, imports or extends; no name where that is computed."""

    name: str | None
    line: int
    required: bool = True


def loader(own: Path, overrides: Path | None) -> jinja2.BaseLoader:
    """tgen's templates; before them those of `overrides`, which reach ours as `tgen/NAME`."""
    ours = jinja2.FileSystemLoader(own)
    if overrides is None:
        return ours
    originals = jinja2.PrefixLoader({ORIGINALS: ours})
    return jinja2.ChoiceLoader([originals, jinja2.FileSystemLoader(overrides), ours])


Stamp = tuple[tuple[str, int, int, int], ...]


def stamp_of(folder: Path | None) -> Stamp:
    """Changes with a folder's templates: what a process has loaded of them is then out of date."""
    found = []
    for name, path in template_files(folder) if folder else ():
        with suppress(OSError):  # a link to nowhere
            stat = path.stat()
            found.append((name, stat.st_ino, stat.st_size, stat.st_mtime_ns))
    return tuple(found)


def check_overrides(env: jinja2.Environment, project: Project) -> None:
    """TgenError with all that can be told of a project's templates without a spec.

    A template that is no Jinja, one that stands for none of tgen's and that no other reaches,
    one that includes itself or what isn't there.
    """
    if project.templates is None:
        return
    ours = set(_template_names(templates_folder()))
    theirs: dict[str, list[Reference]] = {}
    problems: list[Diagnostic] = []
    for name, path in sorted(_own_templates(project.templates)):
        try:
            text = path.read_text(encoding="utf-8")
            theirs[name] = list(references(env.parse(text)))
            env.compile(text)  # finds filters and tests that there are not
        except jinja2.TemplateSyntaxError as error:
            problems.append(line_diagnostic(project, path, error.lineno, str(error.message)))
        except (OSError, UnicodeDecodeError) as error:
            problems.append(Diagnostic(f"{project.shown(path)}: no readable text: {error}"))
    known = {*ours, *theirs, *(f"{ORIGINALS}/{name}" for name in ours)}
    for name, found in theirs.items():
        problems += _wrong_references(name, found, known, project)
    if not problems:
        problems = [_useless(name, ours, project) for name in unreached(theirs, ours)]
    if problems:
        raise TgenError(problems)


def references(template: nodes.Template) -> Iterator[Reference]:
    """What a template includes, imports or extends, and where."""
    kinds = (nodes.Include, nodes.Import, nodes.FromImport, nodes.Extends)
    for node in template.find_all(kinds):
        named = vars(node)["template"]
        choices = named.items if isinstance(named, nodes.Tuple | nodes.List) else [named]
        required = not getattr(node, "ignore_missing", False) and len(choices) == 1
        for choice in choices:
            name = choice.value if isinstance(choice, nodes.Const) else None
            yield Reference(name if isinstance(name, str) else None, node.lineno, required)


def unreached(theirs: Mapping[str, list[Reference]], ours: set[str]) -> list[str]:
    """The templates that stand for none of ours and that no other of theirs leads to."""
    todo = [name for name in theirs if name in ours]
    reached = set(todo)
    while todo:
        for reference in theirs[todo.pop()]:
            if reference.name is None:
                return []  # a computed name may be any of them
            if reference.name in theirs and reference.name not in reached:
                reached.add(reference.name)
                todo.append(reference.name)
    return sorted(set(theirs) - reached)


def _own_templates(folder: Path) -> Iterator[tuple[str, Path]]:
    for name, path in template_files(folder):
        if name not in NO_TEMPLATES:
            yield name, path


def _template_names(folder: Path) -> Iterator[str]:
    return (name for name, _ in template_files(folder) if name.endswith(".jinja"))


def _wrong_references(
    name: str, found: list[Reference], known: set[str], project: Project
) -> Iterator[Diagnostic]:
    assert project.templates is not None
    path = project.templates / name
    for reference in found:
        other = reference.name
        if other == name:
            hint = f"the original is `{ORIGINALS}/{name}`"
            yield line_diagnostic(project, path, reference.line, "it includes itself", hint)
        elif other is not None and other not in known and reference.required:
            message, hint = f"no template `{other}`", _closest(other, known)
            yield line_diagnostic(project, path, reference.line, message, hint)


def _useless(name: str, ours: set[str], project: Project) -> Diagnostic:
    assert project.templates is not None
    message = f"tgen has no template `{name}`, and no template of yours includes it"
    where = Position(project.shown(project.templates / name), 1, 1)
    return Diagnostic(message, where, _closest(name, ours))


def _closest(name: str, known: set[str]) -> str:
    """The template of the same name in another folder, else one of a similar path."""
    end = name.rpartition("/")[2].partition(".")[0]
    close = [other for other in sorted(known) if f"/{end}." in other]
    close = close or difflib.get_close_matches(name, sorted(known), n=1)
    return f"did you mean `{close[0]}`?" if close else f"tgen's own lie in {templates_folder()}"
