"""Layers inside of layers."""

from __future__ import annotations

import functools
import inspect
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, Field, GetJsonSchemaHandler, TypeAdapter

from codegen.frozen import frozen


@functools.cache
def _rows() -> TypeAdapter[Any]:
    from codegen.spec.network.layers import Layer  # which has these among its kinds

    return TypeAdapter(Annotated[list[Layer], Field(min_length=1, max_length=1000)])


@functools.cache
def _ways() -> TypeAdapter[Any]:
    return TypeAdapter(Annotated[list[Way], Field(min_length=2, max_length=64)])


def _read_row(said: Any) -> Any:
    return _rows().validate_python(said)


def _read_way(said: Any) -> Any:
    return said if isinstance(said, str) else _read_row(said)


def _read_ways(said: Any) -> Any:
    return _ways().validate_python(said)


@frozen
class Holds:
    """A mark on a field that holds layers, or `ways` of them: which vocabularies these have."""

    ways: bool = False

    def vocabularies(self) -> tuple[type[BaseModel], ...]:
        """Of every kind of layer, and of uses of blocks."""
        from codegen.spec.network.blocks import BlockUse
        from codegen.spec.network.layers import KINDS

        return (*dict.fromkeys(KINDS.values()), BlockUse)

    def __get_pydantic_json_schema__(self, core: Any, handler: GetJsonSchemaHandler) -> Any:
        """For editors: words, or the kinds of layers with what each is; blocks have other names."""
        from codegen.spec.network.layers import KINDS

        about = {
            kind: {"description": inspect.cleandoc(model.__doc__ or "")}
            for kind, model in KINDS.items()
        }
        layer = {"anyOf": [{"type": "string"}, {"type": "object", "properties": about}]}
        row = {"type": "array", "items": layer}
        way = {"anyOf": [{"type": "string"}, row]}
        return {"type": "array", "items": way} if self.ways else row


# They are read when they are met: a vocabulary that holds itself would have no end.
Row = Annotated[list[Any], BeforeValidator(_read_row), Holds()]
Way = Annotated[Any, BeforeValidator(_read_way)]  # layers, `here`, or the name of what was kept
Ways = Annotated[list[Any], BeforeValidator(_read_ways), Holds(ways=True)]
