"""`tgen new`: a spec that extends another and says only what differs."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import yaml

from codegen.errors import TgenError
from codegen.project import Project
from codegen.spec import BrokenVariant, load_specs, parse_override
from codegen.spec.checks import check_name
from codegen.spec.yaml.merging import merge
from codegen.spec.yaml.source import Tree


def write_variant(name: str, parent: Path, overrides: Sequence[str], project: Project) -> str:
    """Writes NAME.yaml beside its parent and returns its path; TgenError leaves nothing behind."""
    for finding in check_name(name):
        raise TgenError(f"tgen new {name}: {finding.message}", finding.hint)
    load_specs(parent, project.root)
    folder = parent.parent
    path = folder / f"{name}.yaml"
    if os.path.lexists(path):
        raise TgenError(f"{path} exists already", hint="choose another name, or edit it")
    tree = Tree(data={})
    for override in overrides:
        tree = merge(tree, parse_override(override))
    text = yaml.safe_dump(
        {"name": name, "extends": os.path.relpath(parent, folder), **tree.data},
        sort_keys=False,
        default_flow_style=False,
    )
    with open(path, "x", encoding="utf-8", newline="\n") as file:
        file.write(text)
    try:
        for made in load_specs(path, project.root):
            if isinstance(made, BrokenVariant):
                raise made.error
    except TgenError:
        path.unlink()
        raise
    return str(path)
