"""What every layer may say, and words that several kinds of layers share."""

from __future__ import annotations

import keyword
import re
from typing import Annotated, Any, ClassVar, Literal, Protocol, TypeVar, get_args

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from codegen.spec.head import NotNegative, Positive, PositiveFloat, Vocabulary
from codegen.spec.network.expressions import Condition, Text, Whole

# What code calls something else: `y1` and so on are its own variables.
TAKEN = (
    "self", "super", "torch", "nn", "math", "config", "index", "stage", "numbers", "range", "zip",
    "images", "inputs", "targets", "reduction", "scores", "predictions", "wanted", "here",
    "x", "y", "z", "u", "v", "w",
)  # fmt: skip
OWN_VARIABLE = re.compile(r"y[0-9]+|part[0-9]+_?")


def is_free(name: str) -> str:
    """A name that code may have for a number, for a value, or for a block."""
    if keyword.iskeyword(name) or name in TAKEN or OWN_VARIABLE.fullmatch(name):
        raise ValueError(f"`{name}` is something else in the code, so nothing can be called that")
    return name


BlockName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=40)]
LayerName = Annotated[
    str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=40), AfterValidator(is_free)
]


class LayerFields(Vocabulary):
    """A layer of any kind; `main` is the field that may stand alone behind its word."""

    main: ClassVar[str] = ""

    kind: Any
    keep: LayerName | None = Field(
        None, alias="as", description="the name that its output is kept under"
    )
    when: Condition = Field(
        True, description="a condition without which it is not there, such as `stride > 1`"
    )


Side = Annotated[list[Whole], Field(min_length=2, max_length=2)]
Extent = Whole | Side  # one number, or [height, width]
Space = Annotated[int, Field(ge=0, le=2**20)]
Padding = Space | Annotated[list[Space | Text], Field(min_length=2, max_length=2)] | Text

Function = Literal[
    "relu", "leaky_relu", "elu", "silu", "gelu", "gelu_tanh", "mish", "softplus", "tanh",
    "sigmoid", "relu6", "selu", "prelu", "hardswish", "hardsigmoid", "softmax",
]  # fmt: skip
NormKind = Literal["batch", "layer", "group", "instance", "rms", "response"]


class Sloped(Protocol):
    """What says a function, and perhaps its slope."""

    @property
    def kind(self) -> Function:
        """Which function."""

    @property
    def model_fields_set(self) -> set[str]:
        """The fields that are said."""


Said = TypeVar("Said", bound=Sloped)


def with_its_slope(said: Said) -> Said:
    """A function, whose slope only `leaky_relu` has."""
    if "slope" in said.model_fields_set and said.kind != "leaky_relu":
        raise ValueError("`slope` is of `leaky_relu`")
    return said


class FunctionFields(Vocabulary):
    """A function with its number."""

    kind: Function = Field(description="which")
    slope: NotNegative = Field(0.01, description="of `leaky_relu` below zero")

    @model_validator(mode="after")
    def _slope_of_leaky(self) -> FunctionFields:
        return with_its_slope(self)


OF_KINDS = {"groups": "group", "affine": "instance"}  # fields of a norm of one kind alone


class NormFields(Vocabulary):
    """A norm of the numbers of a map, of tokens or of a vector."""

    kind: NormKind = Field(
        "batch",
        description="over a batch, over channels, over groups of them, over a map, without a "
        "mean, or by the response of other channels (arXiv:2301.00808)",
    )
    eps: PositiveFloat | None = Field(
        None, description="added to the variance; by default 1e-5, and 1e-6 of `response`"
    )
    groups: Positive = Field(32, description="of channels, for `group`")
    affine: bool = Field(
        False, description="a learned gain and offset of each channel, for `instance`"
    )

    @model_validator(mode="after")
    def _fields_of_kinds(self) -> NormFields:
        for name, kind in OF_KINDS.items():
            if name in self.model_fields_set and self.kind != kind and self._has_kind:
                raise ValueError(f"`{name}` is of the kind `{kind}`")
        return self

    @property
    def _has_kind(self) -> bool:
        return "kind" in self.model_fields_set


def kind_if(words: tuple[str, ...]) -> BeforeValidator:
    """A word of a table is short for its kind; any other is `none`, or the name of a number."""
    return BeforeValidator(
        lambda said: {"kind": said} if isinstance(said, str) and said in words else said
    )


Word = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=40)]
Activation = Annotated[FunctionFields | Word, kind_if(get_args(Function))]
AnyNorm = Annotated[NormFields | Word, kind_if(get_args(NormKind))]
