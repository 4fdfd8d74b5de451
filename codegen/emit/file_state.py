"""How one file of a package stands."""

from __future__ import annotations

from codegen.emit.lock import FileDigest, sha256_of
from codegen.emit.merge import Merged
from codegen.frozen import frozen


@frozen
class FileState:
    """One file: its bytes on disk, what the lock says, what is rendered, what it should hold.

    None for: no such file, a file that the lock doesn't list, a file that isn't rendered. `base` is
    what was generated where a person has edited it. `troubles` say why only a person can decide;
    `marked` is then a text for that, with the conflicts marked. `dropped` are the definitions of
    which a person's text is given up, as asked for.
    """

    name: str
    disk: bytes | None
    locked: FileDigest | None = None
    rendered: bytes | None = None
    wanted: bytes | None = None
    has_lock: bool = True
    fresh: bool = False  # though the bytes differ
    base: bytes | None = None
    merged: Merged | None = None
    troubles: tuple[str, ...] = ()
    marked: bytes | None = None
    dropped: tuple[str, ...] = ()

    @property
    def current(self) -> bool:
        """Whether a build has nothing to do."""
        return self.disk == self.wanted and not self.troubles

    @property
    def stale(self) -> bool:
        """Whether the file isn't what the spec says, a person's edits aside."""
        return not (self.current or self.fresh)

    @property
    def foreign(self) -> bool:
        """Whether the disk holds a text that tgen didn't generate."""
        return self.disk is not None and (
            self.locked is None or sha256_of(self.disk) != self.locked.sha256
        )

    @property
    def edited(self) -> bool:
        """Whether a person has changed what was generated."""
        return self.base is not None and self.disk != self.base
