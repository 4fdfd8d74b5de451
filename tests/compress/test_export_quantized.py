"""Models of few bits, exported: transformers with torchao computes what their floats do."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import transformers
from safetensors import safe_open
from torch import Tensor

from benchmarks.coverage import quieten
from benchmarks.coverage_texts import made_here
from benchmarks.coverage_types import ATTENTION
from benchmarks.tiny_models import Setting, example, reference_logits, settings, tiny_model
from codegen.commands.read_model import read_model
from codegen.importers.tensors import open_tensors, weight_files
from codegen.plan import lower
from codegen.plan.export.unread import unread
from codegen.spec import load_text
from tests.export.coverage import PASSED, REFUSED
from tests.export.packages import WHOLE, package_of, write_run

PARTS = (
    "model",
    "weights",
    "checkpoint",
    "load",
    "codes",
    "quantize",
    "export",
    "export_quantized",
)
FILES = (*WHOLE, "load.py", "codes.py", "quantize.py", "export_quantized.py")
GROUP = 8
ROWS_THERE = ("gpt2", "gpt-sw3", "openai-gpt")  # whose matrices lie as (inputs, outputs)
FAST = [("causal-lm", "llama"), ("causal-lm", "phi3"), ("masked-lm", "bert")]  # phi3 joins q, k, v


@contextmanager
def of_few_bits(chosen: Setting, kind: str, folder: Path, factors: bool) -> Iterator[Any]:
    """A package for a tiny model of transformers, and a run's folder of which matrices are so."""
    quieten()
    reference = tiny_model(chosen)
    reference.config.architectures = [type(reference).__name__]
    reference.save_pretrained(folder / "there")
    text = read_model(folder / "there").text
    plan = lower(load_text(f"{text}train: {{quantize: {kind}}}\n", "tiny.yaml"))
    with package_of(plan, folder, PARTS, FILES) as package:
        ours = package.model.Model(package.model.Config()).eval()
        package.weights.load_huggingface(ours, open_tensors(weight_files(folder / "there")))
        q = package.quantize
        for name, module in [*q.matrices(ours)]:
            made = q.quantized(module, kind, GROUP, False, False)
            if factors and hasattr(made, "group"):
                made.factors = torch.rand(module.in_features).bfloat16() + 0.5
            ours.set_submodule(name, made)
        write_run(ours, package.checkpoint, folder / "run")
        package.auto = getattr(transformers, plan.auto_class)
        pad = {"pad_token_id": getattr(chosen.config, "pad_token_id", None)}
        (folder / "run" / "generation_config.json").write_text(json.dumps(pad))
        yield package


def export(package: SimpleNamespace, folder: Path, *more: str) -> int:
    code: int = package.export.main(
        ["--checkpoint", f"{folder / 'run'}", "--to", f"{folder / 'to'}", "--overwrite", *more]
    )
    return code


@torch.no_grad()
def error_there(package: SimpleNamespace, chosen: Setting, folder: Path) -> float:
    """How far what transformers makes of the folder is from our model with the same floats."""
    attention = ATTENTION.get(chosen.model_type, "eager")
    back = package.auto.from_pretrained(folder / "to", attn_implementation=attention)
    case = example(chosen, 13)
    flat = package.export_quantized.dequantized(package.load.open_model(folder / "run"))
    wanted, found = made_here(flat, case.inputs), reference_logits(back.eval(), case)
    return float((found - wanted).abs().max() / wanted.abs().max())


def check(
    task: str, model_type: str, kind: str, folder: Path, *more: str, factors: bool = False
) -> None:
    chosen = next(settings(task, model_type, 1))
    with of_few_bits(chosen, kind, folder, factors) as package:
        assert export(package, folder, *more) == 0
        assert error_there(package, chosen, folder) < 1e-5


@pytest.mark.long
@pytest.mark.parametrize(("task", "model_type"), [one for one in PASSED if one not in REFUSED])
def test_every_type_is_read_there_or_refused(task: str, model_type: str, tmp_path: Path) -> None:
    """Of both, floats are written if they are asked for."""
    pytest.importorskip("torchao")
    chosen = next(settings(task, model_type, 1))
    with of_few_bits(chosen, "int4", tmp_path, False) as package:
        refused = unread(task, model_type) or model_type in ROWS_THERE
        assert export(package, tmp_path) == (2 if refused else 0)
        if refused:
            assert export(package, tmp_path, "--dequantize") == 0
        assert error_there(package, chosen, tmp_path) < 1e-5


