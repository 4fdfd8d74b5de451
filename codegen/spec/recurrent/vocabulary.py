"""The vocabulary of recurrent networks."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from codegen.spec.head import (
    Fraction,
    Positive,
    Rate,
    SpecHead,
    Train,
    Vocabulary,
    VocabularySize,
    Width,
)
from codegen.spec.owned import Only, Repeats
from codegen.spec.switches import Needs

OF_PAIRS = Only("seq2seq-lm")
OF_NEXT_TOKENS = Only("causal-lm", "seq2seq-lm")
OF_CLASSES = Only("sequence-classification", "tagging")
OF_WHOLE_TEXTS = Only("sequence-classification")
Layers = Annotated[int, Field(ge=1, le=256)]


def number_as(name: str) -> Any:
    """A number for short, which stands for the field of that name."""

    def written_out(value: Any) -> Any:
        number = isinstance(value, int | float) and not isinstance(value, bool)
        return {name: value} if number else value

    return BeforeValidator(written_out)


def _with_score(value: Any) -> Any:
    if value == "none":
        return None
    return {"score": value} if isinstance(value, str) else value


score_or_none = BeforeValidator(_with_score)


class TokenTable(Vocabulary):
    """From tokens to vectors."""

    dim: Width = Field(256, description="width of a token's vector")
    tied: Annotated[bool, OF_NEXT_TOKENS] = Field(
        False, description="the output head shares it (arXiv:1608.05859); what it reads is as wide"
    )


class RecurrentDropout(Vocabulary):
    """Numbers that training drops."""

    embedding: Rate = Field(0.0, description="of tokens' vectors")
    layers: Rate = Field(0.0, description="of what a layer hands on to the next")
    output: Rate = Field(0.0, description="of what the head reads")
    locked: bool = Field(
        False,
        description="the same numbers at all times of a sequence (arXiv:1512.05287, section 4.1)",
    )


def every(value: Any) -> Any:
    """One rate for short, which is that of all."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return {"embedding": value, "layers": value, "output": value}
    return value


Table = Annotated[TokenTable, number_as("dim")]
Dropout = Annotated[RecurrentDropout, BeforeValidator(every)]


class RecurrentEncoder(Vocabulary):
    """What reads a source; what it doesn't say is as in the decoder."""

    vocab_size: VocabularySize | None = Field(
        None, description="tokens of sources; with a number, they have a table of their own"
    )
    embedding: Annotated[Width | None, Field(description="width of their vectors")] = None
    layers: Layers | None = Field(None, description="stacked cells")
    width: Width | None = Field(None, description="numbers of a state, in each direction")
    bidirectional: bool = Field(
        False, description="each layer reads the source from both ends (arXiv:1409.0473)"
    )


class SourceAttention(Vocabulary):
    """How the decoder looks at the source, each time that it makes a token."""

    score: Literal["additive", "dot", "bilinear"] = Field(
        "additive",
        description="how a state and a place of the source are compared: `additive` as Bahdanau et "
        "al. (arXiv:1409.0473, appendix A.1.2), `dot` and `bilinear` as Luong et al. "
        "(arXiv:1508.04025, section 3.1), who call the latter `general`",
    )
    place: Literal["before", "after"] | None = Field(
        None,
        description="what is seen is read by the cell `before` it goes on, or joined to its output "
        "`after`, which lets the cell run over a whole target at once; by default `before` if "
        "scores are additive",
    )
    width: Annotated[Width | None, Needs("score", on=("additive",))] = Field(
        None, description="numbers that additive scores are made of; by default the state's"
    )
    input_feeding: Annotated[bool, Needs("place", on=("after",))] = Field(
        False,
        description="the cell reads beside a token what was joined for the one before "
        "(arXiv:1508.04025, section 3.3)",
    )


class RecurrentModel(Vocabulary):
    """The architecture."""

    vocab_size: VocabularySize = Field(32_000, description="tokens")
    context_length: Positive = Field(
        256, description="tokens per sequence of training; a state has no such bound"
    )
    embedding: Table = Field(TokenTable.plain(), description="tokens to vectors; a width for short")
    cell: Literal["lstm", "gru", "rnn"] = Field(
        "lstm",
        description="`lstm` (Hochreiter and Schmidhuber 1997), `gru` (arXiv:1406.1078), or `rnn`, "
        "an Elman network with tanh; each as PyTorch has it",
    )
    layers: Layers = Field(2, description="stacked cells")
    width: Width = Field(256, description="numbers of a layer's state")
    projection: Annotated[Width | None, Needs("cell", on=("lstm",))] = Field(
        None, description="what an LSTM hands on is projected to this width (arXiv:1402.1128)"
    )
    dropout: Dropout = Field(
        RecurrentDropout.plain(), description="numbers that training drops; one rate for all"
    )
    bias: bool = Field(True, description="a learned offset of the score of each token or class")
    classes: Annotated[VocabularySize, OF_CLASSES] = Field(
        2, description="that a classifier tells apart"
    )
    bidirectional: Annotated[bool, OF_CLASSES] = Field(
        True,
        description="each layer reads a text from both ends (Schuster and Paliwal 1997), so "
        "that a token's vector is twice as wide",
    )
    pooling: Annotated[Literal["mean", "max", "last"], OF_WHOLE_TEXTS] = Field(
        "mean",
        description="what is read of a text: the mean of what is said of its tokens, the largest "
        "of each of its numbers (arXiv:1705.02364, section 3.2), or what each end says that has "
        "read all of it",
    )
    problem: Annotated[Literal["single_label", "multi_label", "regression"], OF_WHOLE_TEXTS] = (
        Field(
            "single_label",
            description="what the scores of a text say: which one of the classes it has (cross "
            "entropy), which of them, each for itself (binary cross entropy), or a number for each "
            "(squared error)",
        )
    )
    encoder: Annotated[RecurrentEncoder, OF_PAIRS, Repeats()] = Field(
        RecurrentEncoder.plain(), description="what reads a source"
    )
    attention: Annotated[SourceAttention | None, score_or_none, OF_PAIRS] = Field(
        SourceAttention.plain(),
        description="to the source; a score for short, or none: then all that the decoder knows of "
        "it is the encoder's last state",
    )


class RecurrentTrain(Train):
    """What only recurrent networks have of training."""

    carry_state: Annotated[bool, Only("causal-lm")] = Field(
        False,
        description="each row of a batch goes on in the text where it was, from the state of then; "
        "gradients end where a batch begins (arXiv:1409.2329, section 4.1)",
    )
    teacher_forcing: Annotated[Fraction, OF_PAIRS] = Field(
        1.0,
        description="part of the tokens before which training reads the target's; before the rest, "
        "the likeliest that the decoder makes itself (arXiv:1506.03099)",
    )


class RecurrentSpec(SpecHead):
    """A recurrent network."""

    family: Literal["recurrent"] = Field("recurrent", description="the kind of model")
    train: RecurrentTrain = Field(RecurrentTrain.plain(), description="training defaults")
    model: RecurrentModel = Field(RecurrentModel.plain(), description="the architecture")
