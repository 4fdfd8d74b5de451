"""Spec -> the network of the plan: config fields, stacks of cells, what looks at the source."""

from __future__ import annotations

from collections.abc import Iterator

from codegen.plan.loss_chunk import loss_chunk
from codegen.plan.reads import Read
from codegen.plan.recurrent.network import (
    CLASSES,
    BothEnds,
    DropoutPlan,
    EncoderPlan,
    RecurrentNetwork,
    SourceAttentionPlan,
    StackPlan,
    Width,
)
from codegen.plan.recurrent.parameters import bridged, parameter_table
from codegen.plan.tables import ConfigField, ImportPlan
from codegen.spec.recurrent.resolve import encoder_sizes, is_before, output_width
from codegen.spec.recurrent.vocabulary import (
    OF_CLASSES,
    OF_WHOLE_TEXTS,
    RecurrentDropout,
    RecurrentModel,
    RecurrentSpec,
)

TOY_VOCABULARY, TOY_CONTEXT, TOY_WIDTH, TOY_PROJECTION, TOY_EMBEDDING = 61, 32, 32, 16, 24
TOY_CLASSES = 4
RATES = ("embedding", "layers", "output")


def lowered(spec: RecurrentSpec) -> RecurrentNetwork:
    """The network of a spec; that of pairs has an encoder of its sources."""
    model, pairs, classes = spec.model, spec.task == "seq2seq-lm", spec.task in OF_CLASSES.tasks
    dropout = _dropout(model.dropout, layers=_several(model, pairs=pairs))
    return RecurrentNetwork(
        task=spec.task,
        class_name="Model",
        context_length=model.context_length,
        fields=tuple(_fields(model, dropout, pairs=pairs, classes=classes)),
        parameters=parameter_table(model, pairs=pairs, classes=classes),
        stack=_stack(model, dropout, pairs=pairs, classes=classes),
        embedding=Read("embedding_dim"),
        dropout=dropout,
        output=_output(model),
        tied=model.embedding.tied,
        bias=model.bias,
        loss_chunk=loss_chunk(model.vocab_size),
        compared=_compared(model) if pairs else 0,
        carries=spec.train.carry_state,
        forces=spec.train.teacher_forcing == 1,
        encoder=_encoder(model, dropout) if pairs else None,
        attention=_attention(model) if pairs else None,
        pooling=model.pooling if spec.task in OF_WHOLE_TEXTS.tasks else "",
        problem=model.problem if spec.task in OF_WHOLE_TEXTS.tasks else "",
        inputs=("lengths",) if classes else (),
        decodes=not classes,
        imports=(
            ImportPlan(
                "torch.nn.utils.rnn",
                ("PackedSequence", "pack_padded_sequence", "pad_packed_sequence"),
            ),
            ImportPlan("typing", ("Any", "NamedTuple")),
        ),
    )


def _several(model: RecurrentModel, *, pairs: bool) -> bool:
    """Whether a layer hands on to a next one."""
    return model.layers > 1 or (pairs and encoder_sizes(model).layers > 1)


def _output(model: RecurrentModel) -> Read:
    return Read("projection" if model.projection else "width")


def _compared(model: RecurrentModel) -> int:
    """Numbers of a place of the source that its score and what is seen are made of."""
    said, output = model.attention, encoder_sizes(model).output
    if said is None:
        return 0
    if said.score == "additive":
        return output + (said.width or output_width(model))
    return output + output_width(model)


def _encoder_width(model: RecurrentModel) -> Read:
    """A field of its own where states are not handed on as they are."""
    return Read("encoder_width" if bridged(model) else "width")


def _dropout(said: RecurrentDropout, *, layers: bool) -> DropoutPlan:
    """One field for all rates if they agree, else one for each."""
    rates = {name: getattr(said, name) for name in RATES if layers or name != "layers"}
    one = len(set(rates.values())) == 1
    reads = {name: Read("dropout" if one else f"{name}_dropout") for name in rates if rates[name]}
    return DropoutPlan(
        reads.get("embedding"), reads.get("layers"), reads.get("output"), said.locked
    )


