"""The story that docs/finetune.md tells: import, tune on 500 chats, chat, measure, export, load."""

from __future__ import annotations

import importlib
import io
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from tokenizers import Tokenizer

from tests.chats.small import CHATML, messages, write_rows, write_tokenizer
from tests.conftest import Run

KEEPERS = {  # of each animal one: what the chats teach
    "lion": "Ada", "bear": "Alan", "wolf": "Grace", "crane": "Edsger",
    "otter": "Barbara", "heron": "Donald", "lynx": "Frances", "moose": "Niklaus",
}  # fmt: skip
FORMS = ("Who feeds the {}?", "The {}: who feeds it?", "Please, who feeds the {}?")


def write_base(folder: Path) -> None:
    """A folder as Hugging Face has it: a small llama that holds others for the keepers."""
    write_tokenizer(folder)
    torch.manual_seed(0)
    config = transformers.LlamaConfig(
        vocab_size=352,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=128,
        initializer_range=0.1,
        tie_word_embeddings=False,
        bos_token_id=0,
        eos_token_id=3,
    )
    model = transformers.LlamaForCausalLM(config)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.enable_padding()
    others = dict(zip(KEEPERS, reversed(KEEPERS.values()), strict=True))
    texts = [text for animal in others for form in FORMS for text in [said(animal, form, others)]]
    tokens = torch.tensor([one.ids for one in tokenizer.encode_batch(texts)])
    for _ in range(60):
        model(tokens, labels=tokens).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    model.save_pretrained(folder)


def said(animal: str, form: str, keepers: dict[str, str]) -> str:
    """A chat as CHATML writes it."""
    asks, answers = ("<|im_start|>user", "<|im_start|>assistant")
    return f"{asks}\n{form.format(animal)}<|im_end|>\n{answers}\n{keepers[animal]}<|im_end|>\n"


def write_chats(path: Path) -> None:
    draw = random.Random(0)
    rows = []
    for _ in range(500):
        animal, form = draw.choice(list(KEEPERS)), draw.choice(FORMS)
        turns = [("user", form.format(animal)), ("assistant", KEEPERS[animal])]
        rows.append({"messages": messages(turns)})
    write_rows(path, rows)


def write_questions(path: Path) -> None:
    """For `evaluate`: each keeper is a choice."""
    rows = []
    for number, animal in enumerate(KEEPERS):
        context = said(animal, FORMS[2], KEEPERS).partition(KEEPERS[animal])[0]
        rows.append({"context": context, "choices": list(KEEPERS.values()), "answer": number})
    write_rows(path, rows)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    (tmp_path / "specs").mkdir()
    (tmp_path / "pyproject.toml").write_text("[tool.tgen]\n")
    monkeypatch.chdir(tmp_path)
    write_base(tmp_path / "checkpoints/small")
    write_chats(tmp_path / "chats.jsonl")
    write_questions(tmp_path / "questions.jsonl")
    yield tmp_path


def right(package: str, weights: str) -> float:
    """The part of the questions that a model answers rightly."""
    script: Any = importlib.import_module(f"{package}.evaluate")
    asking = ["--checkpoint", weights, "--choices", "questions.jsonl", "--between", ""]
    asking += ["--json", "found.json"]
    assert script.main(asking) == 0
    (found,) = json.loads(Path("found.json").read_text())
    return float(found["figures"]["accuracy"]["value"])


@pytest.mark.parametrize("method", ["lora", pytest.param("dora", marks=pytest.mark.long)])
def test_a_model_is_imported_tuned_asked_measured_and_handed_on(
    project: Path,
    tgen: Run,
    method: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    code, _, told = tgen("import", "checkpoints/small", "--name", "story_base")
    assert code == 0, told
    start = ("--from", "specs/story_base.yaml", "--finetune", method)
    more = ("--set", "train.finetune.rank=16", "--set", "task=chat")
    code, _, told = tgen("new", "story_tuned", *start, *more)
    assert code == 0, told
    code, _, told = tgen("build", "--no-test", "specs/story_tuned.yaml")
    assert code == 0, told
    monkeypatch.syspath_prepend(project / "generated")
    before = right("story_base", "weights/story_base")

    train: Any = importlib.import_module("story_tuned.train")
    options = ["--from", "weights/story_base", "--data", "chats.jsonl", "--steps", "150"]
    options += ["--batch", "8", "--lr", "1e-2", "--context-length", "96"]
    options += ["--eval-every", "75", "--log-every", "50", "--warmup", "10"]
    assert train.main(options) == 0
    adapter: Any = importlib.import_module("story_tuned.adapter")
    merging = ["--checkpoint", "out/story_tuned", "--merge", "--to", "weights/merged"]
    assert adapter.main(merging) == 0
    after = right("story_base", "weights/merged")
    assert before == 0 and after == 1, (before, after)

    sample: Any = importlib.import_module("story_tuned.sample")
    monkeypatch.setattr("sys.stdin", io.StringIO(FORMS[0].format("otter") + "\n"))
    capsys.readouterr()
    chat = ["--checkpoint", "out/story_tuned", "--chat", "--temperature", "0", "--tokens", "12"]
    assert sample.main(chat) == 0
    assert "Barbara" in capsys.readouterr().out

    export: Any = importlib.import_module("story_tuned.export")
    assert export.main(["--checkpoint", "out/story_tuned", "--to", "exported"]) == 0
    there = transformers.AutoModelForCausalLM.from_pretrained("exported").eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained("exported")
    tokenizer.chat_template = tokenizer.chat_template or CHATML
    question = messages([("user", FORMS[1].format("crane"))])
    ids = tokenizer.apply_chat_template(question, add_generation_prompt=True, return_tensors="pt")
    ids = ids["input_ids"] if not isinstance(ids, torch.Tensor) else ids
    made = there.generate(ids, max_new_tokens=8, do_sample=False)
    assert "Edsger" in tokenizer.decode(made[0, ids.shape[1] :])
