"""How a package's files stand: what is on disk, what the lock says of it, what is rendered."""

from __future__ import annotations

from dataclasses import dataclass

from codegen.emit.disk import check_folder, encode, read_plain
from codegen.emit.lock import lock_of, lock_text, parse_lock, sha256_of
from codegen.emit.package import LOCK_NAME, Package


@dataclass(frozen=True)
class FileState:
    """One file: its bytes on disk, the digest that tgen last wrote, the bytes it should have.

    None for: no such file, a file that the lock doesn't list, a file that isn't rendered.
    """

    name: str
    disk: bytes | None
    locked: str | None
    rendered: bytes | None

    @property
    def current(self) -> bool:
        """Whether nothing is to be done."""
        return self.disk == self.rendered

    @property
    def foreign(self) -> bool:
        """Whether the disk holds a text that tgen neither wrote nor would write."""
        return not self.current and self.disk is not None and sha256_of(self.disk) != self.locked


@dataclass(frozen=True)
class PackageState:
    """Every file that is rendered or that the lock lists, by name, then the lock itself."""

    files: tuple[FileState, ...]
    has_lock: bool

    @property
    def pending(self) -> tuple[FileState, ...]:
        """The files that aren't as they should be."""
        return tuple(state for state in self.files if not state.current)


def observe(package: Package) -> PackageState:
    """Read what is on disk of a package; a damaged lock or a link is an OutputError."""
    folder = package.folder
    check_folder(folder)
    lock_path = folder / LOCK_NAME
    lock_data = read_plain(lock_path)
    listed = {} if lock_data is None else parse_lock(lock_data, lock_path).files
    files = []
    for name in sorted({*package.files, *listed}):
        text = package.files.get(name)
        files.append(
            FileState(
                name=name,
                disk=read_plain(folder / name),
                locked=listed[name].sha256 if name in listed else None,
                rendered=None if text is None else encode(text),
            )
        )
    # The lock comes last, and whatever it holds is tgen's own.
    locked = None if lock_data is None else sha256_of(lock_data)
    new_lock = encode(lock_text(lock_of(package)))
    files.append(FileState(LOCK_NAME, lock_data, locked, new_lock))
    return PackageState(tuple(files), has_lock=lock_data is not None)
