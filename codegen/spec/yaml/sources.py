"""Which files a spec is read from, told of broken specs too."""

from __future__ import annotations

from pathlib import Path

from codegen.errors import SpecError
from codegen.spec.yaml.read import MAX_EXTENDS
from codegen.spec.yaml.source import decode, parse, read_file


def sources_of(spec: Path, root: Path) -> tuple[Path, ...]:
    """A spec's own file and those that it extends, as far as they can be told.

    The last may be missing, broken or outside the project: saving it may mend the spec.
    """
    found: list[Path] = []
    at: Path | None = spec
    while at is not None and at not in found and len(found) <= MAX_EXTENDS:
        found.append(at)
        at = _extended(at) if at.resolve().is_relative_to(root) else None
    return tuple(found)


def _extended(spec: Path) -> Path | None:
    try:
        data = parse(decode(read_file(spec, spec.name), spec.name), spec.name).data
        target = data.get("extends") if isinstance(data, dict) else None
        return (spec.parent / target).resolve() if isinstance(target, str) else None
    except (SpecError, OSError, ValueError, RuntimeError):  # unreadable, or no path
        return None
