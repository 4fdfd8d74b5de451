"""Bytecode that Python would run in place of a generated source, and that says something else.

Python believes a .pyc in __pycache__ that names the time and the size of its source, or a hash of
it, or asks not to be compared. Only its own can be looked into; what another version left is
believed here as Python believes it, unless it is of a kind that nobody leaves by chance.
"""

from __future__ import annotations

import marshal
import os
from collections.abc import Collection, Iterator
from importlib.util import MAGIC_NUMBER
from pathlib import Path
from types import CodeType

FOLDER = "__pycache__"
HEADER = 16  # magic number, flags, then the source's time and size, or its hash
BY_HASH, COMPARED = 1, 2  # flags of PEP 552


def bytecode_of(folder: Path, known: Collection[str]) -> tuple[str, ...]:
    """The .pyc of the files `known` that some Python may believe, by their paths in `folder`."""
    try:
        names = os.listdir(folder / FOLDER)
    except OSError:
        return ()
    sources = {name.removesuffix(".py"): name for name in known if name.endswith(".py")}
    return tuple(
        f"{FOLDER}/{name}"
        for name in sorted(names)
        if name.endswith(".pyc") and name.partition(".")[0] in sources
    )


def forged(folder: Path, paths: Collection[str]) -> Iterator[tuple[str, str]]:
    """Those of the .pyc that aren't what their source compiles to, and the source of each."""
    for path in paths:
        source = Path(path).name.partition(".")[0] + ".py"
        try:
            data, text = (folder / path).read_bytes(), (folder / source).read_bytes()
            stat = os.stat(folder / source)
        except OSError:
            continue
        dated = (int(stat.st_mtime) & 0xFFFFFFFF, stat.st_size & 0xFFFFFFFF)
        if _is_believed(data, dated) and not _is_of(data, text, path):
            yield path, source


def _is_believed(data: bytes, dated: tuple[int, int]) -> bool:
    """Whether Python would run this bytecode; one with a hash counts whatever the hash is."""
    if len(data) < HEADER:
        return False
    flags, time, size = (int.from_bytes(data[at : at + 4], "little") for at in (4, 8, 12))
    return bool(flags & BY_HASH) or (time, size) == dated


def _is_of(data: bytes, source: bytes, path: str) -> bool:
    """Whether bytecode is what a source compiles to; what is dated is, of another Python."""
    tags = Path(path).name.split(".")[1:-1]
    if data[:4] != MAGIC_NUMBER or "pytest" in path:
        return not data[4] & BY_HASH
    level = next((int(tag[4:]) for tag in tags if tag in ("opt-1", "opt-2")), 0)
    try:
        there = marshal.loads(data[HEADER:])
        compiled = compile(source, path, "exec", dont_inherit=True, optimize=level)
    except (EOFError, ValueError, TypeError, SyntaxError):
        return False
    return isinstance(there, CodeType) and there == compiled
