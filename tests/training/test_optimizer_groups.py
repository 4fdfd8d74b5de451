"""What the optimizers of train.py hold is what the parameter table says of each parameter."""

from __future__ import annotations

import tempfile
from dataclasses import fields
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from codegen.plan import Plan, lower
from codegen.spec import load_spec
from tests.packages import import_train, run_of
from tests.parity.trial import Spec, plan_of, settings
from tests.plan.models import ROOT, SPECS, tiny_plan
from tests.plan.models import plan_of as plan_of_model
from tests.strategies import image_specs, pair_specs, specs

RATES = {"lr": 0.1, "matrix_lr": 0.2, "embedding_lr": 0.3, "head_lr": 0.4}
DECAYS = {"weight_decay": 0.5, "matrix_weight_decay": 0.6}
MUON = "train.optimizer={kind: muon}"
NAMES = {"adam": "Adam", "sgd": "SGD"}
Held = dict[str, tuple[str, float, float]]


def wanted(plan: Plan) -> Held:
    """By name: the optimizer, the peak learning rate and the weight decay."""
    muon = plan.train.optimizer.kind == "muon"
    found: Held = {}
    for row in plan.model.parameters:
        decay = DECAYS["weight_decay"] if row.decay else 0.0
        held = (NAMES.get(plan.train.optimizer.kind, "AdamW"), RATES["lr"], decay)
        if muon and row.group == "matrix":
            held = ("Muon", RATES["matrix_lr"], DECAYS["matrix_weight_decay"])
        elif muon and row.group in ("embedding", "head"):
            held = ("AdamW", RATES[f"{row.group}_lr"], decay)
        if row.trained:
            found[row.name] = held
    return found


def held_by_optimizers(train: Any, config: Any) -> Held:
    model = run_of(train).Model(config)
    numbers = RATES | DECAYS
    given = {f.name: numbers[f.name] for f in fields(train.Options) if f.name in numbers}
    names = {parameter: name for name, parameter in model.named_parameters()}
    found: Held = {}
    for optimizer in run_of(train).make_optimizers(model, train.Options(data="some", **given)):
        for group in optimizer.param_groups:
            decay = group.get("weight_decay", group.get("decay"))
            for parameter in group["params"]:
                assert names[parameter] not in found, "held twice"
                held = (type(optimizer).__name__, group["base_lr"], decay)
                found[names[parameter]] = held
    return found


def check(plan: Plan) -> None:
    with tempfile.TemporaryDirectory() as folder:
        train = import_train(plan, Path(folder))
        assert held_by_optimizers(train, run_of(train).Config()) == wanted(plan)


@pytest.mark.drawn
@pytest.mark.parametrize("override", [[], [MUON]], ids=["own", "muon"])
@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_optimizers_hold_what_the_table_says(
    path: Path, override: list[str], tmp_path: Path
) -> None:
    train = import_train(lower(load_spec(path, ROOT, override)), tmp_path)
    assert held_by_optimizers(train, run_of(train).Config.tiny()) == wanted(
        tiny_plan(path, *override)
    )


@pytest.mark.parametrize("kind", NAMES)
@pytest.mark.parametrize("name", ["t5_small", "vit_b16"])
def test_other_rules_decay_what_the_table_says(kind: str, name: str, tmp_path: Path) -> None:
    path, override = ROOT / f"specs/{name}.yaml", f"train.optimizer={{kind: {kind}}}"
    train = import_train(lower(load_spec(path, ROOT, [override])), tmp_path)
    assert held_by_optimizers(train, run_of(train).Config.tiny()) == wanted(
        tiny_plan(path, override)
    )


EACH_HEAD = """{
  vocab_size: 11, context_length: 16, d_model: 8, layers: 2,
  attention: {heads: 4, kv_heads: 2, qk_norm: {kind: rms, over: each_head},
  relative_bias: {buckets: 8, max_distance: 20}}}"""


@pytest.mark.parametrize("override", [[], [MUON]], ids=["adamw", "muon"])
def test_gains_and_biases_of_two_axes_are_vectors(override: list[str], tmp_path: Path) -> None:
    plan = plan_of_model(tmp_path, EACH_HEAD, "data.context_length=8", *override)
    two_axes = {p.role for p in plan.model.parameters if p.group == "vector" and len(p.shape) > 1}
    assert two_axes == {"norm", "bias_table"}
    check(plan)


def check_drawn(seed: int, draws: int) -> None:
    every = st.one_of(specs(), specs(), image_specs(), pair_specs())

    @hypothesis.seed(seed)
    @settings(draws)
    @given(every, st.booleans())
    def draw(spec: Spec, muon: bool) -> None:
        check(plan_of({**spec, "train": {**spec.get("train", {}), **optimizer(muon)}}))

    draw()


def optimizer(muon: bool) -> dict[str, Any]:
    return {"optimizer": {"kind": "muon"}} if muon else {}


@pytest.mark.drawn
@pytest.mark.parametrize("seed", range(2))
def test_optimizers_of_drawn_models_hold_what_the_table_says(seed: int) -> None:
    torch.set_num_threads(1)
    check_drawn(seed, 15)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(2, 12))
def test_optimizers_of_many_drawn_models_hold_what_the_table_says(seed: int) -> None:
    check_drawn(seed, 40)
