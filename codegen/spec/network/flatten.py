"""The layer `flatten`."""

from __future__ import annotations

from typing import ClassVar, Literal

from codegen.spec.head import Vocabulary


class FlattenLayer(Vocabulary):
    """All numbers of an image as one vector."""

    main: ClassVar[str] = ""

    kind: Literal["flatten"] = "flatten"
