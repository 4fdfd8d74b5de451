"""A model that no type of transformers' fits, loaded there with its own code."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM

from codegen.plan import lower
from codegen.spec import load_text
from tests.export.packages import package_of, write_run

PARTS = ("model", "checkpoint", "export")
SPECS = {
    "windowed": """
name: windowed
model:
  attention: {heads: 4, rope: {theta: 500}, mask: causal & (window(6) | sink(2)), gate: head}
  mlp: {activation: relu2}
""",
    "recurrent": """
name: recurrent
family: recurrent
model: {cell: gru}
""",
    "documents": """
name: documents
model: {attention: {heads: 4, mask: causal & document}}
""",
    "experts": """
name: experts
model: {mlp: {experts: {count: 4, active: 2}}, embedding: {tied: true, positions: learned}}
""",
}
FAST = ("windowed",)
NEW = 12


def filled(model: Any) -> Any:
    torch.manual_seed(0)
    model.init_weights()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return model.eval()


def greedy(model: Any, prompt: torch.Tensor, said: dict[str, torch.Tensor]) -> list[int]:
    """A text by the model's own cache, one row alone."""
    cache = model.new_cache(1, prompt.size(1) + NEW)
    tokens, logits = prompt[0].tolist(), model.prefill(prompt, cache, **said)
    for _ in range(NEW):
        tokens.append(int(logits.argmax()))
        logits = model.decode(torch.tensor(tokens[-1:]), cache)
    return tokens


def check(name: str, folder: Path) -> None:
    plan = lower(load_text(SPECS[name], f"{name}.yaml"))
    with package_of(plan, folder, PARTS) as package, torch.no_grad():
        ours = filled(package.model.Model(package.model.Config.tiny()))
        write_run(ours, package.checkpoint, folder / "run")
        assert package.export.main([*said_of(folder)]) == 0
        there = AutoModelForCausalLM.from_pretrained(folder / "to", trust_remote_code=True).eval()
        tokens = torch.randint(0, 61, (2, 9), generator=torch.Generator().manual_seed(1))
        ids = {"document_ids": torch.zeros_like(tokens)} if name == "documents" else {}
        torch.testing.assert_close(there(tokens).logits, ours(tokens, **ids), rtol=0, atol=0)
        one = {key: value[:1] for key, value in ids.items()}
        wanted = [greedy(ours, row[None], one) for row in tokens]
        texts(there, tokens, wanted)


def said_of(folder: Path) -> tuple[str, ...]:
    return ("--checkpoint", f"{folder / 'run'}", "--to", f"{folder / 'to'}")


def texts(there: Any, tokens: torch.Tensor, wanted: list[list[int]]) -> None:
    """By a cache, without, and of rows that are padded on the left."""
    how = {"max_new_tokens": NEW, "do_sample": False, "pad_token_id": 0}
    mask = torch.ones_like(tokens)
    assert there.generate(tokens, attention_mask=mask, **how).tolist() == wanted
    again = there.generate(tokens, attention_mask=mask, use_cache=False, **how)
    assert again.tolist() == wanted
    longer = torch.cat([tokens[:, :3], tokens], 1)
    mask = torch.ones_like(longer)
    mask[0, :3] = 0
    padded = there.generate(longer, attention_mask=mask, **how)
    assert padded[0, 3:].tolist() == wanted[0]


@pytest.mark.parametrize("name", FAST)
def test_remote_code_writes_what_the_package_writes(name: str, tmp_path: Path) -> None:
    check(name, tmp_path)


@pytest.mark.long
@pytest.mark.parametrize("name", [name for name in SPECS if name not in FAST])
def test_all_remote_code_writes_what_the_package_writes(name: str, tmp_path: Path) -> None:
    check(name, tmp_path)


@pytest.mark.long
def test_remote_code_needs_nothing_of_tgen(tmp_path: Path) -> None:
    plan = lower(load_text(SPECS["windowed"], "windowed.yaml"))
    with package_of(plan, tmp_path, PARTS) as package:
        ours = filled(package.model.Model(package.model.Config.tiny()))
        write_run(ours, package.checkpoint, tmp_path / "run")
        package.export.main([*said_of(tmp_path)])
    code = (
        "import sys; from transformers import AutoModelForCausalLM as Auto;"
        f"Auto.from_pretrained({f'{tmp_path}/to'!r}, trust_remote_code=True);"
        "print(sorted(name for name in sys.modules if name.startswith(('codegen', 'generated'))))"
    )
    found = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True)
    assert found.stdout.strip() == b"[]", found.stderr
    assert SimpleNamespace is not None
