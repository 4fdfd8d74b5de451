"""What follows from what a spec says of a recurrent network."""

from __future__ import annotations

from codegen.frozen import frozen
from codegen.spec.recurrent.vocabulary import RecurrentModel, SourceAttention


@frozen
class EncoderSizes:
    """What reads a source, with nothing left to the decoder."""

    vocab_size: int
    own_table: bool
    embedding: int
    layers: int
    width: int
    directions: int

    @property
    def output(self) -> int:
        """Numbers that it says of each place of a source."""
        return self.directions * self.width


def output_width(model: RecurrentModel) -> int:
    """Numbers that the stacked cells hand on at each time."""
    return model.projection or model.width


def encoder_sizes(model: RecurrentModel) -> EncoderSizes:
    """The encoder of a model that has one."""
    said = model.encoder
    return EncoderSizes(
        vocab_size=said.vocab_size or model.vocab_size,
        own_table=said.vocab_size is not None,
        embedding=said.embedding or model.embedding.dim,
        layers=said.layers or model.layers,
        width=said.width or model.width,
        directions=2 if said.bidirectional else 1,
    )


def is_before(attention: SourceAttention) -> bool:
    """Whether what is seen is read by the cell."""
    if attention.place is None:
        return attention.score == "additive"
    return attention.place == "before"
