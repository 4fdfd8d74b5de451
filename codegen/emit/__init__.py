"""Stage 6: texts to disk. A package is compared with what is there and written whole or not at all.

Every command calls `recover` first; `compare` tells how the disk differs from a rendering and
`write` makes it the same, unless that would lose something that a person wrote.
"""

from codegen.emit.around import AroundPackages, around, is_root
from codegen.emit.beside import forged_beside, paths_beside
from codegen.emit.compare import Change, Kind, PackageDiff, compare
from codegen.emit.disk import to_unix
from codegen.emit.generated import drop_oldest
from codegen.emit.lock import FileDigest, Lock, read_lock
from codegen.emit.merge import Side
from codegen.emit.orphans import find_orphans, remove_orphan, specs_of_packages
from codegen.emit.package import Package
from codegen.emit.recover import Recovered, recover
from codegen.emit.verdicts import code_digest, recall, remember, templates_digest
from codegen.emit.write import Written, resolve, write

__all__ = [
    "AroundPackages",
    "Change",
    "FileDigest",
    "Kind",
    "Lock",
    "Package",
    "PackageDiff",
    "Recovered",
    "Side",
    "Written",
    "around",
    "code_digest",
    "compare",
    "drop_oldest",
    "find_orphans",
    "forged_beside",
    "is_root",
    "paths_beside",
    "read_lock",
    "recall",
    "recover",
    "remember",
    "remove_orphan",
    "resolve",
    "specs_of_packages",
    "templates_digest",
    "to_unix",
    "write",
]
