"""Attention as a dense formula in float64, and attention.py of one mask, made from its template."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from codegen.plan.masks.names import mask_numbers
from codegen.plan.transformer.attention_function import (
    AttentionFunction,
    ScorePlan,
    attention_function,
    mask_plan,
)
from codegen.render.render import environment
from codegen.spec.masks.tree import Mask, parse_mask
from tests import oracle
from tests.plan.test_masks import Row

HEAD_DIM = 64  # no matter to the CPU's tiles


@dataclass(frozen=True)
class Made:
    """The functions of an attention.py for one mask and one way with scores."""

    text: str
    mask: Mask
    function: AttentionFunction
    code: Any

    @property
    def numbers(self) -> list[int]:
        """The mask's numbers, as the functions take them."""
        values = {number.name: number.value for number in mask_numbers(self.mask)}
        return [values[name] for name in self.function.mask.numbers]

    def inputs(self, rows: list[Row]) -> list[Any]:
        """What the mask reads of each row, as `attention` takes it: one tuple, or nothing."""
        read = self.function.mask.inputs
        if not read:
            return []
        columns = {name: torch.tensor([row[name] for row in rows]) for name in read}
        return [self.code.MaskInputs(**columns)]


def made(text: str, score: ScorePlan, *, grouped: bool, tile: int) -> Made:
    """attention.py for a mask, run."""
    mask = parse_mask(text)
    # Plain causal attention is PyTorch's own unless a test asks for ours.
    plain = parse_mask("causal & sink(1)")
    function = attention_function(plain, score, grouped, HEAD_DIM, HEAD_DIM)
    assert function is not None
    function = replace(function, mask=mask_plan(mask))
    net = SimpleNamespace(functions=(function,), mask_inputs=function.mask.inputs)
    template = environment().get_template("package/attention.py.jinja")
    plan = SimpleNamespace(cpu_tile=tile, kernels=None)
    source = template.render(plan=plan, net=net, header="# made by a test")
    code = ModuleType("attention_of_a_test")
    sys.modules[code.__name__] = code
    exec(compile(source, "attention.py", "exec"), code.__dict__)
    return Made(text, mask, function, code)


def seen_by_head(text: str, rows: list[Row], heads: int, length: int) -> Tensor:
    """(batch, heads, query, key), read by the oracle."""
    names = ("document_ids", "prefix_lengths", "lengths")
    columns = {name: np.array([row[name] for row in rows]) for name in names}
    seen = oracle.visible(text, length, heads, columns)
    return torch.from_numpy(np.broadcast_to(seen, (len(rows), *seen.shape[1:])).copy())


def dense(
    q: Tensor, k: Tensor, v: Tensor, seen: Tensor, both_ways: bool, score: Mapping[str, Any]
) -> Tensor:
    """Scale, softcap, biases, mask, softmax with the sink in the denominator; zeros for nothing."""
    shared, time = q.size(1) // k.size(1), q.size(2)
    k, v = k.repeat_interleave(shared, dim=1), v.repeat_interleave(shared, dim=1)
    scores = score.get("scale", q.size(-1) ** -0.5) * (q @ k.transpose(2, 3))
    if "softcap" in score:
        scores = score["softcap"] * torch.tanh(scores / score["softcap"])
    distance = torch.arange(time)[:, None] - torch.arange(time)
    if "slopes" in score:
        slopes = torch.tensor(oracle.alibi_slopes(q.size(1)), dtype=q.dtype)
        scores = scores - slopes[:, None, None] * distance.abs()
    if "bias_table" in score:
        table, most = score["bias_table"], score["max_distance"]
        buckets = [
            [oracle.t5_bucket(int(d), both_ways, len(table), most) for d in line]
            for line in distance
        ]
        scores = scores + table[torch.tensor(buckets)].permute(2, 0, 1)
    scores = scores.masked_fill(~seen, -math.inf)
    sinks = score["sinks"] if "sinks" in score else torch.full((q.size(1),), -math.inf)
    sink = sinks.to(q.dtype)[:, None, None].expand(*scores.shape[:3], 1)
    top = torch.cat((scores, sink), -1).detach().amax(-1, keepdim=True).clamp(min=-1e300)
    powers, own = (scores - top).exp(), (sink - top).exp()
    total = powers.sum(-1, keepdim=True) + own
    return torch.where(total > 0, powers / total.clamp(min=1e-300), 0.0) @ v
