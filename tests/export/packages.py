"""Packages that are written to a folder, imported from there, and forgotten again."""

from __future__ import annotations

import importlib
import itertools
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

from codegen.plan import Plan
from codegen.refine import prune_package
from codegen.render import package_roots, render_package

PRUNED = ("model.py", "attention.py", "ops.py", "kernels.py", "quantize.py", "codes.py")
WHOLE = (
    "weights.py",
    "checkpoint.py",
    "load.py",
    "digests.py",
    "process.py",
    "export.py",
    "modeling.py",
)
_numbers = itertools.count()


@contextmanager
def package_of(
    plan: Plan, folder: Path, parts: tuple[str, ...], whole: tuple[str, ...] | None = WHOLE
) -> Iterator[SimpleNamespace]:
    """The modules of a plan's package, written below a folder; all of it if `whole` is None."""
    name = f"exported_{next(_numbers)}"
    roots = {
        path: names for path, names in package_roots(plan).items() if path not in (whole or ())
    }
    files = {
        **prune_package(render_package(plan, only=PRUNED), roots),
        **render_package(plan, only=whole),
    }
    (folder / name).mkdir(parents=True)
    for path, text in {**files, "__init__.py": ""}.items():
        (folder / name / path).write_text(text)
    sys.path.insert(0, str(folder))
    try:
        importlib.invalidate_caches()
        yield SimpleNamespace(**{p: importlib.import_module(f"{name}.{p}") for p in parts})
    finally:
        sys.path.remove(str(folder))
        for module in [one for one in sys.modules if one.partition(".")[0] == name]:
            del sys.modules[module]


def write_run(model: Any, checkpoint: ModuleType, folder: Path) -> None:
    """A model's weights as a run leaves them."""
    folder.mkdir(exist_ok=True)
    tensors = {f"model.{name}": t for name, t in checkpoint.weights(model).items()}
    config = {"config": asdict(model.config)}
    checkpoint.write_checkpoint(folder / "checkpoint.safetensors", tensors, config)
