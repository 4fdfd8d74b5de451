"""Texts and chats of imported models are those that transformers makes from the same folder."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from codegen.commands.import_ import import_folder
from codegen.project import Project, find_project
from tests.importers.checkpoints import save
from tests.importers.test_sampling import VOCABULARY, module_of, tokenizer

# U and A stand for who speaks, E for the end of what is said.
TEMPLATE = (
    "{% for m in messages %}{{ {'user': 'U', 'assistant': 'A', 'system': 'S'}[m.role] }}"
    "{{ m.content | trim }}E{% endfor %}{% if add_generation_prompt %}A{% endif %}"
)
END = VOCABULARY["E"]
FEW = ("LlamaConfig", "Gemma2Config")
MORE = (
    *("GPT2Config", "GemmaConfig", "GraniteConfig", "MistralConfig", "MixtralConfig"),
    *("Olmo2Config", "Phi3Config", "Qwen2Config", "Qwen3Config", "StableLmConfig"),
)
PADDED = {"pad_token_id": 0, "eos_token_id": END, "bos_token_id": None}
PROMPTS = ["BCD", "WHATISTHIS", "1+1"]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    (tmp_path / "project/specs").mkdir(parents=True)
    (tmp_path / "project/pyproject.toml").write_text("[tool.tgen]\n")
    monkeypatch.chdir(tmp_path / "project")
    return find_project(tmp_path / "project")


def write(folder: Path, kind: str) -> tuple[Any, Any]:
    """A folder as it is published, and its model and tokenizer as transformers reads them."""
    save(folder, kind, **PADDED)
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer()))
    made = transformers.PreTrainedTokenizerFast(
        tokenizer_file=str(folder / "tokenizer.json"), eos_token="E", chat_template=TEMPLATE
    )
    made.save_pretrained(folder)
    said = {"eos_token_id": END, "pad_token_id": 0}
    (folder / "generation_config.json").write_text(json.dumps(said))
    return transformers.AutoModelForCausalLM.from_pretrained(folder).eval(), made


def theirs(model: Any, ids: torch.Tensor, tokens: int) -> list[int]:
    made = model.generate(
        ids, attention_mask=torch.ones_like(ids), max_new_tokens=tokens, do_sample=False
    )
    return list(made[0, ids.size(1) :].tolist())


def check_chat(
    kind: str, folder: Path, project: Project, patch: pytest.MonkeyPatch, capsys: Any
) -> None:
    model, read = write(folder / "checkpoint", kind)
    made = import_folder(folder / "checkpoint", project, test=False)
    sample = module_of(made.outcome.folder, "sample")
    messages, wanted = [{"role": "system", "content": "BRIEF"}], ""
    for prompt in PROMPTS:
        messages.append({"role": "user", "content": prompt})
        text = read.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
        ids = torch.tensor([read(text, add_special_tokens=False)["input_ids"]])
        answer = str(read.decode(theirs(model, ids, 5), skip_special_tokens=True))
        messages.append({"role": "assistant", "content": answer.removesuffix(" E")})
        wanted += f"{messages[-1]['content']}\n"
    patch.setattr("sys.stdin", io.StringIO("\n".join(PROMPTS) + "\n"))
    capsys.readouterr()
    options = ["--checkpoint", str(made.weights), "--temperature", "0"]
    assert sample.main([*options, "--chat", "--system", "BRIEF", "--tokens", "5"]) == 0
    assert capsys.readouterr().out == wanted
    file = folder / "prompts.txt"
    file.write_text("\n".join(PROMPTS) + "\n")
    assert sample.main([*options, "--prompts", str(file), "--tokens", "12"]) == 0
    texts = []
    for prompt in PROMPTS:
        ids = torch.tensor([read(prompt)["input_ids"]])
        row = [token for token in theirs(model, ids, 12) if token != END]
        texts.append(read.decode([*ids[0].tolist(), *row], skip_special_tokens=True))
    assert capsys.readouterr().out == f"\n{'-' * 80}\n".join(texts) + "\n"


@pytest.mark.parametrize("kind", FEW)
def test_a_chat_and_a_batch_of_prompts(
    kind: str,
    tmp_path: Path,
    project: Project,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    check_chat(kind, tmp_path, project, monkeypatch, capsys)


@pytest.mark.long
@pytest.mark.parametrize("kind", MORE)
def test_chats_and_batches_of_more_types(
    kind: str,
    tmp_path: Path,
    project: Project,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    check_chat(kind, tmp_path, project, monkeypatch, capsys)
