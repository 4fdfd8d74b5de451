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
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from codegen.emit import recall, remember, tool_digest
from codegen.project import Project, templates_folder

TOOLS = ("jinja2", "libcst", "pydantic", "yaml", "ruff")


@dataclass(frozen=True)
class Verdict:
    """A package that was fresh: what it was read from, what it consists of, what tests said."""

    name: str
    sources: dict[str, str]
    outputs: dict[str, str]
    tests: dict[str, Any] | None = None


@functools.cache
def tools_key() -> str:
    """Of tgen and of everything that shapes its output, found without importing any of it."""
    parts = [tool_digest(templates_folder()), f"{sys.version_info[0]}.{sys.version_info[1]}"]
    for name in TOOLS:
        spec = importlib.util.find_spec(name)
        files = [Path(spec.origin)] if spec and spec.origin else []
        if name == "ruff":
            files += [p for p in (Path(sys.executable).with_name("ruff"),) if p.exists()]
        for file in files:
            stat = os.stat(file)
            parts.append(f"{name} {stat.st_size} {stat.st_mtime_ns}")
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def recall_fresh(
    spec: Path, project: Project, out: Path, overrides: Sequence[str] = ()
) -> Verdict | None:
    """The verdict on a spec's package, if every byte is still what it was then."""
    kept: Any = recall(project.root, _key(spec, project, out, overrides))
    if kept is None:
        return None
    verdict = Verdict(kept["name"], kept["sources"], kept["outputs"], kept["tests"])
    if digests(verdict.sources, project) != verdict.sources:
        return None
    return verdict if digests(verdict.outputs, project) == verdict.outputs else None


def remember_fresh(
    spec: Path,
    project: Project,
    out: Path,
    overrides: Sequence[str],
    verdict: Verdict,
) -> None:
    """Keeps a verdict for the next run."""
    key = _key(spec, project, out, overrides)
    remember(project.root, key, vars(verdict))


def digests(paths: Iterable[str] | Mapping[str, str], project: Project) -> dict[str, str]:
    """sha256 of each file; an empty digest for one that is not there."""
    found = {}
    for path in paths:
        try:
            with open(project.root / path, "rb", opener=_without_waiting) as file:
                found[path] = hashlib.sha256(file.read()).hexdigest()
        except OSError:
            found[path] = ""
    return found


def _without_waiting(path: str, flags: int) -> int:
    """Opens what may have become a pipe that nobody writes to."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _key(spec: Path, project: Project, out: Path, overrides: Sequence[str]) -> str:
    parts = [tools_key(), project.shown(spec), project.shown(out), *overrides]
    return "\0".join(parts)
