"""Gradient checkpointing: the same steps, of less that is kept between the passes."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from tests.packages import import_package

SHAPE = {"vocab_size": 64, "context_length": 16, "d_model": 16, "layers": 3, "dropout": 0.2}
CORRECTED = {"scores": "sigmoid", "correction": True}
ROUTED = {"experts": {"count": 4, "aux_loss": 0.5, "router": CORRECTED}}
HEADS = {"heads": 4, "kv_heads": 2}
CASES: dict[str, dict[str, Any]] = {
    "dropped": {"model": {**SHAPE, "attention": HEADS}},
    "routed": {"model": {**SHAPE, "attention": HEADS, "mlp": ROUTED}},
    "documents": {"model": {**SHAPE, "attention": {**HEADS, "mask": "causal & document"}}},
    "pairs": {"task": "seq2seq-lm", "model": {**SHAPE, "attention": HEADS, "mlp": ROUTED}},
}
LONG = ("dropped", "documents", "pairs")


def modules(folder: Path, spec: dict[str, Any], again: bool) -> list[ModuleType]:
    """Its model and its tests, built with or without gradient checkpointing."""
    name = f"again_{spec['name']}" if again else f"kept_{spec['name']}"
    train = {"gradient_checkpointing": again}
    return import_package(folder, {**spec, "name": name, "train": train}, "model", f"test_{name}")


def steps(model: Any, tests: Any, compiled: bool = False) -> list[torch.Tensor]:
    """Losses, gradients and what routers count, of two steps with dropout."""
    found, inputs, targets = [], tests.random_inputs(4), tests.random_targets(4)
    if compiled:
        model.compile()
    for seed in range(2):
        torch.manual_seed(seed)
        loss = model(**inputs, targets=targets)
        loss.backward()
        found += [
            loss.detach(),
            *(p.grad.clone() for p in model.parameters() if p.grad is not None),
        ]
        if hasattr(model, "count_choices"):
            model.count_choices()
        if hasattr(model, "expert_loads"):
            found.append(model.expert_loads())
    return found


@pytest.mark.parametrize(
    "case", [pytest.param(case, marks=pytest.mark.long if case in LONG else ()) for case in CASES]
)
def test_steps_are_those_of_a_package_without_it(case: str, tmp_path: Path) -> None:
    made = {}
    for again in (True, False):
        _, tests = modules(tmp_path, {"name": case, **CASES[case]}, again)
        made[again] = steps(tests.random_model().train(), tests)
    assert len(made[True]) == len(made[False]) > 30
    assert all(map(torch.equal, made[True], made[False]))


@pytest.mark.long
@pytest.mark.filterwarnings("ignore")  # PyTorch warns of its own compiler
@pytest.mark.parametrize("case", ["dropped", "routed"])
def test_compiled_steps_are_those_of_a_compiled_package_without_it(
    case: str, tmp_path: Path
) -> None:
    model, made = dict(CASES[case]["model"]), {}
    if case == "routed":
        model["dropout"] = 0.0  # it is not compiled, and eager PyTorch draws otherwise
    for again in (True, False):
        _, tests = modules(tmp_path, {"name": case, "model": model}, again)
        made[again] = steps(tests.random_model().train(), tests, compiled=True)
    for one, other in zip(made[True], made[False], strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)


def test_a_pass_keeps_the_inputs_of_blocks_and_not_what_is_in_them(tmp_path: Path) -> None:
    sizes = {}
    for layers in (2, 6):
        for again in (True, False):
            model = {**CASES["dropped"]["model"], "layers": layers}
            code, _ = modules(tmp_path, {"name": f"of_{layers}", "model": model}, again)
            net = code.Model(code.Config()).train()
            found: dict[int, int] = {}

            def kept(tensor: torch.Tensor, found: dict[int, int] = found) -> torch.Tensor:
                found[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
                return tensor

            tokens = torch.randint(0, 64, (2, 16))
            with torch.autograd.graph.saved_tensors_hooks(kept, lambda tensor: tensor):
                net(tokens, tokens)
            sizes[layers, again] = sum(found.values())
    stream = 4 * 2 * 16 * 16  # bytes of a block's input
    per_block = (sizes[6, True] - sizes[2, True]) / 4
    assert per_block <= 2 * stream < (sizes[6, False] - sizes[2, False]) / 4 / 5
