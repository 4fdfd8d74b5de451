"""Packages built from a spec's text into a temporary folder, and imported; or their models only."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import yaml

from codegen.commands.build import build_packages
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
    (outcome,) = build_packages([path], project, out=project.generated, test=False)
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


# kernels.py is for GPUs
MODEL_FILES = ("model.py", "attention.py", "ops.py", "blocks.py", "quantize.py", "codes.py")
TRAIN_FILES = (
    "train.py",
    "run.py",
    "options.py",
    "data.py",
    "pairs.py",
    "checkpoint.py",
    "digests.py",
    "encode.py",
    "files.py",
    "load.py",
    "lock.py",
    "resume.py",
    "start.py",
    "weights.py",
    "export.py",
    "tracking.py",
    "chat.py",
    "chats.py",
    "packing.py",
    "trained.py",
    "tokens.py",
    "log.py",
    "process.py",
    "augment.py",
    "attack.py",
    "pictures.py",
    "report.py",
    "generate.py",
    "examples.py",
    "watch.py",
    "grids.py",
    "losses.py",
    "optimizers.py",
    "quality.py",
    "compare.py",
    "frechet.py",
    "pool.py",
    "muon.py",
)


def import_model(plan: Plan, folder: Path) -> Any:
    """The module model.py of a package in `folder` that has no file that model.py doesn't need.

    Pruned but not formatted, which would take longer than all else.
    """
    return importlib.import_module(f"{_package_of(plan, folder, MODEL_FILES)}.model")


def import_weights(plan: Plan, folder: Path) -> tuple[Any, Any]:
    """The modules model.py and weights.py of such a package."""
    name = _package_of(plan, folder, (*MODEL_FILES, "weights.py"))
    return importlib.import_module(f"{name}.model"), importlib.import_module(f"{name}.weights")


def import_modules(plan: Plan, folder: Path, *names: str) -> list[Any]:
    """Modules of such a package that need model.py alone."""
    files = (*MODEL_FILES, *(f"{name}.py" for name in names))
    package = _package_of(plan, folder, files)
    return [importlib.import_module(f"{package}.{name}") for name in names]


def import_train(plan: Plan, folder: Path) -> Any:
    """The module train.py of such a package."""
    files = (*MODEL_FILES, *TRAIN_FILES)
    return importlib.import_module(f"{_package_of(plan, folder, files)}.train")


def run_of(train: Any) -> Any:
    """The module run.py of the package that a train.py is of."""
    return importlib.import_module(train.Run.__module__)


def _package_of(plan: Plan, folder: Path, files: tuple[str, ...]) -> str:
    """The name under which a package with no more than `files` can be imported."""
    texts = prune_package(render_package(plan, only=files), package_roots(plan), whole=False)
    for path, text in texts.items():
        (folder / path).write_text(text, encoding="utf-8")
    name = f"code_of_{plan.name}"
    for earlier in [module for module in sys.modules if module.startswith(f"{name}.")]:
        del sys.modules[earlier]
    package = sys.modules[name] = ModuleType(name)
    package.__path__ = [str(folder)]
    importlib.invalidate_caches()
    return name
