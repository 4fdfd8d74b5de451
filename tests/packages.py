"""Packages built from a spec's text into a temporary folder, and imported."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType

import yaml

from codegen import pipeline
from codegen.project import Project


def write_package(folder: Path, spec: dict[str, object]) -> Path:
    """Builds a spec below `folder`; returns the package's folder."""
    path = folder / "specs" / f"{spec['name']}.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(spec), encoding="utf-8")
    project = Project(folder, folder / "specs", folder / "generated")
    (outcome,) = pipeline.build([path], project, out=project.generated, test=False)
    assert not outcome.problems, "\n".join(map(str, outcome.problems))
    assert outcome.folder is not None
    return outcome.folder


def import_package(folder: Path, spec: dict[str, object], *modules: str) -> list[ModuleType]:
    """The modules of a freshly built package, under a name that no other test uses."""
    package = write_package(folder, spec)
    parent = f"{folder.name.replace('-', '_')}_{spec['name']}"
    holder = ModuleType(parent)
    holder.__path__ = [str(package.parent)]
    sys.modules[parent] = holder
    return [importlib.import_module(f"{parent}.{spec['name']}.{name}") for name in modules]
