"""Blocks that are a class of the user's own, in a Python file beside the spec."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Discriminator, Field, Tag

from codegen.spec.head import Vocabulary
from codegen.spec.network.blocks import BlockDefinition, GivenNumbers
from codegen.spec.network.expressions import Units, Whole


class HandedOn(Vocabulary):
    """What a block of one's own makes of the shape that comes in."""

    channels: Units | None = Field(None, description="by default those that come in")
    stride: Whole = Field(1, description="how many times smaller a map becomes, rounded up")


class PythonBlock(Vocabulary):
    """A class of a Python file, which is copied into the package."""

    python: Annotated[str, Field(max_length=300, pattern=r"^[^:]+\.py:[A-Za-z_][A-Za-z0-9_]*$")] = (
        Field(description="`mine.py:Mine`: a file, as seen from the spec, and an `nn.Module` in it")
    )
    out: HandedOn = Field(
        HandedOn(), description="the shape that it hands on; by default the one that comes in"
    )
    given: GivenNumbers = Field(
        {}, description="whatever else is said, by name: defaults of what its `__init__` takes"
    )

    @property
    def layers(self) -> list[Any]:
        """None that a spec knows."""
        return []


def _apart(said: Any) -> Any:
    """What a block is, and the defaults of the numbers that it may be given."""
    if isinstance(said, list):
        return {"layers": said}
    if not isinstance(said, dict) or not ("layers" in said or "python" in said):
        raise ValueError("a block is a list of layers, or a mapping with `layers` or `python`")
    own = {"python", "out"} if "python" in said else {"layers"}
    if "layers" in said and "python" in said:
        raise ValueError("a block has `layers` or is a class in `python`, not both")
    rest = {name: value for name, value in said.items() if name not in own}
    return {**{name: said[name] for name in own if name in said}, "given": rest}


def _tag(said: Any) -> str:
    own = "python" in said if isinstance(said, dict) else isinstance(said, PythonBlock)
    return "a class" if own else "a list"


AnyBlock = Annotated[
    Annotated[BlockDefinition, Tag("a list")] | Annotated[PythonBlock, Tag("a class")],
    Discriminator(_tag),
    BeforeValidator(_apart),
]
