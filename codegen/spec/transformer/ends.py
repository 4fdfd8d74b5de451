"""The vocabulary of both ends of a model: from tokens to vectors, and from vectors to logits."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, StrictBool

from codegen.spec.head import (
    Count,
    PositiveFloat,
    Vocabulary,
    VocabularySize,
    Width,
)
from codegen.spec.switches import Needs
from codegen.spec.transformer.activation import Activation
from codegen.spec.transformer.norms import InnerNorm
from codegen.spec.transformer.of_tasks import (
    OF_CONTRASTS,
    OF_SCORES,
    OF_TEXT,
    OF_TEXT_CLASSES,
    OF_TEXT_IN_ONE_STACK,
    OF_TOKENS,
    OF_TOKENS_IN_ONE_STACK,
)
from codegen.spec.values import ModelScale, none_word, norm_kind

Projected = Literal["tokens", "sum", "norm"]


class Sinusoids(Vocabulary):
    """Fixed absolute positions: sines and cosines (arXiv:1706.03762, section 3.5)."""

    layout: Literal["halves", "interleaved"] = Field(
        "halves", description="all sines before all cosines, or by turns"
    )
    base: PositiveFloat = Field(10_000.0, description="of the wavelengths")
    inclusive: bool = Field(
        False,
        description="the longest wavelength is 2 pi * base itself, as in tensor2tensor and fairseq",
    )


class PerLayer(Vocabulary):
    """An embedding of the tokens for each layer (Gemma 3n): a table for all, and a projection.

    A layer's own is (sqrt(dim) * table[token] + norm(projection(x) / sqrt(d_model))) / sqrt(2),
    where x is what enters the first block. Behind its other sublayers the layer adds
    norm(out(activation(gate(stream)) * own)).
    """

    dim: Width = Field(description="width of each layer's embedding")
    activation: Activation = Field("gelu_tanh", description="of the gate")
    rows: Width | None = Field(
        None,
        description="tokens that the table is for; others read its first row; by default all",
    )


class Feature(Vocabulary):
    """A number of each token beside its own, such as its shape (arXiv:1606.02892, section 2)."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,31}$")] = Field(
        description="callers of an encoder say `NAME_ids`, by default 0; a decoder's are 0"
    )
    rows: VocabularySize = Field(description="how many numbers there are")
    dim: Width = Field(description="width of their vectors")


