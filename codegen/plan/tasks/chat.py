"""chat: the answers of chats, each after all that was said before it."""

from __future__ import annotations

from codegen.frozen import frozen
from codegen.plan.files import FilePlan, TestsPlan
from codegen.plan.tasks.decoders import decoder
from codegen.plan.tasks.task import ANSWERS, FIGURES, OptionPlan
from codegen.plan.tasks.text import FILES, TextTask, TokenNetwork
from codegen.spec.head import SpecHead
from codegen.spec.tasks.chat import ChatData

FOLDER = "tasks/chat"
LEARNS = ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja")  # that chats need
CHATS = (  # what reads chats, and finds their answers
    FilePlan("chats.py", f"{FOLDER}/chats.py.jinja", roots=()),
    FilePlan("trained.py", f"{FOLDER}/trained.py.jinja", roots=()),
    FILES,
)
EVALUATE = (
    FilePlan("evaluate.py", f"{FOLDER}/evaluate.py.jinja", roots=("main",)),
    FIGURES,
    ANSWERS,
)
NEEDS = "; reading chats needs tokenizers and jinja2"
CHAT_COMMAND = "--data chats.jsonl --tokenizer tokenizer.json"


def chat_options(spec: SpecHead, data: str, fields: str) -> tuple[OptionPlan, ...]:
    """Where chats are, how they become tokens, and what is held out; `data` is what they are."""
    several = "of each of --data, how often its rows are drawn beside those of the others"
    return (
        OptionPlan("data", "tuple[str, ...]", (), f"{data}: .jsonl or parquet, folders, patterns"),
        OptionPlan("weights", "tuple[str, ...]", (), several),
        OptionPlan("fields", "str", "", fields),
        OptionPlan("tokenizer", "str", "", "a tokenizer.json, the template of chats beside it"),
        OptionPlan("too_long", "str", "drop", "what to do with longer rows: drop or cut"),
        OptionPlan(
            "validation",
            "float",
            float(spec.train.validation),
            "fraction of the rows held out, the end of each of --data",
        ),
        OptionPlan(
            "validation_data", "tuple[str, ...]", (), "as --data, to hold out instead of a fraction"
        ),
    )


def chat_tests(*own: str) -> TestsPlan:
    """Those of both tasks of chats, and one's own."""
    return TestsPlan(
        imports=("tasks/causal_lm/tests/imports.py.jinja",),
        constants=(),
        parts=(
            "tasks/text/tests/fixtures.py.jinja",
            "tasks/text/tests/loss.py.jinja",
            "tasks/causal_lm/tests/decoding.py.jinja",
            "package/tests/overfit.py.jinja",
            f"{FOLDER}/tests/training.py.jinja",
            f"{FOLDER}/tests/chats.py.jinja",
            *own,
            f"{FOLDER}/tests/evaluation.py.jinja",
        ),
    )


@frozen
class ChatTask(TextTask):
    """A task of chats."""

    packing: bool = False  # whether several lie in one row
    pairs: bool = False  # whether a row has two answers, of which one is preferred
    norm: bool = False  # whether their log-probabilities are per token


def chat(spec: SpecHead, network: TokenNetwork, flops: int) -> TextTask:
    """Whole chats, of whose tokens those of the answers are targets."""
    said = spec.data
    assert isinstance(said, ChatData)
    context = said.context_length or network.context_length
    fields = "of a row: messages, or two as prompt,response; else those that are there"
    packing = (FilePlan("packing.py", f"{FOLDER}/packing.py.jinja", roots=("packed",)),)
    return decoder(
        spec,
        network,
        data_file=f"{FOLDER}/data.py.jinja",
        kind=ChatTask,
        files=(*CHATS, *(packing if said.packing else ()), *EVALUATE),
        chats=True,
        parts={},
        uses=(("sample", "--chat"), ("evaluate", "--data chats.jsonl")),
        needs=NEEDS,
        data="chats",
        commands=(CHAT_COMMAND,),
        keeps=LEARNS,
        kept=", ".join(LEARNS),
        drawn=("batches",),
        data_class="Chats",
        row="example",
        unit="example",
        rows_in="train",
        loss="loss (nats per trained token)",
        flops_of="token",
        flops=0,
        options=chat_options(spec, "chats", fields),
        sizes=(OptionPlan("context_length", "int", context, "most tokens per sequence"),),
        tests=chat_tests(),
        packing=said.packing,
        answers=True,
    )
