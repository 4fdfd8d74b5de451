"""The templates of a task read of a network what the task's Protocol has, whatever its family."""

from __future__ import annotations

import typing
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest
from jinja2 import nodes

from codegen.plan import lower
from codegen.plan.contract import Network
from codegen.plan.tasks import TASKS
from codegen.plan.tasks.pictures import HasLayers
from codegen.plan.tasks.text import TokenNetwork
from codegen.render.render import environment
from codegen.spec import load_spec

TEMPLATES = Path(__file__).parents[2] / "templates"
FAMILIES = tuple(f"{path.parent.name}/" for path in TEMPLATES.glob("../codegen/plan/*/family.py"))
SHARED: dict[str, type] = {"text": TokenNetwork, "pairs": HasLayers}
FOLDERS = sorted(path.name for path in (TEMPLATES / "tasks").iterdir())


def protocol(folder: str) -> type:
    """What a task, or what several tasks share, knows of a network."""
    if folder in SHARED:
        return SHARED[folder]
    name = folder.replace("_", "-")
    if name not in TASKS:
        return Network
    found = typing.get_type_hints(getattr(import_module(TASKS[name]), folder))["network"]
    return found if isinstance(found, type) else Network


def parsed(folder: str) -> Iterator[tuple[Path, nodes.Template]]:
    """The folder's templates as Jinja reads them."""
    for path in sorted((TEMPLATES / "tasks" / folder).rglob("*.jinja")):
        yield path, environment().parse(path.read_text(encoding="utf-8"))


def is_network(node: nodes.Node) -> bool:
    """Whether it is `net`, or `plan.model`."""
    model = isinstance(node, nodes.Getattr) and node.attr == "model"
    if model and isinstance(node, nodes.Getattr):
        return isinstance(node.node, nodes.Name) and node.node.name == "plan"
    return isinstance(node, nodes.Name) and node.name == "net"


@pytest.mark.parametrize("folder", FOLDERS)
def test_templates_of_a_task_read_what_its_protocol_has(folder: str) -> None:
    known = {name for name in dir(protocol(folder)) if not name.startswith("_")}
    wrong = [
        f"{path.relative_to(TEMPLATES)}:{node.lineno} reads {node.attr}"
        for path, tree in parsed(folder)
        for node in tree.find_all(nodes.Getattr)
        if is_network(node.node) and node.attr not in known
    ]
    assert not wrong


def test_templates_of_tasks_take_nothing_of_a_family() -> None:
    kinds = (nodes.Include, nodes.Import, nodes.FromImport)
    wrong = [
        f"{path.relative_to(TEMPLATES)}:{node.lineno} takes {node.template.value}"
        for folder in FOLDERS
        for path, tree in parsed(folder)
        for node in tree.find_all(kinds)
        if isinstance(node.template, nodes.Const) and node.template.value.startswith(FAMILIES)
    ]
    assert len(FAMILIES) > 2 and not wrong


def test_networks_have_what_their_tasks_read() -> None:
    missing = []
    for path in sorted((TEMPLATES.parent / "specs").glob("*.yaml")):
        plan = lower(load_spec(path, TEMPLATES.parent))
        known = protocol(plan.task.name.replace("-", "_"))
        names = (name for name in dir(known) if not name.startswith("_"))
        missing += [f"{path.stem}: {name}" for name in names if not hasattr(plan.model, name)]
    assert not missing
