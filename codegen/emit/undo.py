"""The way back from an edited text to the generated one, short enough for a lock."""

from __future__ import annotations

from collections.abc import Sequence

from codegen.frozen import frozen

Step = tuple[int, int, tuple[str, ...]]  # lines [start, end) of the edited text become these


@frozen
class Edit:
    """A file as a person left it when tgen last wrote its lock: its git blob, and the way back."""

    blob: str
    undo: tuple[Step, ...]


def undo_steps(edited: bytes, generated: bytes) -> tuple[Step, ...]:
    """What has to be put where in the edited text to have the generated one again."""
    from difflib import SequenceMatcher  # slow to import, and most packages have no edits

    one, other = _lines(edited), _lines(generated)
    found = SequenceMatcher(None, one, other, autojunk=False).get_opcodes()
    return tuple((a, b, tuple(other[c:d])) for tag, a, b, c, d in found if tag != "equal")


def undone(edited: bytes, steps: Sequence[Step]) -> bytes:
    """The generated text; steps that don't fit the text give one that no digest knows."""
    lines = _lines(edited)
    for start, end, put in reversed(steps):
        lines[start:end] = put
    return "\n".join(lines).encode("utf-8")


def _lines(text: bytes) -> list[str]:
    return text.decode("utf-8", "replace").split("\n")
