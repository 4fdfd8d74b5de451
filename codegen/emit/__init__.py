"""Stage 6: texts to disk. A package is compared with what is there and written whole or not at all.

Every command calls `recover` first; `compare` tells how the disk differs from a rendering and
`write` makes it the same, unless that would lose something that a person wrote.
"""

from codegen.emit.compare import Change, Kind, compare, find_orphans
from codegen.emit.lock import FileDigest, Lock, read_lock
from codegen.emit.package import LOCK_NAME, Package
from codegen.emit.recover import Recovered, recover
from codegen.emit.verdicts import code_digest, recall, remember, templates_digest
from codegen.emit.write import Written, write

__all__ = [
    "LOCK_NAME",
    "Change",
    "FileDigest",
    "Kind",
    "Lock",
    "Package",
    "Recovered",
    "Written",
    "code_digest",
    "compare",
    "find_orphans",
    "read_lock",
    "recall",
    "recover",
    "remember",
    "templates_digest",
    "write",
]