@pytest.mark.parametrize(("task", "model_type"), FAST)
@pytest.mark.parametrize("kind", ["int8", "int4"])
def test_torchao_has_the_same_numbers(
    kind: str, task: str, model_type: str, tmp_path: Path
) -> None:
    pytest.importorskip("torchao")
    check(task, model_type, kind, tmp_path)


def test_factors_of_inputs_go_along(tmp_path: Path) -> None:
    pytest.importorskip("torchao")
    check("causal-lm", "llama", "int4", tmp_path, "--shard-size", "20KB", factors=True)


def test_files_say_what_torchao_itself_would(tmp_path: Path) -> None:
    support = pytest.importorskip("torchao.prototype.safetensors.safetensors_support")
    chosen = next(settings("causal-lm", "llama", 1))
    with of_few_bits(chosen, "int4", tmp_path, False) as package:
        assert export(package, tmp_path) == 0
        back = package.auto.from_pretrained(tmp_path / "to")
    state = {
        name: t if "Int8" in type(t).__name__ else t.data for name, t in back.state_dict().items()
    }
    tensors, said = support.flatten_tensor_state_dict(state)
    with safe_open(tmp_path / "to" / "model.safetensors", framework="pt") as file:
        names = file.keys()
        found, metadata = {n: file.get_tensor(n) for n in names}, file.metadata()
    assert found.keys() == tensors.keys()
    assert all(torch.equal(found[name], tensors[name]) for name in found)
    assert sorted(json.loads(metadata["tensor_names"])) == sorted(state)
    for name in state:
        ours, theirs = (json.loads(one[name]) for one in (metadata, said))
        assert {*ours.pop("_tensor_data_names", ())} == {*theirs.pop("_tensor_data_names", ())}
        assert ours == theirs


@pytest.mark.long
@pytest.mark.parametrize("kind", ["int8", "int4"])
def test_floats_are_written_where_torchao_has_no_such_form(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chosen = next(settings("causal-lm", "gpt2", 1))
    with of_few_bits(chosen, kind, tmp_path, False) as package:
        assert export(package, tmp_path) == 2
        said = capsys.readouterr().err
        assert "attn.c_proj.weight can't be one of torchao's" in said
        assert said.endswith("give --dequantize\n")
        assert not (tmp_path / "to").exists()
        assert export(package, tmp_path, "--dequantize") == 0
        assert error_there(package, chosen, tmp_path) < 1e-5


def test_parts_that_were_rounded_otherwise_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of phi3, whose queries, keys and values are one matrix there."""
    chosen = next(settings("causal-lm", "phi3", 1))
    with of_few_bits(chosen, "int4", tmp_path, True) as package:
        assert export(package, tmp_path) == 2
        assert "here several whose inputs have other factors" in capsys.readouterr().err
        assert export(package, tmp_path, "--dequantize") == 0
        assert error_there(package, chosen, tmp_path) < 1e-5


def numbers_of(codes: Tensor, scales: Tensor) -> Tensor:
    """What a byte of two codes stands for, worked out in float64."""
    pairs = torch.stack((codes % 16, codes // 16), dim=2).flatten(1).double()
    groups = pairs.unflatten(1, (len(scales), -1))
    scale, offset = scales.double().permute(1, 0, 2)[..., None].unbind(2)
    return ((groups - 8) * scale + offset).flatten(1)


def test_floats_are_those_that_the_numbers_stand_for(tmp_path: Path) -> None:
    chosen = next(settings("causal-lm", "llama", 1))
    with of_few_bits(chosen, "int4", tmp_path, False) as package:
        model = package.load.open_model(tmp_path / "run")
        proj = model.get_submodule("blocks.0.attention.o_proj")
        wanted = numbers_of(proj.codes, proj.scales)
        table = model.token_embedding.codes.double() * model.token_embedding.scale.double()[:, None]
        flat = package.export_quantized.dequantized(model)
    found = flat.get_submodule("blocks.0.attention.o_proj").weight
    torch.testing.assert_close(found.double(), wanted, rtol=1e-6, atol=1e-7)
    torch.testing.assert_close(flat.token_embedding.weight.double(), table, rtol=1e-6, atol=0)
