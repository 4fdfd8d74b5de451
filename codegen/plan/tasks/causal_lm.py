"""causal-lm: the next token of a text."""

from __future__ import annotations

from codegen.plan.files import TestsPlan
from codegen.plan.tasks.decoders import FOLDER, decoder
from codegen.plan.tasks.task import OptionPlan
from codegen.plan.tasks.text import (
    CORPUS_FILES,
    CORPUS_OPTIONS,
    DOCUMENTS,
    EVALUATE,
    EVALUATE_TESTS,
    HELD_OUT_OPTION,
    TextTask,
    TokenNetwork,
    documents_option,
    separator_of,
    tokenizer_option,
    training_command,
)
from codegen.spec.head import SpecHead
from codegen.spec.tasks.causal_lm import CorpusData


def causal_lm(spec: SpecHead, network: TokenNetwork, flops: int) -> TextTask:
    """Windows of a text, their targets one token on; sampling goes on from a prompt."""
    said = spec.data
    assert isinstance(said, CorpusData)
    context = said.context_length or network.context_length
    separator = separator_of(said.tokenizer, said.separator)
    held_out = "fraction of the texts held out, their end"
    documents = DOCUMENTS in network.inputs
    return decoder(
        spec,
        network,
        data_file=f"{FOLDER}/data.py.jinja",
        files=(*CORPUS_FILES, *EVALUATE),
        chats=said.tokenizer == "file",
        parts={},
        uses=(("sample", "--prompt Once"), ("evaluate", "--data other.txt")),
        data="text",
        commands=(training_command("--data corpus.txt", said),),
        keeps=("tokenizer.json",),
        kept="tokenizer.json",
        drawn=() if network.carries else ("batches",),
        data_class="Corpus",
        row="sequence",
        unit="token",
        units_in_row="context_length",
        rows_in="train",
        counted_as="tokens",
        loss="loss (nats per token)",
        flops_of="token",
        flops=flops,
        options=(
            *CORPUS_OPTIONS,
            tokenizer_option(said),
            *((documents_option(separator),) if documents else ()),
            OptionPlan("validation", "float", float(spec.train.validation), held_out),
            HELD_OUT_OPTION,
        ),
        sizes=(OptionPlan("context_length", "int", context, "tokens per sequence"),),
        tests=TestsPlan(
            imports=(f"{FOLDER}/tests/imports.py.jinja",),
            constants=(),
            parts=(
                "tasks/text/tests/fixtures.py.jinja",
                "tasks/text/tests/loss.py.jinja",
                f"{FOLDER}/tests/decoding.py.jinja",
                "package/tests/overfit.py.jinja",
                f"{FOLDER}/tests/training.py.jinja",
                f"{FOLDER}/tests/sampling.py.jinja",
                EVALUATE_TESTS,
            ),
        ),
        separator=separator,
    )
