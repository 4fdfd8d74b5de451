"""Files as strangers leave them: cut off, changed, of another kind, or with names that forge."""

from __future__ import annotations

import os
import random
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.plain import EVIL

Change = Callable[[Path], object]
HEADER = struct.pack("<Q", 2**60)  # what a safetensors file says of itself first


def become_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def become_link(path: Path, target: str) -> None:
    path.unlink()
    path.symlink_to(target)


def become_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def written(content: bytes) -> Change:
    return lambda path: path.write_bytes(content)


def cut(share: float) -> Change:
    return lambda path: path.write_bytes((raw := path.read_bytes())[: int(len(raw) * share)])


PLACES: dict[str, Change] = {
    "missing": lambda path: path.unlink(),
    "a folder": become_folder,
    "a link to itself": lambda path: become_link(path, path.name),
    "a link to nothing": lambda path: become_link(path, "nowhere"),
    "a pipe": become_pipe,
    "a device": lambda path: become_link(path, "/dev/zero"),
}
CONTENTS: dict[str, Change] = {
    "empty": written(b""),
    "one byte": written(b"\x00"),
    "zeros": written(bytes(4096)),
    "no UTF-8": written(b"caf\xe9\xff\xfe\n" * 99),
    "UTF-16": written(("a\tb\n" * 99).encode("utf-16")),
    "evil": written((EVIL + "\n").encode("utf-8", "surrogatepass") * 9),
    "a huge header": written(HEADER + b"{}"),
    "deep": written(b"[" * 100_000 + b"]" * 100_000),
    "a long number": written(b'{"kind": ' + b"9" * 5000 + b"}"),
    "null": written(b"null"),
    "a list": written(b"[1, 2]"),
    "a text": written(b'"char"'),
    "a lone surrogate": written(rb'{"kind": "char", "characters": "\ud800"}'),
    "cut at 1 %": cut(0.01),
    "cut at 50 %": cut(0.5),
    "cut at 99 %": cut(0.99),
}


def random_changes(seed: int, count: int) -> Iterator[tuple[str, Change]]:
    """A few bytes of a file exchanged, left out or said twice."""
    for number in range(count):
        draw = random.Random(f"{seed} {number}")

        def change(path: Path, draw: random.Random = draw) -> None:
            raw = bytearray(path.read_bytes())
            # Half of them where formats say what follows.
            at = draw.randrange(min(len(raw), draw.choice([200, len(raw)])))
            kind, size = draw.randrange(3), draw.randrange(1, 9)
            if kind == 0:
                raw[at : at + size] = draw.randbytes(size)
            elif kind == 1:
                del raw[at : at + size]
            else:
                raw[at:at] = raw[at : at + size]
            path.write_bytes(raw)

        yield f"random {number}", change


def changes(seed: int = 0, count: int = 25) -> dict[str, Change]:
    """All of them by name."""
    return {**PLACES, **CONTENTS, **dict(random_changes(seed, count))}
