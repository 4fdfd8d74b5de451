"""`train.quantize`: a trained model's matrices become whole numbers of few bits."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from codegen.spec.fields import Vocabulary
from codegen.spec.mistake import Mistake
from codegen.spec.owned import Only
from codegen.spec.tasks.decoders import DECODERS

Patterns = Annotated[list[str], Field(max_length=100)]


class Quantization(Vocabulary):
    """Weights of few bits: what `compress` makes of a trained model unless it is told otherwise."""

    weights: Literal["int8", "int4"] = Field(
        "int8",
        description="whole numbers with a scale for each output (`int8`), or with a scale and an "
        "offset for each group of inputs of an output (`int4`); of embeddings always `int8`",
    )
    group: Literal[32, 64, 128, 256] = Field(32, description="inputs that share a scale of `int4`")
    symmetric: bool = Field(False, description="`int4` has no offsets")
    by: Literal["nearest", "gptq", "awq"] = Field(
        "gptq",
        description="which numbers of `int4` are taken: the `nearest`, or those that change least "
        "what is computed from inputs of training: by the errors of those before "
        "(`gptq`, arXiv:2210.17323), or by scales of inputs (`awq`, arXiv:2306.00978)",
    )
    activations: Literal["none", "dynamic", "static"] = Field(
        "none",
        description="what `int8` multiplies: numbers as they are, or whole ones, too, of linear "
        "layers with a scale for each row (`dynamic`), or of a network's convolutions and linear "
        "layers in ranges that are found in rows of training (`static`)",
    )
    cache: Annotated[Literal["none", "int8"], Only(*DECODERS)] = Field(
        "none",
        description="what decoding keeps of keys and values: numbers as they are, or (`int8`) "
        "whole ones with a scale for each head and position; of every model of the package",
    )
    skip: Patterns = Field(
        [], description="modules that stay as they are: names, or their ends, such as `head`"
    )
    aware: bool = Field(
        False,
        description="training rounds as the compressed model will, with gradients as if it didn't "
        "(arXiv:1712.05877), and finds the ranges of `static`",
    )


def _weights_only(value: Any) -> Any:
    """`quantize: int4` is short for `quantize: {weights: int4}`."""
    return {"weights": value} if isinstance(value, str) else value


Quantized = Annotated[Quantization, BeforeValidator(_weights_only)]


def check_quantize(spec: Any) -> Iterator[Mistake]:
    """Static ranges are of plain networks; what is added to frozen weights is merged first."""
    train, place = spec.train, ("train", "quantize")
    if train.quantize:
        yield from _check_activations(spec.family, train.quantize, place)
    if train.quantize and train.quantize.cache != "none" and spec.family != "transformer":
        message = f"models of the family `{spec.family}` keep no keys and values"
        yield Mistake((*place, "cache"), message, "drop `cache`")
    finetune = getattr(train, "finetune", None)
    if train.quantize and finetune is not None and finetune.method != "full":
        message = "what is added to frozen weights has no place in quantised ones"
        yield Mistake(place, message, "drop `finetune`, and compress what adapter.py has merged")


def _check_activations(
    family: str, said: Quantization, place: tuple[str, ...]
) -> Iterator[Mistake]:
    where = (*place, "activations")
    if said.activations == "static" and family != "network":
        message = f"inputs have ranges of their own in each row of a {family}"
        yield Mistake(where, message, "say `dynamic`; `static` is for `family: network`")
    if said.activations != "none" and said.weights == "int4":
        message = "`int4` multiplies inputs as they are"
        yield Mistake(where, message, "drop `activations`, or say `weights: int8`")
    if said.aware and "by" in said.model_fields_set and said.by != "nearest":
        message = "a model that was trained to round to the nearest numbers takes no others"
        yield Mistake((*place, "by"), message, "drop `by`, or `aware`")
