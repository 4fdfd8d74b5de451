"""`tgen.lock`: which spec a package was made from, and the digests of the files tgen wrote."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import field, replace
from pathlib import Path

from codegen.emit.disk import encode, read_plain
from codegen.emit.merge import has_markers
from codegen.emit.package import Package, is_file_name, is_relative_posix
from codegen.emit.undo import Edit, Step, undo_steps
from codegen.errors import OutputError
from codegen.frozen import frozen
from codegen.project import LOCK_NAME

VERSION = 1
ANEW = (
    "delete it; then `tgen build --keep-mine` keeps the files as they are, `--take-new` makes "
    "them anew"
)
SHA256 = re.compile(r"[0-9a-f]{64}")
SHA1 = re.compile(r"[0-9a-f]{40}")


@frozen
class FileDigest:
    """What tgen generated: the text's SHA-256, and the id under which git stores the same text.

    `edit` is what a person made of it, as of the last build.
    """

    sha256: str
    blob: str
    edit: Edit | None = None


@frozen
class Lock:
    """A package's lock. `tiles` and `kernels` are inputs of the next render."""

    spec_path: str
    spec_digest: str
    files: Mapping[str, FileDigest]
    tiles: Mapping[str, object] = field(default_factory=dict)
    kernels: Mapping[str, object] = field(default_factory=dict)


def sha256_of(data: bytes) -> str:
    """The SHA-256 of a text with \\n for line ends, in hex."""
    return hashlib.sha256(data).hexdigest()


def git_blob_of(data: bytes) -> str:
    """The id that `git hash-object` gives the same bytes."""
    framed = b"blob %d\0" % len(data) + data
    return hashlib.sha1(framed, usedforsecurity=False).hexdigest()


def lock_of(package: Package, edited: Mapping[str, bytes] | None = None) -> Lock:
    """The lock that belongs to a rendering, of which some files hold a person's edits."""
    edits = edited or {}
    return Lock(
        spec_path=package.spec_path,
        spec_digest=package.spec_digest,
        files={
            name: digest_of(encode(text), edits.get(name)) for name, text in package.files.items()
        },
        tiles=package.tiles,
        kernels=package.kernels,
    )


def digest_of(generated: bytes, edited: bytes | None = None) -> FileDigest:
    """The digests of a generated text, and how to come back to it from an edited one."""
    edit = None
    if edited is not None:
        edit = Edit(git_blob_of(edited), undo_steps(edited, generated))
    return FileDigest(sha256_of(generated), git_blob_of(generated), edit)


def without_edits(lock: Lock) -> Lock:
    """The lock as if nobody had edited anything."""
    files = {name: replace(digest, edit=None) for name, digest in lock.files.items()}
    return replace(lock, files=files)


def lock_text(lock: Lock) -> str:
    """The lock as it is written: the same bytes for the same lock, everywhere."""
    document: dict[str, object] = {
        "version": VERSION,
        "spec": {"path": lock.spec_path, "digest": lock.spec_digest},
        "files": {name: _entry(digest) for name, digest in lock.files.items()},
    }
    if lock.tiles:
        document["tiles"] = dict(lock.tiles)
    if lock.kernels:
        document["kernels"] = dict(lock.kernels)
    return json.dumps(document, sort_keys=True, indent=2, allow_nan=False) + "\n"


def _entry(digest: FileDigest) -> dict[str, object]:
    entry: dict[str, object] = {"sha256": digest.sha256, "blob": digest.blob}
    if digest.edit:
        undo = [{"from": a, "to": b, "put": list(put)} for a, b, put in digest.edit.undo]
        entry["edited"] = {"blob": digest.edit.blob, "undo": undo}
    return entry


def read_lock(folder: Path) -> Lock | None:
    """The lock in a package's folder, or None; a damaged one is an OutputError."""
    path = folder / LOCK_NAME
    data = read_plain(path)
    return None if data is None else parse_lock(data, path)


def parse_lock(data: bytes, path: Path) -> Lock:
    """The lock that a file's bytes hold; `path` is for the error."""
    try:
        document = _mapping(json.loads(data.decode("utf-8")), "the lock")
        version = document["version"]
        if isinstance(version, int) and version > VERSION:
            raise OutputError(f"{path} was written by a newer tgen", hint="update tgen")
        if isinstance(version, int) and version != VERSION:
            raise OutputError(f"{path} is of a version that is no more: {version!r}", hint=ANEW)
        return _from_document(document)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        if has_markers(data.decode("utf-8", "replace")):
            raise OutputError(f"{path} holds an unresolved merge", hint=_one_side(path)) from None
        raise OutputError(
            f"{path} is damaged: {_reason(error)}",
            hint=f"restore it (git checkout -- {path}), or delete it and build again",
        ) from error


def _from_document(document: dict[str, object]) -> Lock:
    if document["version"] != VERSION:
        raise ValueError(f"unknown version {document['version']!r}")
    spec = _mapping(document["spec"], "spec")
    path, digest = spec["path"], spec["digest"]
    if not isinstance(path, str) or not isinstance(digest, str):
        raise ValueError("the spec's path and digest aren't texts")
    if not is_relative_posix(path):
        raise ValueError(f"the spec's path {path!r} isn't relative to the project")
    files = _mapping(document["files"], "files")
    return Lock(
        spec_path=path,
        spec_digest=digest,
        files={name: _file_digest(name, entry) for name, entry in files.items()},
        tiles=_mapping(document.get("tiles", {}), "tiles"),
        kernels=_mapping(document.get("kernels", {}), "kernels"),
    )


def _mapping(value: object, what: str) -> dict[str, object]:
    if not isinstance(value, dict):
        raise ValueError(f"{what} isn't a mapping")
    return value


def _file_digest(name: str, entry: object) -> FileDigest:
    if not is_file_name(name):
        raise ValueError(f"{name!r} isn't the name of a file in this folder")
    digests = _mapping(entry, name)
    sha256, blob = str(digests["sha256"]), str(digests["blob"])
    if not SHA256.fullmatch(sha256) or not SHA1.fullmatch(blob):
        raise ValueError(f"the digests of {name!r} aren't digests")
    return FileDigest(sha256, blob, _edit(name, digests["edited"]) if "edited" in digests else None)


def _edit(name: str, entry: object) -> Edit:
    edited = _mapping(entry, f"the edit of {name!r}")
    blob, steps = str(edited["blob"]), edited["undo"]
    if not SHA1.fullmatch(blob) or not isinstance(steps, list):
        raise ValueError(f"the edit of {name!r} isn't one")
    return Edit(blob, tuple(_step(name, step) for step in steps))


def _step(name: str, entry: object) -> Step:
    match entry:
        case {"from": int(start), "to": int(end), "put": list(put)} if 0 <= start <= end:
            return start, end, tuple(map(str, put))
    raise ValueError(f"the edit of {name!r} has a step that is none")


def _one_side(path: Path) -> str:
    take = f"git checkout --theirs -- {path.parent}, or --ours"
    return f"mend the spec, take the package whole from one side ({take}), then: tgen build"


def _reason(error: Exception) -> str:
    if isinstance(error, KeyError):
        return f"{error.args[0]!r} is missing"
    return str(error)