def _stack(model: RecurrentModel, dropout: DropoutPlan, *, pairs: bool, classes: bool) -> StackPlan:
    inputs: list[Width] = [Read("embedding_dim")]
    said = model.attention if pairs else None
    if said and is_before(said):
        width = _encoder_width(model)
        inputs.append(BothEnds(width) if encoder_sizes(model).directions > 1 else width)
    elif said and said.input_feeding:
        inputs.append(_output(model))
    return StackPlan(
        cell=CLASSES[model.cell],
        inputs=tuple(inputs),
        width=Read("width"),
        layers=Read("layers"),
        projection=Read("projection") if model.projection else None,
        dropout=dropout.layers if model.layers > 1 else None,
        locked=dropout.locked,
        bidirectional=classes and model.bidirectional,
        decodes=not classes,
    )


def _encoder(model: RecurrentModel, dropout: DropoutPlan) -> EncoderPlan:
    sizes = encoder_sizes(model)
    own = sizes.own_table
    embedding = Read("encoder_embedding_dim" if own else "embedding_dim")
    return EncoderPlan(
        stack=StackPlan(
            cell=CLASSES[model.cell],
            inputs=(embedding,),
            width=_encoder_width(model),
            layers=Read("layers"),
            projection=None,
            dropout=dropout.layers if sizes.layers > 1 else None,
            locked=dropout.locked,
            bidirectional=sizes.directions > 1,
        ),
        own_table=own,
        vocab_size=Read("encoder_vocab_size" if own else "vocab_size"),
        embedding=embedding,
        bridge=bridged(model),
    )


def _attention(model: RecurrentModel) -> SourceAttentionPlan | None:
    said = model.attention
    if said is None:
        return None
    keys = _output(model) if said.score == "bilinear" else None
    if said.score == "additive":
        keys = Read("attention_width")
    return SourceAttentionPlan(said.score, is_before(said), said.input_feeding, keys)


def _fields(
    model: RecurrentModel, dropout: DropoutPlan, *, pairs: bool, classes: bool
) -> Iterator[ConfigField]:
    toy = TOY_PROJECTION if model.projection else TOY_WIDTH
    toy_table = toy if model.embedding.tied else TOY_EMBEDDING
    encoder = encoder_sizes(model) if pairs else None
    vocabulary = min(TOY_VOCABULARY, model.vocab_size)
    yield _field("vocab_size", model.vocab_size, vocabulary)
    if encoder and encoder.own_table:
        yield _field("encoder_vocab_size", encoder.vocab_size, vocabulary)
    yield _field("context_length", model.context_length, TOY_CONTEXT, "tokens per sequence")
    yield _field("embedding_dim", model.embedding.dim, toy_table)
    if encoder and encoder.own_table:
        yield _field("encoder_embedding_dim", encoder.embedding, toy_table)
    yield _field("layers", model.layers, min(2, model.layers))
    yield _field("width", model.width, TOY_WIDTH, "of a layer's state")
    if model.projection:
        yield _field("projection", model.projection, TOY_PROJECTION, "of what a layer hands on")
    if encoder and bridged(model):
        comment = "of a state in each direction" if encoder.directions > 1 else ""
        yield _field("encoder_width", encoder.width, toy // encoder.directions, comment)
    if pairs and model.attention and model.attention.score == "additive":
        yield _field("attention_width", model.attention.width or output_width(model), toy)
    if classes:
        yield _field("classes", model.classes, min(TOY_CLASSES, model.classes))
    for read in dict.fromkeys((dropout.embedding, dropout.layers, dropout.output)):
        if read:
            rate = model.dropout.embedding if read.field == "dropout" else _rate(model, read)
            yield ConfigField(read.field, "float", rate, rate)


def _rate(model: RecurrentModel, read: Read) -> float:
    rate: float = getattr(model.dropout, read.field.removesuffix("_dropout"))
    return rate


def _field(name: str, value: int, toy: int, comment: str = "") -> ConfigField:
    return ConfigField(name, "int", value, toy, comment)
