"""The parameter table of a recurrent network, in the order in which its modules are made."""

from __future__ import annotations

from collections.abc import Iterator

from codegen.plan.tables import Group, Parameter, Start
from codegen.spec.recurrent.resolve import EncoderSizes, encoder_sizes, is_before, output_width
from codegen.spec.recurrent.vocabulary import RecurrentModel, TokenTable

GATES = {"lstm": 4, "gru": 3, "rnn": 1}
ZEROS = Start("zeros")


def parameter_table(model: RecurrentModel, *, pairs: bool, classes: bool) -> tuple[Parameter, ...]:
    """Of a language model, of an encoder and a decoder, or of what tells classes."""
    if classes:
        return tuple(_of_classes(model))
    return tuple(_of_pairs(model) if pairs else _of_texts(model))


def decoder_inputs(model: RecurrentModel, *, pairs: bool) -> tuple[int, ...]:
    """The widths of what the first layer of a decoder reads side by side."""
    said = model.attention if pairs else None
    if said and is_before(said):
        return model.embedding.dim, encoder_sizes(model).output
    if said and said.input_feeding:
        return model.embedding.dim, output_width(model)
    return (model.embedding.dim,)


def _of_texts(model: RecurrentModel) -> Iterator[Parameter]:
    yield _table("token_embedding", model.vocab_size, model.embedding)
    yield from _decoder(model, pairs=False)
    yield from _head(model, output_width(model))


def _of_classes(model: RecurrentModel) -> Iterator[Parameter]:
    ways = 2 if model.bidirectional else 1
    yield _table("token_embedding", model.vocab_size, model.embedding)
    yield from _decoder(model, pairs=False, directions=ways)
    yield _matrix("head.weight", model.classes, ways * output_width(model), "head")
    if model.bias:
        yield Parameter("head.bias", (model.classes,), "bias", ZEROS, "vector")


def _of_pairs(model: RecurrentModel) -> Iterator[Parameter]:
    encoder = encoder_sizes(model)
    yield _table("token_embedding", model.vocab_size, model.embedding)
    yield from _encoder(model, encoder)
    yield from _decoder(model, pairs=True)
    reads = output_width(model)
    if said := model.attention:
        keys = (said.width or reads) if said.score == "additive" else reads
        if said.score != "dot":
            yield _matrix("attention.k_proj.weight", keys, encoder.output)
        if said.score == "additive":
            yield _matrix("attention.q_proj.weight", keys, reads)
            yield Parameter("attention.q_proj.bias", (keys,), "bias", ZEROS, "vector")
            yield _matrix("attention.score.weight", 1, keys)
        if is_before(said):
            reads += encoder.output + model.embedding.dim
        else:
            yield _matrix("join.weight", reads, encoder.output + reads)
    yield from _head(model, reads)


def _encoder(model: RecurrentModel, sizes: EncoderSizes) -> Iterator[Parameter]:
    if sizes.own_table:
        yield _table("encoder.token_embedding", sizes.vocab_size, TokenTable(dim=sizes.embedding))
    yield from _cells(
        "encoder.rnn",
        model.cell,
        (sizes.embedding,),
        sizes.width,
        None,
        sizes.layers,
        sizes.directions,
        locked=_locked(model),
    )
    if bridged(model):
        output = output_width(model)
        yield _matrix("encoder.hidden_bridge.weight", output, sizes.output)
        yield Parameter("encoder.hidden_bridge.bias", (output,), "bias", ZEROS, "vector")
        if model.cell == "lstm":
            yield _matrix("encoder.cell_bridge.weight", model.width, sizes.output)
            yield Parameter("encoder.cell_bridge.bias", (model.width,), "bias", ZEROS, "vector")


def bridged(model: RecurrentModel) -> bool:
    """Whether the encoder's states are not as wide as the decoder's."""
    sizes = encoder_sizes(model)
    return sizes.directions > 1 or sizes.width != model.width or model.projection is not None


def _locked(model: RecurrentModel) -> bool:
    return model.dropout.locked and model.dropout.layers > 0


def _decoder(model: RecurrentModel, *, pairs: bool, directions: int = 1) -> Iterator[Parameter]:
    yield from _cells(
        "rnn",
        model.cell,
        decoder_inputs(model, pairs=pairs),
        model.width,
        model.projection,
        model.layers,
        directions,
        locked=_locked(model),
    )


def _cells(
    name: str,
    cell: str,
    inputs: tuple[int, ...],
    width: int,
    projection: int | None,
    layers: int,
    directions: int = 1,
    *,
    locked: bool,
) -> Iterator[Parameter]:
    """As torch.nn names them; those of locked dropout are modules of one layer each."""
    rows, into, output = GATES[cell] * width, sum(inputs), projection or width
    alone = locked and layers > 1
    for layer in range(layers):
        prefix, number = (f"{name}.layers.{layer}", 0) if alone else (name, layer)
        for way in ("", "_reverse")[:directions]:
            end = f"l{number}{way}"
            yield _matrix(f"{prefix}.weight_ih_{end}", rows, into)
            yield _matrix(f"{prefix}.weight_hh_{end}", rows, output)
            start = Start("forget gates at one") if cell == "lstm" else ZEROS
            yield Parameter(f"{prefix}.bias_ih_{end}", (rows,), "bias", start, "vector")
            yield Parameter(f"{prefix}.bias_hh_{end}", (rows,), "bias", ZEROS, "vector")
            if projection:
                yield _matrix(f"{prefix}.weight_hr_{end}", projection, width)
        into = directions * output


def _table(name: str, rows: int, table: TokenTable) -> Parameter:
    """Of numbers of size one, unless the head has the same table."""
    start = (
        Start("normal", table.dim**-0.5, source="fan_in") if table.tied else Start("normal", 1.0)
    )
    return Parameter(f"{name}.weight", (rows, table.dim), "token_embedding", start, "embedding")


def _head(model: RecurrentModel, reads: int) -> Iterator[Parameter]:
    if not model.embedding.tied:
        yield _matrix("head.weight", model.vocab_size, reads, "head")
    if model.bias:
        name = "head_bias" if model.embedding.tied else "head.bias"
        yield Parameter(name, (model.vocab_size,), "bias", ZEROS, "vector")


def _matrix(name: str, out: int, into: int, group: Group = "matrix") -> Parameter:
    start = Start("normal", into**-0.5, source="fan_in")
    return Parameter(name, (out, into), name.split(".")[-2], start, group)
