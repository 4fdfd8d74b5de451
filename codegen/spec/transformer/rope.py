"""The vocabulary of rotary positions."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from codegen.spec.head import Positive, PositiveFloat, Vocabulary
from codegen.spec.values import none_word


class LinearScaling(Vocabulary):
    """Positions divided by a factor (arXiv:2306.15595)."""

    kind: Literal["linear"] = "linear"
    factor: PositiveFloat = Field(description="how many times longer the context becomes")


class Llama3Scaling(Vocabulary):
    """Long wavelengths divided by a factor, short ones kept (Llama 3.1)."""

    kind: Literal["llama3"] = "llama3"
    factor: PositiveFloat = Field(8.0, description="divisor of the low frequencies")
    low_freq_factor: PositiveFloat = Field(
        1.0, description="original contexts per longest wave kept"
    )
    high_freq_factor: PositiveFloat = Field(
        4.0, description="waves per original context left alone"
    )
    original_context_length: Positive = Field(8192, description="context before the stretch")


class DynamicScaling(Vocabulary):
    """The base grows with a text longer than in training (dynamic NTK, arXiv:2309.00071).

    The longest row of a batch decides. In decoding, what was read stays as it was turned.
    """

    kind: Literal["dynamic"] = "dynamic"
    factor: PositiveFloat = Field(description="how fast the base grows")
    original_context_length: Positive = Field(description="up to which nothing changes")


class YarnScaling(Vocabulary):
    """Each wavelength stretched by how often it fits the original context (arXiv:2309.00071)."""

    kind: Literal["yarn"] = "yarn"
    factor: PositiveFloat = Field(description="how many times longer the context becomes")
    original_context_length: Positive = Field(description="context before the stretch")
    beta_fast: PositiveFloat = Field(32.0, description="waves per original context left alone")
    beta_slow: PositiveFloat = Field(1.0, description="waves per context fully stretched")
    truncate: bool = Field(True, description="the ramp begins and ends at whole dimensions")
    attention_factor: PositiveFloat | None = Field(
        None, description="of rotated queries and keys; by default 0.1 * ln(factor) + 1"
    )


class LongRopeScaling(Vocabulary):
    """A divisor for each pair of dimensions, another beyond the original context.

    LongRoPE (arXiv:2402.13753). The longest row of a batch decides. In decoding, a text that
    outgrows the original context is read again.
    """

    kind: Literal["longrope"] = "longrope"
    short_factor: list[PositiveFloat] = Field(description="of each pair, in short texts")
    long_factor: list[PositiveFloat] = Field(description="of each pair, in longer ones")
    original_context_length: Positive = Field(description="up to which a text is short")
    attention_factor: PositiveFloat = Field(1.0, description="of rotated queries and keys")
    long_attention_factor: PositiveFloat | None = Field(
        None, description="the same in longer sequences; by default attention_factor"
    )


class ProportionalScaling(Vocabulary):
    """Only the shortest wavelengths turn, and over all dimensions of a head (Gemma 4)."""

    kind: Literal["proportional"] = "proportional"
    fraction: Annotated[float, Field(gt=0, le=1)] = Field(description="of the pairs that turn")
    factor: PositiveFloat = Field(1.0, description="divisor of the frequencies")


AnyScaling = (
    LinearScaling
    | Llama3Scaling
    | DynamicScaling
    | YarnScaling
    | LongRopeScaling
    | ProportionalScaling
)


class Rope(Vocabulary):
    """Rotary positions (arXiv:2104.09864)."""

    theta: PositiveFloat = Field(10_000.0, description="base of the wavelengths")
    dim: Positive | None = Field(
        None, description="dimensions of each head that turn, from the first; by default all"
    )
    pairs: Literal["half", "interleaved"] = Field(
        "half", description="(x[i], x[i + dim / 2]) turn together, or (x[2i], x[2i + 1])"
    )
    sign: Literal[1, -1] = Field(1, description="-1 turns the other way")
    values: bool = Field(False, description="values turn, too, like queries and keys")
    scaling: Annotated[
        Annotated[AnyScaling, Field(discriminator="kind")] | None,
        BeforeValidator(none_word),
    ] = Field(None, description="how positions beyond the training context are reached")
