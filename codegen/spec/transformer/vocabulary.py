"""The vocabulary of the transformer family. A default is what most models of today do."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, StrictBool, model_validator

from codegen.spec.head import (
    Count,
    Positive,
    PositiveFloat,
    Rate,
    SpecHead,
    Vocabulary,
    VocabularySize,
    Width,
    kind_only,
)
from codegen.spec.owned import Repeats
from codegen.spec.transformer.activation import Activation
from codegen.spec.transformer.adapter import Adapter
from codegen.spec.transformer.attention import Attention, CrossAttention
from codegen.spec.transformer.ends import Embedding, Head
from codegen.spec.transformer.experts import Experts
from codegen.spec.transformer.image import DropPath, Image, rate_only
from codegen.spec.transformer.norms import InnerNorm, Norm
from codegen.spec.transformer.of_tasks import (
    OF_CLASSES,
    OF_ENCODERS,
    OF_IMAGES,
    OF_ONE_STACK,
    OF_PAIRS,
    OF_POOLED,
    OF_SCORES,
    OF_TEXT,
    OF_TEXT_IN_ONE_STACK,
    OF_TOKENS,
)
from codegen.spec.transformer.pooling import TextPooling
from codegen.spec.transformer.short_conv import ShortConv
from codegen.spec.transformer.training import TransformerTrain
from codegen.spec.values import Scale, none_or_kind, none_word, norm_kind


class Residual(Vocabulary):
    """How the sublayers meet the residual stream."""

    layout: Literal["sequential", "parallel"] = Field(
        "sequential", description="`parallel`: attention and MLP read the same stream (GPT-J)"
    )
    shared_norm: bool = Field(False, description="parallel sublayers read one norm")
    attention_norm: bool = Field(
        True, description="attention reads a norm; in ModernBERT's first layer, the stream itself"
    )
    scale: Scale | None = Field(
        None, description="a factor of what each sublayer adds, such as `1.4 / sqrt(layers)`"
    )
    normed: bool = Field(
        False, description="sublayers add to the normalised stream, not to what they normalise"
    )
    layer_scalar: StrictBool | Literal["fixed"] = Field(
        False,
        description="each layer's stream is multiplied by a number of its own that starts at one: "
        "learned, or `fixed` to that of the checkpoint, as in Gemma 4",
    )
    low_rank: Annotated[Width | None, OF_ONE_STACK] = Field(
        None,
        description="rank of a branch beside attention: with h, which attention reads, the stream "
        "becomes (x + attention(h) + h + norm(up(down(h)))) / sqrt(2) (LAuReL, arXiv:2411.07501)",
    )
    depth_scaled: bool = Field(
        False,
        description="the stream is the sum of the embedding and of what sublayers add, over the "
        "root of their number: with the n-th of them it is x * sqrt((n - 1) / n) + y / sqrt(n)",
    )


class Mlp(Vocabulary):
    """The position-wise network."""

    kind: Literal["gated", "plain"] = Field(
        "gated", description="down(act(gate(x)) * up(x)) or down(act(up(x)))"
    )
    activation: Activation = Field(
        "silu",
        description="`gelu_tanh` is GPT-2's approximation, `quick_gelu` CLIP's, `relu2` the "
        "square of relu, `xielu` has learned slopes (arXiv:2411.13010)",
    )
    d_ff: Width | None = Field(
        None,
        description="width; by default 4 * d_model if plain, 8/3 * d_model rounded up "
        "to a multiple of 64 if gated",
    )
    bias: StrictBool | Literal["down"] = Field(
        False, description="on every projection, or on the last alone"
    )
    norm: Annotated[InnerNorm | None, BeforeValidator(none_or_kind)] = Field(
        None, description="normalisation of the inner width, before the last projection"
    )
    output_norm: Annotated[InnerNorm | None, BeforeValidator(none_or_kind)] = Field(
        None, description="normalisation of what it makes, of that of all its experts together"
    )
    beta: PositiveFloat | None = Field(None, description="`silu` becomes x * sigmoid(beta * x)")
    clamp: PositiveFloat | None = Field(
        None, description="a gated MLP's gate is at most this, and up between minus this and this"
    )
    up_offset: float = Field(0.0, description="added to up(x) where it is gated")
    sparsity: Rate = Field(
        0.0,
        description="about this part of what the activation reads becomes zero: a token's numbers "
        "are counted from where so many of a normal distribution lie below (Gemma 3n)",
    )
    adapter: Annotated[Adapter | None, BeforeValidator(none_word), OF_ONE_STACK] = Field(
        None, description="a bottleneck on the stream, after what the MLP adds; or `none`"
    )
    experts: Annotated[Experts | None, BeforeValidator(none_word), OF_TOKENS] = Field(
        None, description="several such MLPs, of which a token goes to a few; or `none`"
    )


MIXERS = ("attention", "conv")  # and the fields of what each is
Mixer = Literal["attention", "conv"]


class Block(Vocabulary):
    """What a kind of block does differently from the rest of `model`."""

    mixer: Annotated[Mixer, OF_TEXT_IN_ONE_STACK] = Field("attention", description="as in `model`")
    attention: Attention = Field(Attention.plain(), description="fields of `model.attention`")
    conv: Annotated[ShortConv, OF_TEXT_IN_ONE_STACK] = Field(
        ShortConv.plain(), description="fields of `model.conv`"
    )
    mlp: Annotated[Mlp, BeforeValidator(kind_only)] = Field(
        Mlp.plain(), description="fields of `model.mlp`"
    )
    norm: Annotated[Norm, BeforeValidator(kind_only)] = Field(
        Norm.plain(), description="fields of `model.norm`"
    )
    residual: Residual = Field(Residual.plain(), description="fields of `model.residual`")


Kinds = Annotated[dict[str, Block], Field(max_length=64)]  # each has code of its own
LayerRun = str | Annotated[dict[str, Positive], Field(min_length=1, max_length=1)]


class RepeatedLayers(Vocabulary):
    """Some layers of a list, in an order of block kinds that repeats."""

    pattern: Annotated[list[LayerRun], Field(min_length=1)] = Field(
        description="names of `blocks`, in order"
    )
    repeat: Positive = Field(1, description="how many times the pattern stands")


class Layers(Vocabulary):
    """An order of block kinds, repeated."""

    pattern: Annotated[list[LayerRun], Field(min_length=1)] = Field(
        description="names of `blocks`, in order; `local: 5` is five of a kind"
    )
    repeat: Positive = Field(1, description="how many times the pattern stands")
    count: Positive | None = Field(
        None, description="how many layers, instead: the pattern goes on until there are so many"
    )


class Dropout(Vocabulary):
    """The rate of each place where training drops numbers (arXiv:1207.0580)."""

    embedding: Rate = Field(0.0, description="of what enters the first block")
    attention: Rate = Field(0.0, description="of the softmax's weights")
    residual: Rate = Field(0.0, description="of what a sublayer adds to the stream")


class Init(Vocabulary):
    """Initial weights; gains start at one and offsets at zero."""

    std: PositiveFloat = Field(0.02, description="standard deviation of matrices and embeddings")
    embedding_std: PositiveFloat | None = Field(
        None, description="standard deviation of the embeddings; by default `std`"
    )
    head: Annotated[Literal["normal", "zero"], OF_SCORES] = Field(
        "normal", description="an untied head's weights"
    )
    residual: Literal["scaled", "normal", "zero"] = Field(
        "scaled",
        description="projections into the residual stream: std / sqrt(2 * layers) as in GPT-2, "
        "std, or zero",
    )


class Encoder(Vocabulary):
    """How the encoder of an encoder-decoder differs from its decoder.

    Its `blocks` stand for all of the model's, and so does a mere number of `layers`. Its mask is
    `padding` unless it says another.
    """

    shared_embedding: bool = Field(True, description="source and target have one embedding")
    vocab_size: VocabularySize | None = Field(
        None, description="of the source, with its own embedding"
    )
    context_length: Positive | None = Field(None, description="tokens that a source may have")
    layers: Positive | list[str] | Layers | None = Field(None, description="as in `model`")
    norm: Annotated[Norm | None, BeforeValidator(kind_only)] = Field(
        None, description="fields of `model.norm`"
    )
    attention: Attention | None = Field(None, description="fields of `model.attention`")
    mlp: Annotated[Mlp | None, BeforeValidator(kind_only)] = Field(
        None, description="fields of `model.mlp`"
    )
    residual: Residual | None = Field(None, description="fields of `model.residual`")
    blocks: Kinds | None = Field(None, description="kinds of the encoder's blocks")
    embedding: Embedding | None = Field(None, description="fields of `model.embedding`")


class AltUp(Vocabulary):
    """Alternating updates of several streams (arXiv:2301.13310)."""

    streams: Annotated[int, Field(ge=2, le=64)] = Field(
        4, description="of which layers compute the first and predict and correct the others"
    )
    scaled: bool = Field(
        False,
        description="a learned gain of what the gate of a layer's own embedding reads "
        "(`embedding.per_layer`)",
    )


class TransformerModel(Vocabulary):
    """The architecture."""

    image: Annotated[Image | None, OF_IMAGES] = Field(
        None, description="what a model of images sees"
    )
    classes: Annotated[VocabularySize, OF_CLASSES] = Field(
        1000, description="that a classifier tells apart"
    )
    pooling: Annotated[TextPooling, BeforeValidator(kind_only), OF_POOLED] = Field(
        TextPooling.plain(), description="what is read of a text; the kind for short"
    )
    vocab_size: Annotated[VocabularySize, OF_TEXT] = Field(32_000, description="tokens")
    context_length: Annotated[Positive, OF_TEXT] = Field(
        2048, description="most tokens per sequence"
    )
    d_model: Positive = Field(768, description="width of the residual stream")
    layers: Positive | list[LayerRun | RepeatedLayers] | Layers = Field(
        12,
        description="a number of layers, a list of block kinds and of `{pattern: [...], "
        "repeat: n}`, or one such alone",
    )
    order: Annotated[Annotated[list[Count], Field(min_length=1)] | None, OF_ENCODERS] = Field(
        None,
        description="the layers as they are passed, by number, if an encoder passes one more than "
        "once (arXiv:1909.11942, section 3.1); by default each once",
    )
    norm: Annotated[Norm, BeforeValidator(kind_only)] = Field(
        Norm.plain(), description="normalisation"
    )
    final_norm: Annotated[StrictBool | InnerNorm, BeforeValidator(norm_kind)] = Field(
        True, description="a norm after the last block: that of the model, or as said here"
    )
    mixer: Annotated[Mixer, OF_TEXT_IN_ONE_STACK] = Field(
        "attention", description="how tokens read each other: `conv` is a gated short convolution"
    )
    attention: Attention = Field(Attention.plain(), description="attention of every block")
    conv: Annotated[ShortConv, OF_TEXT_IN_ONE_STACK] = Field(
        ShortConv.plain(), description="convolution of the blocks whose mixer it is"
    )
    mlp: Annotated[Mlp, BeforeValidator(kind_only)] = Field(
        Mlp.plain(), description="MLP of every block"
    )
    residual: Residual = Field(Residual.plain(), description="how sublayers meet the stream")
    blocks: Annotated[Kinds, Repeats()] = Field(
        {}, description="kinds of blocks by name, and how they differ"
    )
    encoder: Annotated[Encoder, OF_PAIRS, Repeats()] = Field(
        Encoder.plain(), description="of an encoder-decoder: how it differs from the decoder"
    )
    cross_attention: Annotated[CrossAttention, OF_PAIRS, Repeats()] = Field(
        CrossAttention.plain(),
        description="of an encoder-decoder: how the decoder reads the source",
    )
    embedding: Embedding = Field(Embedding.plain(), description="tokens to vectors")
    head: Head = Field(Head.plain(), description="vectors to logits")
    dropout: Rate | Dropout = Field(
        0.0, description="of embeddings, attention and sublayer outputs, or of each its own"
    )
    layer_scale: Annotated[PositiveFloat | None, OF_ONE_STACK] = Field(
        None,
        description="a learned gain of each sublayer's output, for each channel, that starts at "
        "this (LayerScale, arXiv:2103.17239)",
    )
    altup: Annotated[AltUp | None, BeforeValidator(none_word), OF_TEXT_IN_ONE_STACK] = Field(
        None, description="several streams, between which small learned maps go"
    )
    drop_path: Annotated[DropPath | None, BeforeValidator(rate_only), OF_ONE_STACK] = Field(
        None, description="branches that some samples skip in training; the rate for short"
    )
    init: Init = Field(Init.plain(), description="initial weights")


TASK_DEFAULTS: dict[str, dict[str, Any]] = {  # of `model`, where they are not those above
    "masked-lm": {"attention": {"mask": "padding"}},
    "image-embedding": {
        "attention": {"mask": "full", "rope": None},
        "embedding": {"positions": "learned"},
        "image": {},
    },
    "sequence-classification": {"attention": {"mask": "padding"}, "head": {"bias": True}},
    "tagging": {"attention": {"mask": "padding"}, "head": {"bias": True}},
    "embedding": {"attention": {"mask": "padding"}},
    "image-classification": {
        "attention": {"mask": "full", "rope": None},
        "embedding": {"positions": "learned"},
        "head": {"bias": True},
        "image": {},
    },
}


class TransformerSpec(SpecHead):
    """A transformer."""

    family: Literal["transformer"] = Field("transformer", description="the kind of model")
    model: TransformerModel = Field(TransformerModel.plain(), description="the architecture")
    train: TransformerTrain = Field(TransformerTrain.plain(), description="training defaults")

    @model_validator(mode="before")
    @classmethod
    def _defaults_of_the_task(cls, data: Any) -> Any:
        """An encoder sees all that is no padding, unless its spec says something else."""
        task = data.get("task") if isinstance(data, dict) else None
        if not isinstance(task, str) or task not in TASK_DEFAULTS:
            return data
        model = data.get("model", {})
        if not isinstance(model, dict):
            return data
        made = dict(model)
        for part, defaults in TASK_DEFAULTS[task].items():
            said = model.get(part, {})
            if isinstance(said, dict):
                made[part] = {**defaults, **said}
        return {**data, "model": made}
