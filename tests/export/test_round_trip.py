"""Imported, trained a step, exported and loaded by transformers: the same logits.

What is compared is what transformers makes of the folder with what the package's own model makes.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from benchmarks.coverage import quieten
from benchmarks.coverage_texts import made_here
from benchmarks.coverage_types import ATTENTION
from benchmarks.tiny_models import Setting, example, reference_logits, settings, tiny_model
from codegen.commands.read_model import read_model
from codegen.importers.tensors import open_tensors, weight_files
from codegen.plan.checkpoint_plan import CheckpointPlan
from tests.export.coverage import PASSED, REFUSED
from tests.export.packages import package_of, write_run

TOLERANCE = 1e-5
PARTS = ("model", "weights", "checkpoint", "export")
FAST = [
    ("causal-lm", "llama"),
    ("causal-lm", "deepseek_v3"),
    ("seq2seq-lm", "t5"),
    ("sequence-classification", "bert"),
    ("tagging", "bert"),
    ("image-classification", "vit"),
]


def trained_a_step(model: Any, chosen: Setting) -> None:
    """Each weight moved against its gradient, where the loss of a batch has one."""
    case = example(chosen, 11)
    made = made_here(model, case.inputs)
    torch.autograd.backward(made.float().square().mean())
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.grad is not None:
                parameter -= 1e-2 * parameter.grad / (parameter.grad.norm() + 1e-6)


def check(task: str, model_type: str, folder: Path) -> None:
    quieten()
    chosen = next(settings(task, model_type, 1))
    reference = tiny_model(chosen)
    reference.config.architectures = [type(reference).__name__]
    reference.save_pretrained(folder / "there")
    read = read_model(folder / "there")
    assert isinstance(read.plan.checkpoint, CheckpointPlan)
    with package_of(read.plan, folder, PARTS) as package:
        ours = package.model.Model(package.model.Config()).eval()
        package.weights.load_huggingface(ours, open_tensors(weight_files(folder / "there")))
        trained_a_step(ours, chosen)
        write_run(ours, package.checkpoint, folder / "run")
        pad = {"pad_token_id": getattr(chosen.config, "pad_token_id", None)}
        (folder / "run" / "generation_config.json").write_text(json.dumps(pad))
        said = ["--checkpoint", f"{folder / 'run'}", "--to", f"{folder / 'to'}"]
        code = package.export.main([*said, "--shard-size", "40KB"])
        if read.plan.checkpoint.there.refused:
            assert code == 2
            assert (task, model_type) in REFUSED
            return
        assert code == 0
        back = getattr(transformers, read.plan.auto_class).from_pretrained(
            folder / "to", attn_implementation=ATTENTION.get(chosen.model_type, "eager")
        )
        assert back.dtype == torch.float32
        case = example(chosen, 13)
        with torch.no_grad():
            wanted = made_here(ours, case.inputs)
            found = reference_logits(back.eval(), case)
        assert float((found - wanted).abs().max() / wanted.abs().max()) <= TOLERANCE


@pytest.mark.parametrize(("task", "model_type"), FAST)
def test_an_exported_model_has_the_same_logits(task: str, model_type: str, tmp_path: Path) -> None:
    check(task, model_type, tmp_path)


@pytest.mark.long
@pytest.mark.parametrize(("task", "model_type"), [one for one in PASSED if one not in FAST])
def test_every_exported_model_has_the_same_logits(
    task: str, model_type: str, tmp_path: Path
) -> None:
    check(task, model_type, tmp_path)
