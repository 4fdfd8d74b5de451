"""What those who wait hear of a build or a check while it goes on."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from codegen.counted import Counted, unheard
from codegen.frozen import frozen

if TYPE_CHECKING:
    from codegen.build.outcome import Outcome


@frozen
class Progress:
    """What is called as specs are rendered, kernels compiled, packages done with, and tested.

    `done` gets every package that no verdict proved fresh, before its tests.
    """

    rendered: Counted = unheard
    compiled: Counted = unheard
    done: Callable[[Outcome], None] = unheard
    tested: Counted = unheard


SILENT = Progress()
