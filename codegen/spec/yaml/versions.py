"""The `version` of the language that a file says it is written in."""

from __future__ import annotations

from codegen.errors import Diagnostic, SpecError
from codegen.spec.diagnose import show
from codegen.spec.yaml.migrations import LANGUAGE_VERSION
from codegen.spec.yaml.source import Tree


def version_of(tree: Tree, known: int = LANGUAGE_VERSION) -> int | None:
    """What a file says, None if nothing; SpecError if it is no version, or a newer one."""
    if not isinstance(tree.data, dict) or "version" not in tree.data:
        return None
    said, where = tree.data["version"], tree.position(("version",))
    if not isinstance(said, int) or isinstance(said, bool) or said < 1:
        hint = f"version: {known}, or leave it out"
        raise SpecError(Diagnostic(f"expected a version, got {show(said)}", where, hint))
    if said > known:
        message = f"written for version {said} of the language; this tgen knows up to {known}"
        raise SpecError(Diagnostic(message, where, "update tgen"))
    return said


def take_version(tree: Tree) -> tuple[Diagnostic, ...]:
    """Takes `version` out of a file's data; what is to be said if it is an older one."""
    said = version_of(tree)
    if said is None:
        return ()
    del tree.data["version"]
    if said == LANGUAGE_VERSION:
        return ()
    where = tree.position(("version",))
    message = f"written for version {said} of the language, which is at {LANGUAGE_VERSION} now"
    hint = f"tgen migrate {where.path}" if where else None
    return (Diagnostic(message, where, hint),)
