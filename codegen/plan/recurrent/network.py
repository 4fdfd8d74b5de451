"""A recurrent network as the Plan has it: config fields, stacks of cells, parameters."""

from __future__ import annotations

from codegen.frozen import frozen
from codegen.plan.reads import Printed, Read
from codegen.plan.tables import ConfigField, ImportPlan, Parameter

CLASSES = {"lstm": "LSTM", "gru": "GRU", "rnn": "RNN"}


@frozen
class BothEnds(Printed):
    """Numbers of two states side by side, one from either end of a source."""

    read: Read

    def of(self, config: str) -> str:
        """`2 * config.encoder_width`."""
        return f"2 * {self.read.of(config)}"


Width = Read | BothEnds


@frozen
class DropoutPlan:
    """The rates of what training drops, where it drops something."""

    embedding: Read | None
    layers: Read | None
    output: Read | None
    locked: bool

    @property
    def any(self) -> bool:
        """Whether something is dropped."""
        return any((self.embedding, self.layers, self.output))


@frozen
class StackPlan:
    """Stacked cells: `inputs` are what the first layer reads, `output` what the last hands on."""

    cell: str  # the class of torch.nn
    inputs: tuple[Width, ...]  # whose sum it is
    width: Read
    layers: Read
    projection: Read | None
    dropout: Read | None  # of what a layer hands on to the next
    locked: bool
    bidirectional: bool
    decodes: bool = False  # tokens one by one

    @property
    def steps(self) -> bool:
        """Whether one token is read cell by cell: oneDNN has whole LSTMs, but none projected."""
        return self.decodes and self.cell == "LSTM" and self.projection is None

    @property
    def two_states(self) -> bool:
        """Whether a layer keeps something beside what it hands on."""
        return self.cell == "LSTM"


@frozen
class EncoderPlan:
    """What reads a source. A `bridge` makes the decoder's first states of its last ones."""

    stack: StackPlan
    own_table: bool
    vocab_size: Read
    embedding: Read
    bridge: bool


@frozen
class SourceAttentionPlan:
    """How a decoder looks at the source; `keys` is the width in which places are compared."""

    score: str
    before: bool  # what is seen is read by the cell
    feeding: bool  # the cell reads what was joined for the token before
    keys: Read | None  # of what is projected; a dot product has the source itself


@frozen
class RecurrentNetwork:
    """Stacked cells that read tokens and, with an `encoder`, a source."""

    task: str
    class_name: str
    context_length: int
    fields: tuple[ConfigField, ...]
    parameters: tuple[Parameter, ...]
    stack: StackPlan
    embedding: Read
    dropout: DropoutPlan
    output: Read  # what the stack hands on
    tied: bool
    bias: bool
    loss_chunk: int  # tokens whose logits the loss holds at one time
    compared: int  # numbers of each place of a source that a token reads
    carries: bool = False  # training goes on from the state of the batch before
    forces: bool = True  # training reads the targets' own tokens alone
    encoder: EncoderPlan | None = None
    attention: SourceAttentionPlan | None = None
    pooling: str = ""  # of a model of whole texts: mean, max or last
    problem: str = ""  # what its scores say: single_label, multi_label or regression
    types_of_pairs: bool = False
    inputs: tuple[str, ...] = ()
    required: tuple[str, ...] = ()  # none of which there are
    prefix: str = ""  # no token sees what comes after it
    prefix_length: None = None
    rereads: tuple[Read, ...] = ()
    decodes: bool = True
    takes_back: str = "never"
    decoding_error: str = "1e-4"
    cache_room: str = "recurrent/forget.py.jinja"
    past_recall: str = ""
    bounded: bool = False
    sources_by_length: bool = False
    imports: tuple[ImportPlan, ...] = ()

    @property
    def drops(self) -> bool:
        """Whether training drops numbers at random."""
        return self.dropout.any

    @property
    def stacks(self) -> tuple[StackPlan, ...]:
        """Of the decoder, or of all that there is, and of an encoder."""
        return (self.stack, self.encoder.stack) if self.encoder else (self.stack,)

    @property
    def both_ends(self) -> bool:
        """Whether some stack reads from both ends."""
        return any(stack.bidirectional for stack in self.stacks)

    @property
    def packs(self) -> bool:
        """Whether training reads rows without their padding."""
        return self.encoder is not None or "lengths" in self.inputs

    @property
    def lockable(self) -> bool:
        """Whether some stack drops the same numbers at all times between its layers."""
        return any(stack.locked and stack.dropout for stack in self.stacks)

    @property
    def stepwise(self) -> bool:
        """Whether a token can only be read after what the one before it has made."""
        return bool(self.attention and (self.attention.before or self.attention.feeding))

    @property
    def source_width(self) -> Width:
        """What the encoder says of each place of a source."""
        assert self.encoder is not None
        stack = self.encoder.stack
        return BothEnds(stack.width) if stack.bidirectional else stack.width

    @property
    def head_inputs(self) -> tuple[Width, ...]:
        """What the head reads side by side: after attention before the cell, all three of them."""
        if self.attention and self.attention.before:
            return (self.output, self.source_width, self.embedding)
        return (BothEnds(self.output) if self.stack.bidirectional else self.output,)

    @property
    def length_fields(self) -> tuple[str, ...]:
        """What bounds both sides of a pair in training."""
        return ("context_length",)

    @property
    def source_readers(self) -> tuple[str, ...]:
        """How the names of modules end that read a source, once for all that is made of it."""
        projected = self.attention and self.attention.keys
        return ("encoder", "attention.k_proj") if projected else ("encoder",)

    @property
    def alignment(self) -> str:
        """The template of what a target's tokens read of a source, where they have attention."""
        return "recurrent/alignment.py.jinja" if self.attention else ""

    @property
    def vocabulary_fields(self) -> tuple[str, ...]:
        """The tokens of targets and, where they are others, of sources."""
        own = self.encoder is not None and self.encoder.own_table
        return ("vocab_size", "encoder_vocab_size") if own else ("vocab_size",)
