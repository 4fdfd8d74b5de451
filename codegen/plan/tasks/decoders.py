"""What the tasks share whose trained models go on with a text, as a causal language model does."""

from __future__ import annotations

from typing import Any

from codegen.plan.files import FilePlan
from codegen.plan.tasks.text import (
    TextTask,
    TokenNetwork,
    sampling_files,
    sampling_options,
)
from codegen.spec.head import SpecHead

FOLDER = "tasks/causal_lm"


def _file(name: str, *roots: str) -> FilePlan:
    return FilePlan(f"{name}.py", f"{FOLDER}/{name}.py.jinja", roots)


DECODING = (_file("generate"), _file("detokenize"))
CHAT = (_file("chat"),)
SPECULATION = (_file("speculate"),)
SERVER = (_file("slots"), _file("asked"), _file("serve", "main"))
CHOICES = (_file("choices"),)


def serves(network: TokenNetwork) -> bool:
    """Whether a server can answer several texts at once: no row depends on the others."""
    return not network.prefix and not network.rereads


def decoder(
    spec: SpecHead,
    network: TokenNetwork,
    *,
    data_file: str,
    files: tuple[FilePlan, ...],
    chats: bool,
    parts: dict[str, str],
    uses: tuple[tuple[str, str], ...],
    kind: type[TextTask] = TextTask,
    **own: Any,
) -> TextTask:
    """A task with what its models are used by; `data_file` is the template of data.py."""
    generation = spec.checkpoint.huggingface is not None
    takes_back = network.takes_back == "always"
    speculates = network.bounded and takes_back and not network.prefix
    return kind(
        name=spec.task,
        uses=(*uses, *((("serve", "--port 8000"),) if serves(network) else ())),
        cached=f"{network.context_length:,} tokens",
        parts={
            "on_kernels": f"{FOLDER}/tests/on_kernels.py.jinja",
            "usage": "tasks/text/usage.md.jinja",
            "measure": "package/train/measure.py.jinja",
            "objective": "tasks/text/objective.py.jinja",
            "scores": "tasks/text/scores.py.jinja",
            "trained": f"{FOLDER}/trained.py.jinja",
            **parts,
        },
        files=(
            *sampling_files(data_file, f"{FOLDER}/sample.py.jinja", generation),
            *DECODING,
            *(CHAT if chats else ()),
            *(SPECULATION if speculates else ()),
            *(SERVER if serves(network) else ()),
            *files,
            *(CHOICES if not network.prefix else ()),
        ),
        inputs=network.inputs,
        prefix=network.prefix,
        prefix_length=network.prefix_length if network.prefix == "fixed" else None,
        generation=generation,
        streams=network.carries,
        bounded=network.bounded,
        takes_back=takes_back,
        speculates=speculates,
        chats=chats,
        codes=True,
        sampling=f"Sample from a trained {spec.name}",
        prompt="prompt",
        sampling_options=sampling_options("how many to make", 0.8, generation),
        **own,
    )
