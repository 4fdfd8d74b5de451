"""preference: of two answers the one that is preferred."""

from __future__ import annotations

from codegen.plan.files import FilePlan
from codegen.plan.tasks.chat import (
    CHATS,
    EVALUATE,
    LEARNS,
    NEEDS,
    ChatTask,
    chat_options,
    chat_tests,
)
from codegen.plan.tasks.chat import FOLDER as CHAT_FOLDER
from codegen.plan.tasks.decoders import decoder
from codegen.plan.tasks.task import OptionPlan
from codegen.plan.tasks.text import TextTask, TokenNetwork
from codegen.spec.head import SpecHead
from codegen.spec.tasks.preference import PreferenceData

FOLDER = "tasks/preference"
COMMAND = "--data pairs.jsonl --tokenizer tokenizer.json"


def preference(spec: SpecHead, network: TokenNetwork, flops: int) -> TextTask:
    """Two answers to each prompt, of which one is to become the likelier (DPO)."""
    said = spec.data
    assert isinstance(said, PreferenceData)
    context = said.context_length or network.context_length
    fields = "of a row: prompt,chosen,rejected or chosen,rejected; else those that are there"
    wrong = "part of the pairs that may be the wrong way round"
    beta = "how strongly the model is held to what it began as"
    return decoder(
        spec,
        network,
        data_file=f"{CHAT_FOLDER}/data.py.jinja",
        kind=ChatTask,
        files=(
            *CHATS,
            FilePlan("preference.py", f"{FOLDER}/preference.py.jinja", roots=()),
            FilePlan("reference.py", f"{FOLDER}/reference.py.jinja", roots=()),
            *EVALUATE,
        ),
        chats=True,
        parts={
            "imports": f"{FOLDER}/imports.py.jinja",
            "state": f"{FOLDER}/state.py.jinja",
            "begun": f"{FOLDER}/begun.py.jinja",
            "objective": f"{FOLDER}/objective.py.jinja",
            "measure": f"{FOLDER}/measure.py.jinja",
            "reported": f"{FOLDER}/reported.py.jinja",
        },
        uses=(("sample", "--chat"), ("evaluate", "--data pairs.jsonl")),
        needs=NEEDS,
        data="pairs of answers",
        commands=(COMMAND,),
        keeps=LEARNS,
        kept=", ".join((*LEARNS, "reference.safetensors")),
        drawn=("batches",),
        data_class="Pairs",
        row="pair",
        unit="pair",
        rows_in="train",
        loss="loss (nats per pair)",
        measures="The mean loss of every pair that is held out",
        figures=(
            *(("margin", "margin {:.3f}"), ("accuracy", "right {:.1%}")),
            *(("validation_margin", "margin {:.3f}"), ("validation_accuracy", "right {:.1%}")),
        ),
        flops_of="token",
        flops=0,
        options=chat_options(spec, "pairs", fields),
        sizes=(OptionPlan("context_length", "int", context, "most tokens per sequence"),),
        of_loss=(OptionPlan("beta", "float", float(spec.train.beta), beta),),
        smooths=wrong,
        tests=chat_tests(f"{FOLDER}/tests/pairs.py.jinja"),
        pairs=True,
        answers=True,
        norm=spec.train.loss == "dpo_norm",
    )
