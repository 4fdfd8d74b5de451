"""Training reaches every parameter of models that nobody wrote down: none sits behind a zero."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import hypothesis
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from codegen.plan import Plan
from codegen.plan.transformer.layer_plan import AttendingLayer
from tests import oracle
from tests.packages import import_model
from tests.parity.trial import SEEDS, Spec, default_dtype, plan_of, settings
from tests.plan.models import plan_of as plan_of_model
from tests.strategies import image_specs, pair_specs, specs

BATCH = 6


class Batch:
    """What a model is trained on once."""

    def __init__(self, plan: Plan, seed: int) -> None:
        self.net, self.random = plan.model, np.random.default_rng(seed)
        self.config = oracle.fields(plan.model)

    def arguments(self) -> tuple[torch.Tensor, ...]:
        image = self.net.image
        if image:
            pixels = self.random.normal(size=(BATCH, image.channels, image.size, image.size))
            partners = torch.arange(BATCH).view(-1, 2).flip(1).flatten()  # each image's other view
            targets = self.integers(image.classes, BATCH) if image.classes else partners
            return torch.from_numpy(pixels), targets
        tokens = self.tokens(self.net)
        targets = self.integers(self.config["vocab_size"], *tokens.shape)
        source = (self.tokens(self.net.encoder),) if self.net.encoder else ()
        return (*source, tokens, targets)

    def tokens(self, stack: Any) -> torch.Tensor:
        fields = oracle.fields(stack)
        return self.integers(fields["vocab_size"], BATCH, fields["context_length"])

    def integers(self, below: int, *shape: int) -> torch.Tensor:
        return torch.from_numpy(self.random.integers(0, below, shape))

    def inputs(self) -> dict[str, torch.Tensor]:
        """What masks read, and the types of tokens."""
        if self.net.image or self.net.encoder:
            return {}
        time = self.config["context_length"]
        ids = np.cumsum(self.random.random((BATCH, time)) < 0.2, axis=1)
        given = {
            "document_ids": torch.from_numpy(ids),
            "prefix_lengths": self.integers(time + 1, BATCH),
            "lengths": 1 + self.integers(time, BATCH),
        }
        types = () if self.net.decodes else self.net.embedding.type_inputs
        found = {name: given[name] for name in self.net.inputs}
        return found | {name: self.integers(self.config[name], BATCH, time) for name in types}


def unmoved(plan: Plan, seed: int) -> list[str]:
    """The parameters that one batch of training gives no gradient, or an infinite one."""
    with tempfile.TemporaryDirectory() as folder, default_dtype(torch.float64):
        code = import_model(plan, Path(folder))
        torch.manual_seed(seed)
        model = code.Model(code.Config()).double().train()
        norms = {row.name for row in plan.model.parameters if row.role == "norm"}
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                parameter.normal_(1.0 if name in norms else 0.0, 0.3)
        batch = Batch(plan, seed)
        model(*batch.arguments(), **batch.inputs()).backward()
    found = []
    for name, parameter in model.named_parameters():
        gradient = parameter.grad
        reached = gradient is not None and gradient.isfinite().all() and gradient.any()
        if parameter.requires_grad and not reached:
            found.append(name)
    return found


def excused(plan: Plan, seed: int) -> tuple[str, ...]:
    """The beginnings of names whose gradients are zero whatever the weights are.

    Of routers that choose one expert, and of scores where a query sees one key at most.
    """
    net, found = plan.model, []
    inputs = {name: value.numpy() for name, value in Batch(plan, seed).inputs().items()}
    for index, layer in enumerate(net.layers):
        block = f"blocks.{index}"
        if index in net.idle_routers:
            found.append(f"{block}.mlp.router")
        if not isinstance(layer, AttendingLayer):
            continue
        keys = most_keys(plan, layer, inputs)
        if keys == 0:
            found.append(f"{block}.attention")
        elif keys == 1:
            scores = ("q_", "k_", "sinks", "lambda_", "bias_table")
            found += [f"{block}.attention.{name}" for name in scores]
    if all(most_keys(plan, layer, inputs) < 2 for layer in net.attending):
        found.append("bias_table")
    if net.image and net.image.tokens == 1:  # one patch is all that is pooled
        found += ["pool.query", "pool.q_", "pool.k_"]
    return tuple(found)


def most_keys(plan: Plan, layer: AttendingLayer, inputs: dict[str, oracle.Array]) -> int:
    """The most keys that a query sees in a layer."""
    if plan.model.image:
        return plan.model.image.tokens
    if plan.model.encoder:
        return plan.model.context_length
    time = oracle.fields(plan.model)["context_length"]
    return int(oracle.visible(layer.mask, time, layer.heads, inputs).sum(-1).max())


def check_drawn(seed: int, draws: int) -> None:
    every = st.one_of(specs(), specs(), image_specs(), pair_specs())

    @hypothesis.seed(seed)
    @settings(draws)
    @given(every, SEEDS)
    def draw(spec: Spec, weights: int) -> None:
        plan = plan_of(spec)
        left = [
            name for name in unmoved(plan, weights) if not name.startswith(excused(plan, weights))
        ]
        assert not left

    draw()


SHARING = """{
  vocab_size: 11, context_length: 16, d_model: 8, attention: {heads: 4}, dropout: 0.1,
  blocks: {own: {}, shared: {attention: {kv_of: own}}}, layers: [own, shared]}"""


def test_layers_that_share_keys_are_trained_where_numbers_are_dropped(tmp_path: Path) -> None:
    assert not unmoved(plan_of_model(tmp_path, SHARING), seed=0)


@pytest.mark.drawn
@pytest.mark.parametrize("seed", range(2))
def test_training_reaches_every_parameter_of_drawn_models(seed: int) -> None:
    check_drawn(seed, 15)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(2, 12))
def test_training_reaches_every_parameter_of_many_drawn_models(seed: int) -> None:
    check_drawn(seed, 40)