class Embedding(Vocabulary):
    """From tokens to the residual stream."""

    tied: Annotated[bool, OF_TOKENS] = Field(
        False, description="the output head shares the token embedding"
    )
    extra_tokens: Annotated[Count, OF_TOKENS_IN_ONE_STACK] = Field(
        0, description="tokens after the vocabulary that are read and never predicted"
    )
    scale: Annotated[ModelScale | None, OF_TEXT] = Field(
        None, description="a factor such as `sqrt(d_model)`, of d_model, layers, vocab_size"
    )
    positions: Literal["none", "learned", "sinusoidal"] = Field(
        "none", description="absolute positions, added to the embedding"
    )
    position_offset: Annotated[Count, OF_TEXT] = Field(
        0, description="the first token has this position (2 in OPT; in RoBERTa after the padding)"
    )
    sinusoids: Annotated[Sinusoids, OF_TEXT, Needs("positions", on=("sinusoidal",))] = Field(
        Sinusoids.plain(), description="of sinusoidal positions"
    )
    token_types: Annotated[Count, OF_TEXT_IN_ONE_STACK] = Field(
        0,
        description="learned vectors for types of tokens (segments, in BERT), given at run time "
        "to an encoder; a decoder takes the first for all",
    )
    task_types: Annotated[Count, OF_TEXT_IN_ONE_STACK] = Field(
        0, description="the same for types of tasks, as in ERNIE 2"
    )
    features: Annotated[list[Feature], Field(max_length=8), OF_TEXT_IN_ONE_STACK] = Field(
        [],
        description="tables of further vectors, which stand beside the token's in one that is "
        "projected to d_model; a checkpoint's, as no text to train on says their numbers",
    )
    norm: Annotated[StrictBool | InnerNorm, BeforeValidator(norm_kind)] = Field(
        False, description="a norm right after the embedding: that of the model, or as said here"
    )
    norm_of: Annotated[Literal["sum", "tokens"], OF_TEXT, Needs("norm")] = Field(
        "sum", description="what that norm is of: the sum with positions, or the token's vector"
    )
    dim: Annotated[Width | None, OF_TEXT_IN_ONE_STACK] = Field(
        None,
        description="width of the embedding, if it is not d_model: what is narrower is projected "
        "(arXiv:1909.11942, section 3.1)",
    )
    projected: Annotated[Projected, OF_TEXT_IN_ONE_STACK, Needs("dim")] = Field(
        "norm",
        description="with a `dim`, what is projected: the token's vector, its sum with that of the "
        "position, or the sum after its norm",
    )
    projection_bias: Annotated[bool, OF_TEXT_IN_ONE_STACK, Needs("dim")] = Field(
        True, description="a learned offset of that projection"
    )
    token_shift: Annotated[bool, OF_TEXT_IN_ONE_STACK] = Field(
        False,
        description="adds the embedding of the token before, times a learned vector "
        "(RWKV, arXiv:2305.13048, section 3.1, once for the whole model)",
    )
    per_layer: Annotated[PerLayer | None, BeforeValidator(none_word), OF_TEXT_IN_ONE_STACK] = Field(
        None,
        description="an embedding of the tokens for each layer, which the stream gates there",
    )


class HeadTransform(Vocabulary):
    """A layer between the residual stream and the output embedding, as in BERT."""

    activation: Activation = Field("gelu", description="of its output; `identity` for none")
    norm: Annotated[StrictBool | InnerNorm, BeforeValidator(norm_kind)] = Field(
        True, description="a norm after it: that of the model, or as said here"
    )
    bias: bool = Field(True, description="a learned offset of its projection")


class Head(Vocabulary):
    """From the residual stream to logits."""

    transform: Annotated[HeadTransform | None, BeforeValidator(none_word), OF_TEXT_IN_ONE_STACK] = (
        Field(None, description="a dense layer before the logits; `{}` has its defaults")
    )
    dim: Annotated[Width | None, OF_TEXT_IN_ONE_STACK] = Field(
        None,
        description="width of the output embedding; by default that of a tied one, or d_model; "
        "where texts are pooled, that of the dense layer",
    )
    scale: Annotated[ModelScale | None, OF_TOKENS] = Field(
        None, description="a factor of what the logits are made from, such as `1 / sqrt(d_model)`"
    )
    softcap: Annotated[PositiveFloat | None, OF_TOKENS] = Field(
        None, description="logits become c * tanh(logits / c) (arXiv:2408.00118, section 2)"
    )
    z_loss: Annotated[PositiveFloat | None, OF_TOKENS] = Field(
        None,
        description="in training, this much of the logits' squared logsumexp is added to the loss "
        "(arXiv:2204.02311, section 5)",
    )
    bias: Annotated[StrictBool | Annotated[Literal["fixed"], OF_TOKENS], OF_SCORES] = Field(
        False,
        description="a learned offset for each token or class; `fixed` is not trained, as in BART",
    )
    problem: Annotated[Literal["single_label", "multi_label", "regression"], OF_TEXT_CLASSES] = (
        Field(
            "single_label",
            description="what the scores of a text say: which one of the classes it has (cross "
            "entropy), which of them, each for itself (binary cross entropy), or a number for each "
            "(squared error)",
        )
    )
    temperature: Annotated[PositiveFloat, OF_CONTRASTS] = Field(
        0.05,
        description="in training, similarities are divided by this before they are compared "
        "(arXiv:2002.05709, section 2.1)",
    )
