"""The vocabulary of the transformer family. A default is what most models of today do."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, StrictBool, model_validator
from pydantic_core import PydanticCustomError

from codegen.spec.activation import Activation
from codegen.spec.experts import Experts
from codegen.spec.expression import ExpressionError
from codegen.spec.image import DropPath, Image, rate_only
from codegen.spec.latent import Latent
from codegen.spec.mask import parse_mask
from codegen.spec.rope import Rope
from codegen.spec.scale import parse_model_scale, parse_scale
from codegen.spec.vocabulary import (
    Count,
    Positive,
    PositiveFloat,
    Rate,
    SpecHead,
    Vocabulary,
    kind_only,
)


def _expression(parse: Any) -> Any:
    """A validator that reports a bad expression at its offending character."""

    def check(text: Any) -> Any:
        try:
            if isinstance(text, str):
                parse(text)
        except ExpressionError as error:
            context = {"reason": error.message, "offset": error.offset, "length": error.length}
            raise PydanticCustomError("expression", "{reason}", context) from None
        return text

    return AfterValidator(check)


def _none_word(value: Any) -> Any:
    """`none` says in words what an empty value says in YAML."""
    return None if value == "none" else value


def _norm_kind(value: Any) -> Any:
    return kind_only(value) if value in ("rms", "layer") else value


def _none_or_kind(value: Any) -> Any:
    return kind_only(_none_word(value))


def _none_or_default(value: Any) -> Any:
    """`t5` is short for T5's own numbers."""
    return {} if value == "t5" else _none_word(value)


MaskText = Annotated[str, _expression(parse_mask)]
Scale = Annotated[PositiveFloat | str, _expression(parse_scale)]
ModelScale = Annotated[PositiveFloat | str, _expression(parse_model_scale)]


class Norm(Vocabulary):
    """Normalisation of the residual stream."""

    kind: Literal["rms", "layer"] = Field("rms", description="RMSNorm or LayerNorm")
    eps: PositiveFloat = Field(1e-5, description="added to the variance")
    weight: bool = Field(True, description="a learned gain")
    bias: bool | None = Field(
        None, description="a learned offset; by default a LayerNorm with a weight has one"
    )
    zero_centered: bool = Field(False, description="the gain is 1 + weight, as in Gemma")
    placement: Literal["pre", "post", "sandwich", "post_residual"] = Field(
        "pre",
        description="before each sublayer; on its output, before it is added; both; or on the "
        "stream after it is added, as in BERT",
    )


class InnerNorm(Vocabulary):
    """Normalisation inside a sublayer."""

    kind: Literal["rms", "layer"] = Field("rms", description="RMSNorm or LayerNorm")
    weight: bool = Field(True, description="a learned gain")
    zero_centered: bool = Field(False, description="the gain is 1 + weight")
    bias: bool | None = Field(
        None, description="a learned offset; by default a LayerNorm with a weight has one"
    )
    eps: PositiveFloat | None = Field(None, description="by default that of `norm`")


class QKNorm(InnerNorm):
    """Normalisation of queries and keys."""

    over: Literal["head", "each_head", "projection"] = Field(
        "head",
        description="each head with one gain for all; each with a gain of its own; or all heads "
        "at once",
    )
    after_rope: bool = Field(False, description="after rotary positions, not before")


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


class ProjectionBias(Vocabulary):
    """Which attention projections have a bias."""

    q: bool = Field(False, description="queries")
    k: bool = Field(False, description="keys")
    v: bool = Field(False, description="values")
    o: bool = Field(False, description="output")
    gate: bool | None = Field(None, description="the output's gate; by default as queries")


class RelativeBias(Vocabulary):
    """A learned bias of each head for each bucket of distances (T5, arXiv:1910.10683)."""

    buckets: Annotated[int, Field(ge=2, le=2**16)] = Field(32, description="of distances")
    max_distance: Positive = Field(128, description="all distances beyond share the last bucket")
    shared: bool = Field(False, description="one table for all layers that say so, as in T5")


class Alibi(Vocabulary):
    """Scores that fall with distance, by a slope a head (arXiv:2108.12409)."""

    slopes: Literal["bloom", "mpt"] = Field(
        "bloom", description="whose slopes where heads are no power of two"
    )
    most: PositiveFloat = Field(8.0, description="2**-most is the last head's slope")
    scaled: bool = Field(False, description="added before the scores are scaled (Falcon)")


