"""No package holds what nobody calls: each definition, read with a walk of this file's own."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import hypothesis
import pytest
from hypothesis import given

from codegen.build.rendering import make_plan, render
from codegen.plan import Plan
from codegen.plan.kernels.kernel_plan import kernels_of
from codegen.project import find_project
from tests.parity.trial import Spec, plan_of, settings
from tests.strategies import specs

ROOT = Path(__file__).parents[2]
SPECS = sorted(path.stem for path in (ROOT / "specs").glob("*.yaml"))
LIBRARIES = ("huggingface", "torchvision", "timm", "efficientnet_pytorch")
ENTRIES = {  # what people and PyTorch call
    "model.py": ("Config", "Model"),
    "__init__.py": ("__all__",),
    "train.py": ("main",),
    "sample.py": ("main",),
    "generate.py": ("generate",),
    "weights.py": tuple(f"{verb}_{one}" for verb in ("load", "save") for one in LIBRARIES),
}
Place = tuple[str, str]


def uses(node: ast.AST, path: str, nearby: dict[str, Place]) -> set[Place]:
    """What some code names of the package, as file and name."""
    found = set()
    for inner in ast.walk(node):
        if isinstance(inner, ast.Name):
            found |= {(path, inner.id), nearby.get(inner.id, ("", ""))}
        if isinstance(inner, ast.Attribute) and isinstance(inner.value, ast.Name):
            module, whole = nearby.get(inner.value.id, ("", ""))
            found |= {(module, inner.attr)} if whole == "*" else set()
        if isinstance(inner, ast.Constant) and isinstance(inner.value, str):
            found |= {(path, word) for word in re.findall(r"\w+", inner.value)}
    return found


def imported(tree: ast.Module) -> dict[str, Place]:
    """What a file's names stand for in the package's other files; `*`: for all of it."""
    found: dict[str, Place] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level == 1:
            for one in node.names:
                place = (f"{node.module}.py", one.name) if node.module else (f"{one.name}.py", "*")
                found[one.asname or one.name] = place
    return found


def unreached(files: dict[str, str]) -> set[Place]:
    """The functions, classes and constants of a package that no entry leads to."""
    leads: dict[Place, set[Place]] = {}
    todo: set[Place] = set()
    for path, text in files.items():
        if not path.endswith(".py"):
            continue
        tree = ast.parse(text)
        nearby = imported(tree)
        test = path.startswith("test_")
        registrations: list[tuple[str, ast.stmt]] = []
        for statement in tree.body:
            used = uses(statement, path, nearby)
            match statement:
                case ast.Import() | ast.ImportFrom():
                    continue
                case ast.FunctionDef(name="_", decorator_list=[ast.Attribute(value=owner)]):
                    registrations.append((ast.unparse(owner), statement))
                    continue
                case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                    leads.setdefault((path, name), set()).update(used)
                    if test and (name.startswith("test_") or statement.decorator_list):
                        todo.add((path, name))
                case (
                    ast.Assign(targets=[ast.Name(id=name)])
                    | ast.AnnAssign(target=ast.Name(id=name))
                ):
                    leads.setdefault((path, name), set()).update(used - {(path, name)})
                case ast.Expr(value=ast.Call(func=ast.Attribute(value=ast.Name(id=owner)))):
                    registrations.append((owner, statement))
                case _:
                    todo |= used
        for owner, statement in registrations:
            leads.setdefault((path, owner), set()).update(uses(statement, path, nearby))
        todo |= {(path, name) for name in ENTRIES.get(path, ())}
        if path == "modeling.py":  # what transformers calls, by names that a config.json says
            todo |= {p for p in leads if p[0] == path and p[1].endswith(("Config", "CausalLM"))}
    seen: set[Place] = set()
    while todo:
        place = todo.pop()
        if place not in seen and place in leads:
            seen.add(place)
            test = place[0].startswith("test_")  # what a test reads is not needed for that
            todo |= {p for p in leads[place] if not test or p[0] == place[0]}
    return set(leads) - seen


def launched(text: str) -> set[str]:
    """The kernels that some function of kernels.py launches."""
    subscripts = (
        node.func.value
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Subscript)
    )
    return {value.id for value in subscripts if isinstance(value, ast.Name)}


def check(plan: Plan) -> None:
    files = render(plan, find_project(ROOT))
    assert not unreached(files)
    if plan.kernels:
        planned = {kernel.name for kernel in kernels_of(plan.model, plan.kernels)}
        assert launched(files["kernels.py"]) == planned


@pytest.mark.drawn
@pytest.mark.parametrize("name", SPECS)
def test_every_definition_is_reached_and_every_kernel_planned(name: str) -> None:
    check(make_plan(ROOT / f"specs/{name}.yaml", find_project(ROOT)))


@settings(12)
@hypothesis.seed(0)
@given(specs())
def test_that_holds_for_any_spec(spec: Spec) -> None:
    check(plan_of(spec))


def test_a_definition_that_only_another_unreached_one_calls_is_found() -> None:
    files = {
        "model.py": "from .attention import attend\nfrom .attention import decode\n"
        "class Config: ...\nclass Model:\n    x: Config\n    def f(self): return attend()\n",
        "attention.py": "from . import kernels\ndef attend(): return kernels.f()\n"
        "def decode(): return kernels.g()\n",
        "kernels.py": "@op\ndef f(): return LIMIT\n@f.register_fake\ndef _(): ...\n"
        "def g(): return g()\nLIMIT = 1\nLEFT: int = 2\n",
    }
    found = {("attention.py", "decode"), ("kernels.py", "g"), ("kernels.py", "LEFT")}
    assert unreached(files) == found
