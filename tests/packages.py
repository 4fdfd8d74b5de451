"""Packages built from a spec's text into a temporary folder, and imported; or their models only."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import yaml

from codegen import pipeline
from codegen.plan import Plan
from codegen.project import Project
from codegen.refine import prune_package
from codegen.render import package_roots, render_package


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


def model_files(plan: Plan) -> dict[str, str]:
    """A package's attention.py, if it has one, and its model.py: pruned but not formatted."""
    files = render_package(plan)
    parts = {name: files[name] for name in ("attention.py", "model.py") if name in files}
    return prune_package(parts, package_roots(plan))


def code_of(plan: Plan) -> tuple[Any, Any]:
    """The modules model.py and attention.py (or None) of a package that is nowhere on disk."""
    package = ModuleType(f"code_of_{plan.name}")
    package.__path__ = []
    sys.modules[package.__name__] = package
    modules: dict[str, ModuleType] = {}
    for path, text in model_files(plan).items():
        module = ModuleType(f"{package.__name__}.{path.removesuffix('.py')}")
        module.__package__ = package.__name__
        modules[path] = sys.modules[module.__name__] = module  # imports and dataclasses look there
        exec(compile(text, path, "exec"), module.__dict__)
    return modules["model.py"], modules.get("attention.py")
