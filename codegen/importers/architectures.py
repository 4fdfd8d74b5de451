"""Networks of torchvision, timm and the like: the architectures that mapping files know by name.

Such a file has the parts `extends`, `architectures` (each name with its fields), `defaults`,
`let`, `spec` and `weights`, as Hugging Face's types have them: fields are an architecture's, not
a config's.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

from codegen.errors import TgenError
from codegen.importers.libraries import HERE, HUGGINGFACE, LIBRARIES, families
from codegen.importers.mapping import Mapping, deep, read_mapping
from codegen.spec.yaml.source import parse

PARTS = ("extends", "architectures", "defaults", "let", "spec", "weights")


def mapping_of(library: str, name: str) -> Mapping:
    """A mapping file of any library in full. It is shared: don't change it."""
    return read_mapping(name) if library == HUGGINGFACE else _family(library, name)


@functools.cache
def _family(library: str, name: str) -> Mapping:
    data = _resolved(HERE / library / f"{name}.yaml")
    none: frozenset[str] = frozenset()
    return Mapping(
        name=name,
        architectures=tuple(data.get("architectures", {})),
        defaults=data.get("defaults", {}),
        absent={},
        aliases={},
        let=data.get("let", {}),
        spec=data.get("spec", {}),
        aspects={},
        blocks={},
        refused=(),
        ignored=none,
        unread=none,
        unset=none,
        weights=data["weights"],
        generations={},
        library=library,
        fields=data.get("architectures", {}),
    )


def _resolved(path: Path, seen: tuple[Path, ...] = ()) -> dict[str, Any]:
    """What a file says over what it `extends`: a file beside it, or LIBRARY/FILE."""
    if not path.is_file() or path in seen:
        raise TgenError(f"{path.parent.name}/{path.name}: there is none, or it extends itself")
    data: dict[str, Any] = dict(parse(path.read_text(encoding="utf-8"), path.name).data)
    if odd := set(data) - set(PARTS):
        raise TgenError(f"{path.name}: no part of a mapping: {', '.join(sorted(odd))}")
    parent = data.pop("extends", None)
    if parent is None:
        return data
    folder = HERE if "/" in parent else path.parent
    low = _resolved(folder / f"{parent}.yaml", (*seen, path))
    low.pop("architectures", None)
    defaults = {**low.get("defaults", {}), **data.get("defaults", {})}  # null is a value there
    return {**deep(low, data), "defaults": defaults}


@functools.cache
def known_architectures() -> dict[str, tuple[str, str]]:
    """Each `LIBRARY:NAME` that a file knows, with its library and the file's name."""
    return {
        f"{library}:{name}": (library, family)
        for library in LIBRARIES
        if library != HUGGINGFACE
        for family in families(library)
        for name in mapping_of(library, family).architectures
    }
