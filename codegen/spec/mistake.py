"""What a check of a spec finds."""

from __future__ import annotations

from codegen.frozen import frozen
from codegen.spec.yaml.source import Key


@frozen
class Mistake:
    """A broken rule and the field that a person would change."""

    key: Key
    message: str
    hint: str | None = None
    at: tuple[str, int, int] | None = None  # a text, and the offset and length of what is wrong
