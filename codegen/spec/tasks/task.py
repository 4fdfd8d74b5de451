"""What a task adds to a spec."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from codegen.frozen import frozen
from codegen.spec.head import Vocabulary
from codegen.spec.mistake import Mistake

Check = Callable[[Any], Iterator[Mistake]]  # of a spec: each rule that it breaks


@frozen
class Task:
    """What the data are, and what is learned from them: a task's fields and checks."""

    name: str
    summary: str  # what the model is trained to do, as `task` is documented
    data: type[Vocabulary]  # the fields of `data`
    checks: tuple[Check, ...] = ()
