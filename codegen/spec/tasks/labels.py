"""Names of classes, as data say them."""

from __future__ import annotations

from collections.abc import Iterator

from codegen.spec.mistake import Mistake


def check_class_names(labels: list[str] | None, classes: int) -> Iterator[Mistake]:
    """Each class has a name of its own, if they have names."""
    if labels is None:
        return
    if len(labels) != classes:
        message = f"{len(labels)} names for {classes} classes"
        yield Mistake(("data", "labels"), message, f"model: {{classes: {len(labels)}}}")
    for index, name in enumerate(labels):
        if not name.isprintable():
            yield Mistake(("data", "labels", index), "a name of characters that can't be shown")
        if name in labels[:index]:
            yield Mistake(("data", "labels", index), f"the class `{name}` is said twice")
