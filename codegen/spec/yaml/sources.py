"""Which files a spec is read from, told of broken specs too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from codegen.errors import SpecError
from codegen.spec.yaml.read import MAX_EXTENDS
from codegen.spec.yaml.source import decode, parse, read_file


def sources_of(spec: Path, root: Path) -> tuple[Path, ...]:
    """A spec's own file, those that it extends and the code that it names, as far as can be told.

    The last may be missing, broken or outside the project: saving it may mend the spec.
    """
    found: list[Path] = []
    code: list[Path] = []
    at: Path | None = spec
    while at is not None and at not in found and len(found) <= MAX_EXTENDS:
        found.append(at)
        inside = at.resolve().is_relative_to(root)
        code += _code(at) if inside else []
        at = _extended(at) if inside else None
    return (*found, *dict.fromkeys(one for one in code if one not in found))


def _extended(spec: Path) -> Path | None:
    target = _said(spec).get("extends")
    try:
        return (spec.parent / target).resolve() if isinstance(target, str) else None
    except (OSError, ValueError, RuntimeError):  # no path
        return None


def _code(spec: Path) -> list[Path]:
    """The files of the user's own classes that its blocks are."""
    model = _said(spec).get("model")
    blocks = model.get("blocks") if isinstance(model, dict) else None
    said = (
        [one.get("python") for one in blocks.values() if isinstance(one, dict)]
        if isinstance(blocks, dict)
        else []
    )
    try:
        files = [one.rpartition(":")[0] for one in said if isinstance(one, str)]
        return [(spec.parent / file).resolve() for file in files if file]
    except (OSError, ValueError, RuntimeError):
        return []


def _said(spec: Path) -> dict[str, Any]:
    """What a file says; nothing where it can't be read."""
    try:
        data = parse(decode(read_file(spec, spec.name), spec.name), spec.name).data
    except (SpecError, OSError, ValueError, RuntimeError):
        return {}
    return data if isinstance(data, dict) else {}
