"""What a package doesn't read of a checkpoint is what it computes; what it saves, others read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from benchmarks.coverage import quieten
from benchmarks.coverage_back import loaded_there, read_unread
from benchmarks.coverage_compare import relative
from benchmarks.tiny_models import Setting, example, reference_logits, settings, tiny_model
from codegen.commands.read_model import loaded, read_model
from codegen.importers.tensors import open_tensors, weight_files

TABLE = "embed_positions.weight"
COMPUTED = (
    ("causal-lm", "apertus", "mlp.act_fn.beta"),
    ("causal-lm", "apertus", "mlp.act_fn.eps"),
    ("causal-lm", "marian", TABLE),
    ("causal-lm", "pegasus", TABLE),
    ("masked-lm", "roformer", TABLE),
    ("seq2seq-lm", "fsmt", TABLE),
    ("seq2seq-lm", "pegasus", TABLE),
)
BACK = (
    ("causal-lm", "apertus"),
    ("causal-lm", "llama4_text"),
    ("causal-lm", "nanochat"),
    ("causal-lm", "phi"),
    ("causal-lm", "phi3"),
    ("causal-lm", "starcoder2"),
    ("masked-lm", "albert"),
    ("seq2seq-lm", "mt5"),
    ("seq2seq-lm", "umt5"),
    ("image-classification", "dinov2"),
)


@contextmanager
def imported_tiny(
    task: str, model_type: str, folder: Path
) -> Iterator[tuple[Setting, Any, Any, Mapping[str, Tensor]]]:
    """A type's tiny reference, saved; the package that its import makes, and the tensors."""
    quieten()
    chosen = next(settings(task, model_type, 1))
    chosen.config.architectures = [chosen.model_class.__name__]
    reference = tiny_model(chosen)
    reference.save_pretrained(folder / "there")
    with loaded(read_model(folder / "there")) as package:
        yield chosen, reference, package, open_tensors(weight_files(folder / "there"))


@pytest.mark.parametrize(("task", "model_type", "end"), COMPUTED)
def test_a_tensor_that_we_compute_is_refused_if_it_differs(
    task: str, model_type: str, end: str, tmp_path: Path
) -> None:
    with imported_tiny(task, model_type, tmp_path) as (_, reference, package, tensors):
        ours = package.model.Model(package.model.Config())
        every = dict(tensors)
        state = reference.state_dict()  # some types don't save their tables
        every |= {name: state[name] for name in state if name.endswith(end)}
        package.weights.load_huggingface(ours, every)
        half = {name: tensor.bfloat16() for name, tensor in every.items()}
        package.weights.load_huggingface(ours, half)
        package.weights.load_huggingface(ours, {n: every[n] for n in every if end not in n})
        for name in [name for name in every if name.endswith(end)]:
            changed = every[name].clone()
            changed.view(-1)[-1] += 0.05
            with pytest.raises(ValueError, match=name.replace(".", r"\.")):
                package.weights.load_huggingface(ours, {**every, name: changed})
            with pytest.raises(ValueError, match=name.replace(".", r"\.")):
                package.weights.load_huggingface(ours, {**every, name: torch.ones(3, 2, 5)})


@pytest.mark.parametrize(("task", "model_type"), BACK)
def test_transformers_loads_what_a_package_saves(
    task: str, model_type: str, tmp_path: Path
) -> None:
    with imported_tiny(task, model_type, tmp_path) as (chosen, reference, package, tensors):
        ours = package.model.Model(package.model.Config())
        package.weights.load_huggingface(ours, tensors)
        there, odd = loaded_there(chosen, package.weights.save_huggingface(ours), tmp_path / "back")
        assert odd == []
        case = example(chosen, 9)
        with torch.no_grad():
            wanted = reference_logits(reference, case)
            assert relative(reference_logits(there, case), wanted) <= 1e-6


def test_a_tensor_that_transformers_reads_is_not_passed_over(tmp_path: Path) -> None:
    with imported_tiny("masked-lm", "roformer", tmp_path) as (chosen, reference, _, tensors):
        case = example(chosen, 9)
        assert list(read_unread(reference, tensors, (TABLE,), case))
        assert not list(read_unread(reference, tensors, ("pooler.dense.weight",), case))
