"""A stream that is the sum of all that was added, over the root of how much that is."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from tests.packages import import_model
from tests.parity.trial import plan_of

MODEL = {"d_model": 16, "layers": 3, "attention": {"heads": 2}, "vocab_size": 11}


@pytest.mark.parametrize("placement", ["pre", "sandwich"])
def test_a_depth_scaled_stream_is_the_plain_sum_over_a_root(placement: str, tmp_path: Path) -> None:
    """Norms before sublayers don't see the factor, but for their eps: so the sums are the same."""
    made = []
    for scaled in (False, True):
        model = {**MODEL, "norm": {"eps": 0.0, "placement": placement}, "final_norm": False}
        model["residual"] = {"depth_scaled": scaled}
        plan = plan_of({"name": f"summed_{scaled}".lower(), "model": model})
        code = import_model(plan, tmp_path)
        torch.manual_seed(0)
        net = code.Model(code.Config()).double()
        torch.manual_seed(1)
        for parameter in net.parameters():
            torch.nn.init.normal_(parameter, std=0.3)
        made.append(net(torch.arange(8)[None]).detach())
    addends = 1 + 2 * 3  # the embedding, and two sublayers in each layer
    assert torch.allclose(made[1] * math.sqrt(addends), made[0], rtol=1e-6)


def test_queries_may_grow_with_a_power_of_their_position(tmp_path: Path) -> None:
    growth = {"kind": "power", "scale": 0.5, "length": 4, "offset": 1}
    model = {**MODEL, "attention": {"heads": 2, "temperature": growth}}
    code = import_model(plan_of({"name": "growing_model", "model": model}), tmp_path)
    found = code.temperature(code.Config(), torch.tensor([0, 3, 11]))
    assert found.flatten().tolist() == pytest.approx([1.25**0.5, 2**0.5, 2.0])
