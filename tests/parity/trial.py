"""A generated model beside the oracle, and the draws that both are tried with."""

from __future__ import annotations

import math
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import hypothesis
import numpy as np
import torch
import yaml
from hypothesis import HealthCheck, Phase
from hypothesis import strategies as st

from codegen.plan import Plan, lower
from codegen.spec import load_spec
from tests import oracle
from tests.packages import import_model

EXACT = 1e-9  # of the largest number, in float64
SINGLE = 1e-5  # of the largest number, in float32
BATCH = 3
SEEDS = st.integers(0, 2**32 - 1)
Spec = dict[str, Any]


def settings(draws: int) -> hypothesis.settings:
    return hypothesis.settings(
        max_examples=draws,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],  # shrinking takes minutes: each draw makes a package
        report_multiple_bugs=False,
    )


def plan_of(spec: Spec) -> Plan:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "spec.yaml"
        path.write_text(yaml.safe_dump(spec), encoding="utf-8")
        return lower(load_spec(path, path.parent))


@contextmanager
def default_dtype(dtype: torch.dtype) -> Iterator[None]:
    """The precision of what a model makes for itself, such as rotary angles."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


class Trial:
    """A generated model and the oracle's weights, the same, to give the same to both."""

    def __init__(self, plan: Plan, seed: int) -> None:
        self.plan = plan
        self.random = np.random.default_rng(seed)
        with tempfile.TemporaryDirectory() as folder:
            code = import_model(plan, Path(folder))
        attention = sys.modules.get(code.__name__.replace(".model", ".attention"))
        if attention is not None:
            tile = self.random.choice([4, 8])  # toy sequences have several tiles
            vars(attention)["TILE"] = int(tile)
        self.model = code.Model(code.Config()).eval().double()
        self.weights = {p.name: self.weight(p.role, p.shape) for p in plan.model.parameters}
        by_hand = any(attention.score.by_hand for attention in plan.model.all_attentions)
        self.exact = SINGLE if by_hand else EXACT  # a softmax by hand is float32

    def weight(self, role: str, shape: tuple[int, ...]) -> oracle.Array:
        """Nothing left at zero or one, where a mistake could hide; float32 holds it exactly."""
        mean, std = (1.0, 0.2) if role == "norm" else (0.0, 0.3)
        return self.random.normal(mean, std, shape).astype(np.float32).astype(np.float64)

    def load(self) -> None:
        state = {name: torch.from_numpy(weight) for name, weight in self.weights.items()}
        found, unknown = self.model.load_state_dict(state, strict=False)
        assert not unknown and set(found) <= {"head.weight"}  # where it is tied

    def assert_close(
        self, ours: torch.Tensor, wanted: oracle.Array, tolerance: float | None = None
    ) -> None:
        """As close as the model is exact, or to a tolerance, of the largest number."""
        tolerance = self.exact if tolerance is None else tolerance
        assert ours.shape == wanted.shape
        worst, largest = np.abs(ours.numpy() - wanted).max(), np.abs(wanted).max()
        assert worst <= tolerance * largest, f"{worst:.3g} apart, of {largest:.3g}"


def check_parameters(trial: Trial) -> None:
    """The table is the module's, name by name, and says how `init_weights` leaves it."""
    table, parameters = trial.plan.model.parameters, dict(trial.model.named_parameters())
    assert {p.name: p.shape for p in table} == {n: tuple(p.shape) for n, p in parameters.items()}
    trial.model.init_weights()
    for row in table:
        values, init = parameters[row.name].detach(), row.init
        if init.kind == "normal":
            bound = 6 * init.std / math.sqrt(row.count)  # of the mean; more than of the std
            assert abs(values.mean()) < bound and abs(values.std(correction=0) - init.std) < bound
        else:
            start = {"ones": 1, "zeros": 0, "constant": init.value}[init.kind]
            assert bool((values == start).all()), row.name
