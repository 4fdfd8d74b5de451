"""Whether a package's imports lead anywhere."""

from __future__ import annotations

import functools
import importlib.util
import sys
from collections.abc import Collection, Iterator, Mapping

from codegen.refine.facts import Facts, Import

# What generated code may import, installed here or not.
KNOWN = {
    "torch",
    "numpy",
    "safetensors",
    "triton",
    "tokenizers",
    "matplotlib",
    "tqdm",
    "rich",
    "pyarrow",
    "transformers",
    "wandb",
}
KNOWN |= {"pytest", "PIL", "sacrebleu", *sys.stdlib_module_names}


def unresolved_imports(
    modules: Mapping[str, Facts], dropped: Mapping[str, Collection[str]] | None = None
) -> dict[str, tuple[str, ...]]:
    """By file, the imports of a package's modules that lead nowhere, as sentences.

    `dropped` are names that a file's text has still, but won't have.
    """
    gone = dropped or {}
    found = {
        path: tuple(_unresolved(module, modules, gone.get(path, ())))
        for path, module in modules.items()
    }
    return {path: sentences for path, sentences in found.items() if sentences}


def lost_imports(
    modules: Mapping[str, Facts], had: Mapping[str, Collection[str]]
) -> dict[str, tuple[str, ...]]:
    """By file, what a package's modules import from each other that is no more, as sentences.

    `had` are the names that each file could have; of other files and names nothing is known, as a
    person may have put them there.
    """
    found = {
        path: tuple(dict.fromkeys(_lost(module, modules, had))) for path, module in modules.items()
    }
    return {path: sentences for path, sentences in found.items() if sentences}


def _lost(
    module: Facts, modules: Mapping[str, Facts], had: Mapping[str, Collection[str]]
) -> Iterator[str]:
    for one in module.imports:
        path = f"{one.module or one.name}.py"
        known = one.level == 1 and path in had
        if known and (path not in modules or not one.module or one.name in had[path]):
            missing = _missing(one, modules)
            if missing:
                yield f"line {one.line}: {missing}"


def _unresolved(
    module: Facts, modules: Mapping[str, Facts], dropped: Collection[str]
) -> Iterator[str]:
    """What nothing uses ruff drops, so it needn't lead anywhere."""
    used = module.all_used
    gone = {i for i, bound in enumerate(module.bound) if bound and set(bound) <= set(dropped)}
    for one in module.imports:
        if one.statement in gone or one.bound in dropped:
            continue
        if one.level == 0 or one.bound in used:
            missing = _missing(one, modules)
            if missing:
                yield f"line {one.line}: {missing}"


def _missing(one: Import, modules: Mapping[str, Facts]) -> str | None:
    if one.level == 0:
        root = one.module.partition(".")[0]
        return None if root in KNOWN or _installed(root) else f"there is no module `{root}` here"
    path = f"{one.module or one.name}.py"
    if one.level != 1 or path not in modules:
        return f"the package has no {path}"
    if one.module and one.name not in modules[path].top and one.name != "*":
        return f"{path} has no `{one.name}`"
    return None


@functools.cache
def _installed(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):
        return False
