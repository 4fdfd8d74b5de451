"""How the disk differs from a rendering, as diffs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import field, replace
from typing import Literal

from codegen.emit.beside import Beside, forged_beside, judged_beside, paths_beside
from codegen.emit.disk import output_errors
from codegen.emit.file_state import FileState
from codegen.emit.merge import Sides, merge_texts
from codegen.emit.package import Package
from codegen.emit.shown import shown_folder
from codegen.emit.state import PackageState, observe
from codegen.errors import Diagnostic, Position
from codegen.frozen import frozen

Kind = Literal["missing", "changed", "edited", "added", "extra", "conflict"]
NO_NEWLINE = "\n\\ No newline at end of file\n"


@frozen
class Change:
    """One file that differs: its path in the project, how so, and a unified diff.

    missing: not there. changed: a build would write it. extra: tgen wrote it, and renders it no
    more. conflict: a build would need a person; `troubles` say why. edited: a person changed it,
    `parts` of it; the diff goes from what was generated. added: a person put it there; there is no
    diff, and the path of a folder ends in a slash.
    """

    path: str
    kind: Kind
    diff: str
    parts: tuple[str, ...] = ()
    troubles: tuple[str, ...] = ()


@frozen
class PackageDiff:
    """What is stale in a package, the lock last, and what a person has edited in it or added.

    `in_the_way` is what lies there under a name that Python or pytest would go by.
    """

    changes: tuple[Change, ...] = ()
    edits: tuple[Change, ...] = ()
    in_the_way: tuple[Diagnostic, ...] = ()
    settled: bool = True  # a build would write nothing, not even the record of an edit
    digests: Mapping[str, str] = field(default_factory=dict)  # sha256 of what files should hold


def compare(package: Package, name_parts: bool = False) -> PackageDiff:
    """How a package differs from its rendering; nothing is written.

    `name_parts` finds for each edit which definitions it is of, where no merge has found them.
    """
    with output_errors(package.folder, doing="read"):
        state = observe(package)
        found = comparison(package, state)
    if not name_parts:
        return found
    edited = [
        _with_parts(edit, file) for edit, file in zip(found.edits, state.edited, strict=False)
    ]
    return replace(found, edits=(*edited, *found.edits[len(edited) :]))


def _with_parts(edit: Change, file: FileState) -> Change:
    if edit.parts or file.base is None or file.disk is None:
        return edit
    base, mine = (data.decode("utf-8", "replace") for data in (file.base, file.disk))
    merged = merge_texts(file.name, Sides(base, mine, base))
    return replace(edit, parts=merged.carried or ("formatting",))


def comparison(package: Package, state: PackageState) -> PackageDiff:
    """The same of a state that was observed."""
    shown = shown_folder(package)
    changes = (_change(f"{shown}/{file.name}", file) for file in state.files if file.stale)
    edits = [edit_of(f"{shown}/{file.name}", file) for file in state.edited]
    beside = beside_of(package, state)
    edits += [Change(f"{shown}/{it.path}", "added", diff="") for it in beside if not it.in_the_way]
    return PackageDiff(
        tuple(changes),
        tuple(edits),
        tuple(blocking(shown, it) for it in beside if it.in_the_way),
        not state.pending,
        state.digests,
    )


def beside_of(package: Package, state: PackageState) -> tuple[Beside, ...]:
    """What lies in a package's folder that its lock doesn't list."""
    known = [file.name for file in state.files]
    paths = paths_beside(package.folder, known)
    found = judged_beside(paths, known, _imported(state)) if paths else ()
    return (*found, *forged_beside(package.folder, known))


def _imported(state: PackageState) -> frozenset[str]:
    """The names of the modules that a package's files import from elsewhere."""
    import ast  # slow to import, and most packages hold nothing but what is generated

    found: set[str] = set()
    for file in state.files:
        if not file.name.endswith(".py"):
            continue
        with suppress(SyntaxError, ValueError):
            for node in ast.walk(ast.parse(file.disk or b"")):
                if isinstance(node, ast.Import):
                    found.update(alias.name.partition(".")[0] for alias in node.names)
                elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                    found.add(node.module.partition(".")[0])
    return frozenset(found)


def blocking(shown: str, it: Beside) -> Diagnostic:
    """What is said of a thing that can't stay in a folder."""
    path = f"{shown}/{it.path}" if shown != "." else it.path
    where = f"out of {shown}/" if shown != "." else "away"
    hint = f"move it {where}, or give it another name"
    return Diagnostic(f"{path}: {it.in_the_way}", Position(path, 1, 1), hint)


def _change(path: str, file: FileState) -> Change:
    wanted = file.marked if file.troubles and file.marked else file.wanted
    return Change(path, _kind(file), diff(path, file.disk, wanted), troubles=file.troubles)


def _kind(file: FileState) -> Kind:
    if file.troubles:
        return "conflict"
    if file.wanted is None:
        return "extra"
    return "missing" if file.disk is None else "changed"


def edit_of(path: str, file: FileState) -> Change:
    """What a person changed in a file."""
    parts = file.merged.carried if file.merged else ()
    return Change(path, "edited", diff(path, file.base, file.disk), parts)


def diff(path: str, one: bytes | None, other: bytes | None) -> str:
    """A diff that `git apply` takes."""
    import difflib  # slow to import, and a fresh package needs none

    old, new, header = f"a/{path}", f"b/{path}", ""
    if one is None:
        header, old = f"diff --git {old} {new}\nnew file mode 100644\n", "/dev/null"
    elif other is None:
        header, new = f"diff --git {old} {new}\ndeleted file mode 100644\n", "/dev/null"
    return header + "".join(difflib.unified_diff(list(_lines(one)), list(_lines(other)), old, new))


def _lines(data: bytes | None) -> Iterator[str]:
    *whole, last = (data or b"").decode("utf-8", "replace").split("\n")
    yield from (line + "\n" for line in whole)
    if last:
        yield last + NO_NEWLINE
