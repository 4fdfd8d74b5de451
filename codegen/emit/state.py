"""How a package's files stand: what is on disk, what the lock says of it, what it should be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from codegen.emit.carry import carry, troubles_of_imports
from codegen.emit.disk import check_folder, encode, read_plain
from codegen.emit.file_state import FileState
from codegen.emit.lock import Lock, lock_of, lock_text, parse_lock, sha256_of, without_edits
from codegen.emit.merge import Side
from codegen.emit.package import Package
from codegen.frozen import frozen
from codegen.project import LOCK_NAME


@frozen
class PackageState:
    """Every file that is rendered or that the lock lists, by name, then the lock itself."""

    files: tuple[FileState, ...]

    @property
    def pending(self) -> tuple[FileState, ...]:
        """The files that a build would change."""
        return tuple(state for state in self.files if not state.current)

    @property
    def digests(self) -> dict[str, str]:
        """The sha256 of what each file should hold, by name."""
        texts = ((file.name, file.wanted) for file in self.files)
        return {name: sha256_of(text) for name, text in texts if text is not None}

    @property
    def disputed(self) -> tuple[FileState, ...]:
        """The files that only a person can decide on."""
        return tuple(state for state in self.files if state.troubles)

    @property
    def published(self) -> PackageState:
        """The state once every file is what it should be."""
        return PackageState(
            tuple(
                replace(file, disk=file.wanted, base=None if file.base is None else file.rendered)
                for file in self.files
            )
        )

    @property
    def edited(self) -> tuple[FileState, ...]:
        """The files that hold a person's edits."""
        return tuple(state for state in self.files if state.edited)


def observe(
    package: Package,
    side: Side | None = None,
    resolved: Mapping[str, bytes] | None = None,
) -> PackageState:
    """Read what is on disk of a package, and carry a person's edits over to its rendering.

    `side` decides on conflicts, `resolved` are texts that a person made of them. A damaged lock or
    a link is an OutputError.
    """
    folder = package.folder
    check_folder(folder)
    lock_data = read_plain(folder / LOCK_NAME)
    lock = None if lock_data is None else parse_lock(lock_data, folder / LOCK_NAME)
    files = [
        _observe_file(package, name, lock, side, resolved or {})
        for name in sorted({*package.files, *(lock.files if lock else ())})
    ]
    if any(file.edited for file in files):
        files = troubles_of_imports(files, decided=resolved or {})
    return PackageState((*files, _observe_lock(package, files, lock_data, lock)))


def _observe_file(
    package: Package, name: str, lock: Lock | None, side: Side | None, resolved: Mapping[str, bytes]
) -> FileState:
    text = package.files.get(name)
    state = FileState(
        name,
        disk=read_plain(package.folder / name),
        locked=lock.files.get(name) if lock else None,
        rendered=None if text is None else encode(text),
        has_lock=lock is not None,
    )
    if name in resolved:
        return replace(state, wanted=resolved[name], base=state.rendered)
    return carry(state, package.project, side)


def _observe_lock(
    package: Package, files: list[FileState], data: bytes | None, lock: Lock | None
) -> FileState:
    """The lock's state: it comes last, and whatever it holds is tgen's own."""
    edits = {
        file.name: file.wanted
        for file in files
        if file.rendered is not None and file.wanted not in (None, file.rendered)
    }
    wanted = lock_of(package, {name: text for name, text in edits.items() if text is not None})
    bytes_wanted = encode(lock_text(wanted))
    as_it_was = lock is not None and data == encode(lock_text(lock))
    fresh = as_it_was and lock is not None and without_edits(lock) == without_edits(wanted)
    return FileState(
        LOCK_NAME,
        disk=data,
        rendered=bytes_wanted,
        wanted=bytes_wanted,
        has_lock=data is not None,
        fresh=fresh,
    )
