"""causal-lm: the next token of a text."""

from __future__ import annotations

from codegen.plan.files import FilePlan, TestsPlan
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
    sampling_files,
    sampling_options,
    separator_of,
    tokenizer_option,
    training_command,
)
from codegen.spec.head import SpecHead
from codegen.spec.tasks.causal_lm import CorpusData


def _file(name: str, *roots: str) -> FilePlan:
    return FilePlan(f"{name}.py", f"tasks/causal_lm/{name}.py.jinja", roots)


DECODING = (_file("generate"), _file("detokenize"))
CHAT = (_file("chat"),)
SPECULATION = (_file("speculate"),)
SERVER = (_file("slots"), _file("asked"), _file("serve", "main"))
CHOICES = (_file("choices"),)


def causal_lm(spec: SpecHead, network: TokenNetwork, flops: int) -> TextTask:
    """Windows of a text, their targets one token on; sampling goes on from a prompt."""
    said = spec.data
    assert isinstance(said, CorpusData)
    context = said.context_length or network.context_length
    separator = separator_of(said.tokenizer, said.separator)
    generation = spec.checkpoint.huggingface is not None
    held_out = "fraction of the texts held out, their end"
    documents = DOCUMENTS in network.inputs
    chats = said.tokenizer == "file"
    serves = not network.prefix and not network.rereads  # where no row depends on the others
    takes_back = network.takes_back == "always"
    speculates = network.bounded and takes_back and not network.prefix
    return TextTask(
        name="causal-lm",
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
        uses=(
            ("sample", "--prompt Once"),
            ("evaluate", "--data other.txt"),
            *((("serve", "--port 8000"),) if serves else ()),
        ),
        cached=f"{network.context_length:,} tokens",
        flops=flops,
        options=(
            *CORPUS_OPTIONS,
            tokenizer_option(said),
            *((documents_option(separator),) if documents else ()),
            OptionPlan("validation", "float", float(spec.train.validation), held_out),
            HELD_OUT_OPTION,
        ),
        sizes=(OptionPlan("context_length", "int", context, "tokens per sequence"),),
        parts={
            "on_kernels": "tasks/causal_lm/tests/on_kernels.py.jinja",
            "usage": "tasks/text/usage.md.jinja",
            "measure": "package/train/measure.py.jinja",
            "objective": "tasks/text/objective.py.jinja",
            "scores": "tasks/text/scores.py.jinja",
            "trained": "tasks/causal_lm/trained.py.jinja",
        },
        files=(
            *sampling_files(
                "tasks/causal_lm/data.py.jinja", "tasks/causal_lm/sample.py.jinja", generation
            ),
            *DECODING,
            *(CHAT if chats else ()),
            *(SPECULATION if speculates else ()),
            *(SERVER if serves else ()),
            *CORPUS_FILES,
            *EVALUATE,
            *(CHOICES if not network.prefix else ()),
        ),
        tests=TestsPlan(
            imports=("tasks/causal_lm/tests/imports.py.jinja",),
            constants=(),
            parts=(
                "tasks/text/tests/fixtures.py.jinja",
                "tasks/text/tests/loss.py.jinja",
                "tasks/causal_lm/tests/decoding.py.jinja",
                "package/tests/overfit.py.jinja",
                "tasks/causal_lm/tests/training.py.jinja",
                "tasks/causal_lm/tests/sampling.py.jinja",
                EVALUATE_TESTS,
            ),
        ),
        inputs=network.inputs,
        prefix=network.prefix,
        prefix_length=network.prefix_length if network.prefix == "fixed" else None,
        separator=separator,
        generation=generation,
        streams=network.carries,
        bounded=network.bounded,
        takes_back=takes_back,
        speculates=speculates,
        chats=chats,
        codes=True,
        sampling=f"Sample from a trained {spec.name}",
        prompt="prompt",
        sampling_options=sampling_options(
            "how many to make",
            0.8,
            generation,
        ),
    )
