"""Small models of chats, a tokenizer of bytes and merges, and chats to train on."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

SPECIAL = ["<s>", "</s>", "<|im_start|>", "<|im_end|>", "<|eot_id|>", "<|start_header_id|>"]
SPECIAL += ["<|end_header_id|>", "<start_of_turn>", "<end_of_turn>", "<|start_of_role|>"]
SPECIAL += ["<|end_of_role|>", "<|end_of_text|>", "<|end|>", "[INST]", "[/INST]"]
MODEL: dict[str, Any] = {
    "vocab_size": 400,
    "context_length": 96,
    "d_model": 32,
    "layers": 2,
    "attention": {"heads": 4, "kv_heads": 2},
    "mlp": {"d_ff": 48},
    "embedding": {"tied": True},
}
CHATML = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
TEXT = "What is two and two? Four, of course.\n\nAnd three?\n- user assistant model system\n"
WORDS = TEXT.split()
Turns = Sequence[tuple[str, str]]


def spec_of(name: str, task: str, **more: Any) -> dict[str, Any]:
    """A spec of a small llama of a task."""
    model = {**MODEL, **more.pop("model", {})}
    return {"name": name, "task": task, "model": model, **more}


def make_tokenizer() -> Tokenizer:
    """Byte-level BPE with a few merges, and the special tokens of several templates."""
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=340, special_tokens=SPECIAL, initial_alphabet=alphabet, show_progress=False
    )
    made.train_from_iterator([TEXT] * 3, trainer)
    return made


def write_tokenizer(folder: Path, template: str = CHATML, eos: str = "<|im_end|>") -> Path:
    """tokenizer.json with a template beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    make_tokenizer().save(str(folder / "tokenizer.json"))
    config = {"bos_token": "<s>", "eos_token": eos}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    (folder / "chat_template.jinja").write_text(template)
    return folder / "tokenizer.json"


def messages(turns: Turns) -> list[dict[str, str]]:
    """As files and other libraries have them."""
    return [{"role": role, "content": content} for role, content in turns]


def chats(count: int, seed: int = 0) -> list[list[dict[str, str]]]:
    """Chats of one or two questions with answers of some words."""
    rng = np.random.default_rng(seed)
    made = []
    for _ in range(count):
        roles = ("user", "assistant") * int(rng.integers(1, 3))
        said = (" ".join(rng.choice(WORDS, int(rng.integers(1, 6)))) for _ in roles)
        made.append(messages([*zip(roles, said, strict=True)]))
    return made


def write_rows(path: Path, rows: Sequence[Any]) -> Path:
    """A .jsonl of them."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path
