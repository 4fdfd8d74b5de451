"""What a recurrent network can't be. One function a rule."""

from __future__ import annotations

from collections.abc import Iterator

from codegen.spec.mistake import Mistake
from codegen.spec.recurrent.resolve import encoder_sizes, is_before, output_width
from codegen.spec.recurrent.vocabulary import RecurrentModel, RecurrentSpec
from codegen.spec.switches import switched
from codegen.spec.tasks.causal_lm import CorpusData


def check_switches(spec: RecurrentSpec) -> Iterator[Mistake]:
    """What is said of something counts."""
    for found in switched(spec.model):
        name, switch = ".".join(found.path), found.needs.said
        if found.path[-1] != "input_feeding" and not found.on:
            message = f"`{name}` means nothing without `{switch}`"
            yield Mistake(("model", *found.path), message, f"drop it, or say `{switch}`")


def check_sizes(spec: RecurrentSpec) -> Iterator[Mistake]:
    """A projection is narrower than a state, and a shared table as wide as what the head reads."""
    model = spec.model
    if model.projection and model.projection >= model.width:
        message = f"a projection to {model.projection} of a state of {model.width} is not narrower"
        yield Mistake(("model", "projection"), message, "drop it, or make it smaller than `width`")
    reads = output_width(model)
    if model.embedding.tied and model.embedding.dim != reads:
        message = f"a shared table of {model.embedding.dim} numbers, and a head that reads {reads}"
        yield Mistake(("model", "embedding"), message, f"`dim: {reads}`, or drop `tied`")


def check_dropout(spec: RecurrentSpec) -> Iterator[Mistake]:
    """What is dropped between layers needs layers, what is locked is dropped."""
    said = spec.model.dropout
    rates = {said.embedding, said.layers, said.output}
    layers = [spec.model.layers]
    if spec.task == "seq2seq-lm":
        layers.append(encoder_sizes(spec.model).layers)
    if said.layers and max(layers) == 1 and len(rates) > 1:
        message = "nothing is handed on between layers where there is one"
        yield Mistake(("model", "dropout", "layers"), message, "drop it, or say more `layers`")
    if said.locked and said.layers and spec.model.layers > 1 and _stepwise(spec):
        message = "a cell that looks at the source at each step draws anew what it drops inside"
        hint = "`layers: 0`, or drop `locked`"
        yield Mistake(("model", "dropout", "layers"), message, hint)
    if spec.task == "sequence-classification":
        rates = {said.embedding, said.layers}  # a text has one vector, and that no times
    if said.locked and rates == {0.0}:
        message = "`locked` means nothing without a rate"
        yield Mistake(("model", "dropout", "locked"), message, "say a rate, or drop it")


def _stepwise(spec: RecurrentSpec) -> bool:
    """Whether a token can only be read after what the one before it has made."""
    said = spec.model.attention if spec.task == "seq2seq-lm" else None
    return said is not None and (is_before(said) or said.input_feeding)


def check_pair(spec: RecurrentSpec) -> Iterator[Mistake]:
    """Encoder and decoder fit each other, and what looks at the source."""
    if spec.task != "seq2seq-lm":
        return
    model, encoder = spec.model, encoder_sizes(spec.model)
    if encoder.layers != model.layers:
        message = (
            f"{encoder.layers} layers read a source, and {model.layers} go on from their states"
        )
        yield Mistake(("model", "encoder", "layers"), message, "give both as many")
    if not encoder.own_table and encoder.embedding != model.embedding.dim:
        message = "sources without a vocabulary of their own have the table of targets"
        hint = "say `encoder: {vocab_size: ...}`, or drop it"
        yield Mistake(("model", "encoder", "embedding"), message, hint)
    yield from _check_attention(model)


def _check_attention(model: RecurrentModel) -> Iterator[Mistake]:
    said, encoder = model.attention, encoder_sizes(model)
    if said is None:
        return
    if said.score == "dot" and encoder.output != output_width(model):
        message = (
            f"a dot product of {output_width(model)} numbers and {encoder.output} of the source"
        )
        yield Mistake(("model", "attention"), message, "`bilinear`, or the same width for both")
    if said.input_feeding and is_before(said):
        message = "`input_feeding` means nothing where the cell reads what is seen"
        yield Mistake(("model", "attention", "input_feeding"), message, "say `place: after`")
    if is_before(said) and model.embedding.tied:
        message = "the head reads what is seen and the token beside the state: no table is as wide"
        yield Mistake(("model", "embedding"), message, "drop `tied`, or say `place: after`")


def check_forcing(spec: RecurrentSpec) -> Iterator[Mistake]:
    """What is locked is the same at all times, and own tokens are made one by one."""
    if spec.train.teacher_forcing < 1 and spec.model.dropout.locked:
        message = "a decoder that reads its own tokens draws anew at each what it drops"
        yield Mistake(("train", "teacher_forcing"), message, "drop it, or `locked`")


def check_kernels(spec: RecurrentSpec) -> Iterator[Mistake]:
    """PyTorch has all cells, so none has a kernel of ours."""
    if spec.target.kernels == "all":
        message = "recurrent cells are PyTorch's own: there are no kernels for them"
        yield Mistake(("target", "kernels"), message, "drop it")


def check_library(spec: RecurrentSpec) -> Iterator[Mistake]:
    """No other library's checkpoints have such a network."""
    if spec.checkpoint.huggingface:
        message = f"{spec.checkpoint.huggingface} is a transformer"
        yield Mistake(("checkpoint", "huggingface"), message, "drop it")


def check_separator(spec: RecurrentSpec) -> Iterator[Mistake]:
    """A corpus is one text: no state begins anew within it."""
    if isinstance(spec.data, CorpusData) and spec.data.separator:
        message = "nothing tells documents apart: a state goes on from one to the next"
        yield Mistake(("data", "separator"), message, "drop it")


CHECKS = (
    *(check_switches, check_sizes, check_dropout, check_pair, check_forcing),
    *(check_separator, check_kernels, check_library),
)
