"""What a file says of itself, not of the model: read before the spec is made, and no part of it."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from codegen.spec.head import Vocabulary
from codegen.spec.yaml.migrations import LANGUAGE_VERSION

Version = Annotated[int, Field(ge=LANGUAGE_VERSION, le=LANGUAGE_VERSION)]
Values = Annotated[list[Any], Field(min_length=1)]


class SpecFile(Vocabulary):
    """Fields of a file, which a spec that extends it does not inherit."""

    version: Version = Field(
        LANGUAGE_VERSION,
        description="of the spec language; `tgen migrate` brings older specs up to date",
    )
    extends: str | None = Field(None, description="path of the spec that this one builds on")
    variants: dict[str, Values] | None = Field(
        None, description="fields and the values each takes: a package for each combination"
    )
