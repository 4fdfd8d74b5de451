"""`train.quantize`: a trained model's matrices become whole numbers of few bits."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from codegen.spec.fields import Vocabulary
from codegen.spec.mistake import Mistake

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
    skip: Patterns = Field(
        [], description="modules that stay as they are: names, or their ends, such as `head`"
    )


def _weights_only(value: Any) -> Any:
    """`quantize: int4` is short for `quantize: {weights: int4}`."""
    return {"weights": value} if isinstance(value, str) else value


Quantized = Annotated[Quantization, BeforeValidator(_weights_only)]


def check_quantize(spec: Any) -> Iterator[Mistake]:
    """What is added to frozen weights is merged into them first."""
    train, place = spec.train, ("train", "quantize")
    finetune = getattr(train, "finetune", None)
    if train.quantize and finetune is not None and finetune.method != "full":
        message = "what is added to frozen weights has no place in quantised ones"
        yield Mistake(place, message, "drop `finetune`, and compress what adapter.py has merged")
