"""The fast path: a verdict in .tgen/ that exactly these bytes come from exactly these specs.

A verdict names everything that it depends on: tgen's own code and templates, the tools it calls,
the spec files read, the files written. It proves freshness without rendering, and in well under
the time that importing the renderer takes.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from codegen.build.outcome import Outcome
from codegen.emit import (
    Change,
    code_digest,
    forged_beside,
    is_root,
    paths_beside,
    recall,
    remember,
    templates_digest,
    to_unix,
)
from codegen.frozen import frozen
from codegen.project import Project, templates_folder

TOOLS = ("jinja2", "libcst", "pydantic", "yaml", "ruff")


@frozen
class FreshPackage:
    """A package that was fresh: its files' digests, which of them are edited, what tests said.

    `added` is what a person put beside them: paths in the package.
    """

    name: str
    outputs: Mapping[str, str]
    edits: Sequence[str] = ()
    added: Sequence[str] = ()
    tests: Mapping[str, Any] | None = None


@frozen
class Verdict:
    """That all packages of a spec were fresh, and the digests of what the spec was read from."""

    sources: Mapping[str, str]
    packages: Sequence[FreshPackage]


@functools.cache
def code_key() -> str:
    """Of the code that runs here: tgen's and its tools', found without importing any of it."""
    parts = [code_digest(), f"{sys.version_info[0]}.{sys.version_info[1]}"]
    for name in TOOLS:
        spec = importlib.util.find_spec(name)
        files = [Path(spec.origin)] if spec and spec.origin else []
        parts += sorted(_versions(name, files))
        if name == "ruff":
            files += [p for p in (Path(sys.executable).with_name("ruff"),) if p.exists()]
        for file in files:
            stat = os.stat(file)
            parts.append(f"{name} {stat.st_size} {stat.st_mtime_ns}")
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _versions(name: str, files: Sequence[Path]) -> Iterator[str]:
    """The names of a tool's .dist-info, which hold its version; reading one takes far longer."""
    project = {"yaml": "pyyaml"}.get(name, name)
    for file in files:
        with os.scandir(file.parent.parent) as entries:
            names = [entry.name for entry in entries]
        yield from (one for one in names if one.lower().startswith(f"{project}-"))


@functools.cache
def templates_key() -> str:
    """Of the templates, as they were when this was first asked or last forgotten."""
    return templates_digest(templates_folder())


def forget_templates() -> None:
    """A template was saved: the key and the compiled templates of this process are void."""
    from codegen.render import environment

    templates_key.cache_clear()
    environment.cache_clear()


def split_fresh(
    specs: Sequence[Path], project: Project, out: Path, overrides: Sequence[str], test: bool
) -> tuple[list[Outcome], list[Path]]:
    """The packages that a verdict proves fresh (and tested, where that is asked), and the rest.

    Of a project that believes no verdict, all are the rest.
    """
    if not project.believing:
        return [], list(specs)
    fresh: list[Outcome] = []
    stale: list[Path] = []
    for spec in specs:
        verdict = recall_fresh(spec, project, out, overrides)
        if verdict is None or (test and any(package.tests is None for package in verdict.packages)):
            stale.append(spec)
        else:
            fresh += [_fresh(spec, package, out) for package in verdict.packages]
    return fresh, stale


def _fresh(spec: Path, package: FreshPackage, out: Path) -> Outcome:
    edits = [Change(path, "edited", diff="") for path in package.edits]
    edits += [Change(path, "added", diff="") for path in package.added]
    return Outcome(spec, package.name, out / package.name, edits=tuple(edits))


def remember_all(
    outcomes: Sequence[Outcome], project: Project, out: Path, overrides: Sequence[str]
) -> None:
    """Keep a verdict on each spec all of whose packages are what it says.

    None on a doubtful spec, which is told of every time, nor on one that a verdict proved fresh.
    """
    by_spec: dict[Path, list[Outcome]] = {}
    for outcome in outcomes:
        by_spec.setdefault(outcome.spec, []).append(outcome)
    for spec, found in by_spec.items():
        if any(not o.digests or o.problems or o.in_the_way or o.warnings for o in found):
            continue
        sources = {project.shown(path): digest for path, digest in found[0].sources.items()}
        verdict = Verdict(sources, [_fresh_package(outcome) for outcome in found])
        remember_fresh(spec, project, out, overrides, verdict)


def _fresh_package(outcome: Outcome) -> FreshPackage:
    edits = tuple(change.path for change in outcome.edits if change.kind == "edited")
    added = tuple(change.path for change in outcome.edits if change.kind == "added")
    tests = {"passed": outcome.tests.passed} if outcome.tests else None
    return FreshPackage(outcome.name, outcome.digests, edits, added, tests)


def recall_fresh(
    spec: Path, project: Project, out: Path, overrides: Sequence[str] = ()
) -> Verdict | None:
    """The verdict on a spec's packages, if every byte is still what it was then."""
    kept: Any = recall(project.root, _key(spec, project, out, overrides))
    try:
        sources, packages = kept["sources"], [FreshPackage(**it) for it in kept["packages"]]
        if project.shown(spec) not in sources or not all(it.outputs for it in packages):
            return None
    except (TypeError, KeyError):  # there is none, or it is of some other form
        return None
    same = all(_digest(project.root / path) == it for path, it in sources.items())
    if same and is_root(out) and all(_is_unchanged(package, out) for package in packages):
        return Verdict(sources, tuple(packages))
    return None


def _is_unchanged(package: FreshPackage, out: Path) -> bool:
    """Whether a package's folder holds what it held, no more and no less."""
    folder = out / package.name
    if folder.is_symlink():
        return False
    added = [_name(path) for path in package.added]
    if [*paths_beside(folder, package.outputs)] != added or forged_beside(folder, package.outputs):
        return False
    return all(
        _digest(folder / file, text=True) == digest for file, digest in package.outputs.items()
    )


def _name(path: str) -> str:
    """The last part of a path; that of a folder ends in a slash."""
    return path[path.rstrip("/").rfind("/") + 1 :]


def remember_fresh(
    spec: Path, project: Project, out: Path, overrides: Sequence[str], verdict: Verdict
) -> None:
    """Keeps a verdict for the next run."""
    packages = [vars(package) for package in verdict.packages]
    content = {"sources": dict(verdict.sources), "packages": packages}
    remember(project.root, _key(spec, project, out, overrides), content)


def _digest(path: Path, text: bool = False) -> str:
    """sha256 of a file, of a text with any line ends; empty if it is not there.

    A generated text (`text`) isn't there if a link is in its place.
    """
    try:
        if text and path.is_symlink():
            return ""
        with open(path, "rb", buffering=0, opener=_without_waiting) as file:
            data = file.read()
    except OSError:
        return ""
    return hashlib.sha256(to_unix(data) if text else data).hexdigest()


def _without_waiting(path: str, flags: int) -> int:
    """Opens what may have become a pipe that nobody writes to."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _key(spec: Path, project: Project, out: Path, overrides: Sequence[str]) -> str:
    own = templates_digest(project.templates) if project.templates else ""
    parts = [code_key(), templates_key(), own, project.shown(spec), project.shown(out), *overrides]
    return "\0".join(parts)
