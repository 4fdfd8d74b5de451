"""The kinds of layers, a row each, and how one is written: a word, or a word and its fields."""

from __future__ import annotations

from typing import Annotated, Any, get_args

from pydantic import BeforeValidator, Field

from codegen.spec.network.activation import ActivationLayer, Function
from codegen.spec.network.dropout import DropoutLayer
from codegen.spec.network.flatten import FlattenLayer
from codegen.spec.network.linear import LinearLayer

AnyLayer = LinearLayer | ActivationLayer | DropoutLayer | FlattenLayer
MAIN = {  # the field that may stand alone behind a kind's word
    "linear": LinearLayer.main,
    "dropout": DropoutLayer.main,
    "flatten": FlattenLayer.main,
    **dict.fromkeys(get_args(Function), ActivationLayer.main),
}


def written_out(value: Any) -> Any:
    """`linear: 128` is short for `linear: {width: 128}`, and `relu` for `relu: {}`."""
    if isinstance(value, str):
        return {"kind": value}
    if not isinstance(value, dict) or len(value) != 1:
        raise ValueError("a layer is a word, or a word with its fields")
    ((kind, said),) = value.items()
    if isinstance(said, dict):
        return {**said, "kind": kind}
    main = MAIN.get(kind)
    if main == "":
        raise ValueError(f"`{kind}` stands alone")
    return {main: said, "kind": kind} if main else {"kind": kind}


Layer = Annotated[Annotated[AnyLayer, Field(discriminator="kind")], BeforeValidator(written_out)]