class Temperature(Vocabulary):
    """Queries grow with their position: * (1 + scale * log(1 + floor(position / length)))."""

    scale: PositiveFloat = Field(0.1, description="how fast they grow")
    length: Positive = Field(8192, description="positions without growth")
    offset: Annotated[int, Field(ge=0, le=1)] = Field(
        0, description="1 counts positions from one (Llama 4)"
    )


class Attention(Vocabulary):
    """Multi-head attention; fewer key-value heads than heads make it grouped-query."""

    heads: Positive = Field(12, description="query heads")
    kv_heads: Positive | None = Field(
        None, description="key-value heads, a divisor of `heads`; by default `heads`"
    )
    head_dim: Positive | None = Field(None, description="by default d_model / heads")
    bias: StrictBool | ProjectionBias = Field(
        False, description="all projections, or a mapping of `q`, `k`, `v`, `o`"
    )
    qk_norm: Annotated[QKNorm | None, BeforeValidator(_none_or_kind)] = Field(
        None, description="normalisation of queries and keys; `rms` for short"
    )
    v_norm: Annotated[InnerNorm | None, BeforeValidator(_none_or_kind)] = Field(
        None, description="normalisation of each value head"
    )
    output_norm: Annotated[InnerNorm | None, BeforeValidator(_none_or_kind)] = Field(
        None, description="normalisation of all heads' outputs, before the output projection"
    )
    clip: PositiveFloat | None = Field(
        None,
        description="queries, keys and values are clamped to this much of either sign, after a "
        "norm over the projection, before one over heads",
    )
    gate: Literal["none", "channel", "head"] = Field(
        "none",
        description="a sigmoid of the input that each channel, or each head, of the output is "
        "multiplied by (arXiv:2505.06708)",
    )
    gate_activation: Literal["sigmoid", "softplus"] = Field("sigmoid", description="of the gate")
    rope: Annotated[Rope | None, BeforeValidator(_none_word)] = Field(
        Rope(),
        description="rotary positions, or `none`; by default none with learned positions",
    )
    mask: MaskText = Field(
        "causal",
        description="who sees whom, such as `causal & (window(1024) | sink(4))`; by default "
        "`padding` in an encoder",
    )
    scale: Scale | None = Field(None, description="of the scores; by default `1 / sqrt(head_dim)`")
    softcap: PositiveFloat | None = Field(
        None, description="scores become c * tanh(scores / c) (arXiv:2408.00118, section 2)"
    )
    scale_by_layer: bool = Field(False, description="the scale is divided by 1, 2, ... of n layers")
    alibi: StrictBool | Alibi = Field(
        False, description="scores fall with distance, by a slope a head (arXiv:2108.12409)"
    )
    temperature: Temperature | None = Field(
        None, description="queries grow with their position (Llama 4)"
    )
    relative_bias: Annotated[RelativeBias | None, BeforeValidator(_none_or_default)] = Field(
        None, description="a learned bias by distance, as in T5; `t5` for short"
    )
    value_dim: Positive | None = Field(
        None, description="dimensions of a value head; by default head_dim"
    )
    value_scale: PositiveFloat | None = Field(None, description="a factor of the values")
    kv_of: str | None = Field(
        None,
        description="a kind of blocks: keys and values are those of the last such layer before",
    )
    differential: bool = Field(
        False,
        description="half of the heads is subtracted from the other, times a learned lambda "
        "(arXiv:2410.05258)",
    )
    latent: Annotated[Latent | None, BeforeValidator(_none_word)] = Field(
        None, description="multi-head latent attention: its heads are made of these numbers"
    )
    sinks: bool = Field(
        False, description="a learned logit of each head that takes its part of the softmax"
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
    d_ff: Positive | None = Field(
        None,
        description="width; by default 4 * d_model if plain, 8/3 * d_model rounded up "
        "to a multiple of 64 if gated",
    )
    bias: StrictBool | Literal["down"] = Field(
        False, description="on every projection, or on the last alone"
    )
    norm: Annotated[InnerNorm | None, BeforeValidator(_none_or_kind)] = Field(
        None, description="normalisation of the inner width, before the last projection"
    )
    beta: PositiveFloat | None = Field(None, description="`silu` becomes x * sigmoid(beta * x)")
    clamp: PositiveFloat | None = Field(
        None, description="a gated MLP's gate is at most this, and up between minus this and this"
    )
    up_offset: float = Field(0.0, description="added to up(x) where it is gated")
    experts: Annotated[Experts | None, BeforeValidator(_none_word)] = Field(
        None, description="several such MLPs, of which a token goes to a few; or `none`"
    )


class Block(Vocabulary):
    """What a kind of block does differently from the rest of `model`."""

    attention: Attention = Field(Attention(), description="fields of `model.attention`")
    mlp: Annotated[Mlp, BeforeValidator(kind_only)] = Field(
        Mlp(), description="fields of `model.mlp`"
    )
    norm: Annotated[Norm, BeforeValidator(kind_only)] = Field(
        Norm(), description="fields of `model.norm`"
    )
    residual: Residual = Field(Residual(), description="fields of `model.residual`")


LayerRun = str | Annotated[dict[str, Positive], Field(min_length=1, max_length=1)]


class Layers(Vocabulary):
    """An order of block kinds, repeated."""

    pattern: Annotated[list[LayerRun], Field(min_length=1)] = Field(
        description="names of `blocks`, in order; `local: 5` is five of a kind"
    )
    repeat: Positive = Field(1, description="how many times the pattern stands")
    count: Positive | None = Field(
        None, description="how many layers, instead: the pattern goes on until there are so many"
    )


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


class Embedding(Vocabulary):
    """From tokens to the residual stream."""

    tied: bool = Field(False, description="the output head shares the token embedding")
    extra_tokens: Count = Field(
        0, description="tokens after the vocabulary that are read and never predicted"
    )
    scale: ModelScale | None = Field(
        None, description="a factor such as `sqrt(d_model)`, of d_model, layers, vocab_size"
    )
    positions: Literal["none", "learned", "sinusoidal"] = Field(
        "none", description="absolute positions, added to the embedding"
    )
    position_offset: Count = Field(
        0, description="the first token has this position (2 in OPT; in RoBERTa after the padding)"
    )
    sinusoids: Sinusoids = Field(Sinusoids(), description="of sinusoidal positions")
    token_types: Count = Field(
        0,
        description="learned vectors for types of tokens (segments, in BERT), given at run time "
        "to an encoder; a decoder takes the first for all",
    )
    task_types: Count = Field(0, description="the same for types of tasks, as in ERNIE 2")
    norm: Annotated[StrictBool | InnerNorm, BeforeValidator(_norm_kind)] = Field(
        False, description="a norm right after the embedding: that of the model, or as said here"
    )
    norm_of: Literal["sum", "tokens"] = Field(
        "sum", description="what that norm is of: the sum with positions, or the token's vector"
    )
    dim: Positive | None = Field(
        None,
        description="width of the embedding, if it is not d_model: what is narrower is projected "
        "(arXiv:1909.11942, section 3.1)",
    )
    projected: Literal["tokens", "sum", "norm"] = Field(
        "norm",
        description="with a `dim`, what is projected: the token's vector, its sum with that of the "
        "position, or the sum after its norm",
    )
    projection_bias: bool = Field(True, description="a learned offset of that projection")
    token_shift: bool = Field(
        False,
        description="adds the embedding of the token before, times a learned vector "
        "(RWKV, arXiv:2305.13048, section 3.1, once for the whole model)",
    )


class HeadTransform(Vocabulary):
    """A layer between the residual stream and the output embedding, as in BERT."""

    activation: Activation = Field("gelu", description="of its output; `identity` for none")
    norm: Annotated[StrictBool | InnerNorm, BeforeValidator(_norm_kind)] = Field(
        True, description="a norm after it: that of the model, or as said here"
    )
    bias: bool = Field(True, description="a learned offset of its projection")


class Head(Vocabulary):
    """From the residual stream to logits."""

    transform: Annotated[HeadTransform | None, BeforeValidator(_none_word)] = Field(
        None, description="a dense layer before the logits; `{}` has its defaults"
    )
    dim: Positive | None = Field(
        None,
        description="width of the output embedding; by default that of a tied one, or d_model",
    )
    scale: ModelScale | None = Field(
        None, description="a factor of what the logits are made from, such as `1 / sqrt(d_model)`"
    )
    softcap: PositiveFloat | None = Field(
        None, description="logits become c * tanh(logits / c) (arXiv:2408.00118, section 2)"
    )
    z_loss: PositiveFloat | None = Field(
        None,
        description="in training, this much of the logits' squared logsumexp is added to the loss "
        "(arXiv:2204.02311, section 5)",
    )
    bias: StrictBool | Literal["fixed"] = Field(
        False,
        description="a learned offset for each token of the vocabulary; `fixed` is not trained, as "
        "in BART",
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
    head: Literal["normal", "zero"] = Field("normal", description="an untied head's weights")
    residual: Literal["scaled", "normal", "zero"] = Field(
        "scaled",
        description="projections into the residual stream: std / sqrt(2 * layers) as in GPT-2, "
        "std, or zero",
    )


class CrossAttention(Vocabulary):
    """A decoder's attention to the source, where it differs from `attention`."""

    heads: Positive | None = Field(None, description="query heads")
    kv_heads: Positive | None = Field(None, description="key-value heads")
    head_dim: Positive | None = Field(None, description="of queries, keys and values")
    bias: StrictBool | ProjectionBias | None = Field(None, description="as in `attention`")
    qk_norm: Annotated[QKNorm | None, BeforeValidator(_none_or_kind)] = Field(
        None, description="as in `attention`"
    )
    scale: Scale | None = Field(None, description="of the scores")
    softcap: PositiveFloat | None = Field(None, description="of the scores")


class Encoder(Vocabulary):
    """How the encoder of an encoder-decoder differs from its decoder.

    Its `blocks` stand for all of the model's, and so does a mere number of `layers`. Its mask is
    `padding` unless it says another.
    """

    shared_embedding: bool = Field(True, description="source and target have one embedding")
    vocab_size: Positive | None = Field(None, description="of the source, with its own embedding")
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
    blocks: dict[str, Block] | None = Field(None, description="kinds of the encoder's blocks")
    embedding: Embedding | None = Field(None, description="fields of `model.embedding`")


class TransformerModel(Vocabulary):
    """The architecture."""

    image: Image | None = Field(None, description="what an image classifier sees")
    classes: Positive = Field(1000, description="that an image classifier tells apart")
    vocab_size: Positive = Field(32_000, description="tokens")
    context_length: Positive = Field(2048, description="tokens a sequence may have")
    d_model: Positive = Field(768, description="width of the residual stream")
    layers: Positive | list[LayerRun] | Layers = Field(
        12,
        description="a number of layers, a list of block kinds, or `{pattern: [...], repeat: n}`",
    )
    order: Annotated[list[Count], Field(min_length=1)] | None = Field(
        None,
        description="the layers as they are passed, by number, if an encoder passes one more than "
        "once (arXiv:1909.11942, section 3.1); by default each once",
    )
    norm: Annotated[Norm, BeforeValidator(kind_only)] = Field(Norm(), description="normalisation")
    final_norm: Annotated[StrictBool | InnerNorm, BeforeValidator(_norm_kind)] = Field(
        True, description="a norm after the last block: that of the model, or as said here"
    )
    attention: Attention = Field(Attention(), description="attention of every block")
    mlp: Annotated[Mlp, BeforeValidator(kind_only)] = Field(Mlp(), description="MLP of every block")
    residual: Residual = Field(Residual(), description="how sublayers meet the stream")
    blocks: dict[str, Block] = Field({}, description="kinds of blocks by name, and how they differ")
    encoder: Encoder = Field(
        Encoder(), description="of an encoder-decoder: how it differs from the decoder"
    )
    cross_attention: CrossAttention = Field(
        CrossAttention(), description="of an encoder-decoder: how the decoder reads the source"
    )
    embedding: Embedding = Field(Embedding(), description="tokens to vectors")
    head: Head = Field(Head(), description="vectors to logits")
    dropout: Rate | Dropout = Field(
        0.0, description="of embeddings, attention and sublayer outputs, or of each its own"
    )
    layer_scale: PositiveFloat | None = Field(
        None,
        description="a learned gain of each sublayer's output, for each channel, that starts at "
        "this (LayerScale, arXiv:2103.17239)",
    )
    drop_path: Annotated[DropPath | None, BeforeValidator(rate_only)] = Field(
        None, description="branches that some samples skip in training; the rate for short"
    )
    init: Init = Field(Init(), description="initial weights")


TASK_DEFAULTS: dict[str, dict[str, Any]] = {  # of `model`, where they are not those above
    "masked-lm": {"attention": {"mask": "padding"}},
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
    model: TransformerModel = Field(TransformerModel(), description="the architecture")

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
