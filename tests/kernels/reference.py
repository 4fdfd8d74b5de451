"""Attention in float64 with the whole score matrix, and cases that run a kernels file against it.

Run as a program, with TRITON_INTERPRET=1, on a kernels file and a JSON list of cases.
"""

from __future__ import annotations

import importlib.util
import itertools
import json
import sys
from typing import Any

import numpy as np
import torch
from torch import Tensor

SEED = 0
RATE = 0.3


def visible(mask: str, time: int, inputs: dict[str, Tensor], numbers: dict[str, int]) -> Tensor:
    """Who sees whom, (B, 1, T, T), written without the kernels' source."""
    q, k = torch.arange(time)[:, None], torch.arange(time)[None, :]
    window, sink, block = (numbers.get(n, 1) for n in ("window", "sink", "block"))
    match mask:
        case "full":
            seen = torch.ones(time, time, dtype=torch.bool)
        case "causal":
            seen = q >= k
        case "window":
            seen = (q >= k) & (q - k < window)
        case "sink":
            seen = (q >= k) & ((q - k < window) | (k < sink))
        case "document":
            starts = inputs["document_starts"]
            return ((q >= k) & (starts[:, :, None] == starts[:, None, :]))[:, None]
        case "prefix":
            return ((q >= k) | (k < inputs["prefix_lengths"][:, None, None]))[:, None]
        case "padding":
            return (k < inputs["lengths"][:, None, None]).expand(-1, time, -1)[:, None]
        case "islands":
            seen = (k < sink) | ((q - k).abs() < window) | (k >= time - sink)
        case "block":
            seen = (q >= k) & (q // block == k // block)
    return seen[None, None]


def attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    seen: Tensor,
    *,
    scale: float,
    softcap: float | None = None,
    slopes: Tensor | None = None,
    bias: Tensor | None = None,
    buckets: Tensor | None = None,
    sinks: Tensor | None = None,
    factors: Tensor | None = None,
) -> Tensor:
    """What the kernels should give; a query that sees nothing gives zeros."""
    group = q.size(1) // k.size(1)
    k, v = k.repeat_interleave(group, 1), v.repeat_interleave(group, 1)
    scores = scale * q @ k.mT
    if softcap is not None:
        scores = softcap * torch.tanh(scores / softcap)
    positions = torch.arange(q.size(2))
    distance = positions[:, None] - positions
    if slopes is not None:
        scores = scores - slopes.to(q.dtype)[:, None, None] * distance
    if bias is not None and buckets is not None:
        reach = buckets.numel() // 2
        scores = scores + bias[buckets[distance.clamp(-reach, reach) + reach]].permute(2, 0, 1)
    scores = scores.masked_fill(~seen, float("-inf"))
    if sinks is not None:
        sink = sinks[:, None, None].expand(*scores.shape[:3], 1)
        weights = torch.cat((scores, sink), dim=-1).softmax(-1)[..., :-1]
    else:
        weights = scores.softmax(-1).where(seen.any(-1, keepdim=True), 0.0)
    return (weights if factors is None else weights * factors) @ v


def inputs_of(mask: str, batch: int, time: int) -> dict[str, Tensor]:
    match mask:
        case "document":
            cuts = [[0, 5, 6, 40], [0, 17, 33, time - 1]]
            starts, ends = torch.zeros(2, batch, time, dtype=torch.int32)
            for row in range(batch):
                edges = sorted({c for c in cuts[row % 2] if c < time} | {time})
                for low, high in itertools.pairwise(edges):
                    starts[row, low:high], ends[row, low:high] = low, high
            return {"document_starts": starts, "document_ends": ends}
        case "prefix":
            return {"prefix_lengths": torch.tensor([19, 0, 200][:batch], dtype=torch.int32)}
        case "padding":
            return {"lengths": torch.tensor([time - 3, 0, 7][:batch], dtype=torch.int32)}
    return {}


def case_error(kernels: Any, case: dict[str, Any]) -> dict[str, float]:
    """The largest error of the output and of each gradient, relative to the largest entry."""
    torch.manual_seed(SEED)
    mask, time, head_dim = case["mask"], case["time"], case["head_dim"]
    heads, group, batch = case.get("heads", 2), case.get("group", 1), case.get("batch", 2)
    dtype = getattr(torch, case.get("dtype", "float32"))
    options = case.get("options", [])
    numbers = case.get("numbers", {})
    shapes = [(batch, time, h, head_dim) for h in (heads, heads // group, heads // group)]
    q, k, v = (torch.randn(s).to(dtype).transpose(1, 2).requires_grad_() for s in shapes)
    inputs = inputs_of(mask, batch, time)
    given: dict[str, Any] = {"scale": case.get("scale", head_dim**-0.5)}
    if "softcap" in options:
        given["softcap"] = 2.0
    if "alibi" in options:
        given["slopes"] = torch.rand(heads)
    if "relative_bias" in options:
        given["bias"] = torch.randn(10, heads).requires_grad_()
        distance = torch.arange(-20, 21)
        far = 5 * (distance < 0) + (distance.abs().double().sqrt()).long().clamp(max=4)
        given["buckets"] = far.to(torch.int32)
    if "sinks" in options:
        given["sinks"] = torch.randn(heads).requires_grad_()
    extra = {"dropout": RATE} if "dropout" in options else {}
    leaves = {"q": q, "k": k, "v": v} | {n: given[n] for n in ("bias", "sinks") if n in given}
    grad = torch.randn(shapes[0]).transpose(1, 2)
    function = getattr(kernels, case["name"] + "attention")
    state = torch.get_rng_state()
    got = function(q, k, v, **numbers, **inputs, **given, **extra)
    found = torch.autograd.grad(got, list(leaves.values()), grad.to(dtype))

    wide = {n: x.detach().double().requires_grad_() for n, x in leaves.items()}
    given |= {n: wide[n] for n in ("bias", "sinks") if n in given}
    seen = visible(mask, time, inputs, numbers)
    if "dropout" in options:
        torch.set_rng_state(state)
        seed = int(torch.randint(2**62, (1,)))
        given["factors"] = dropout_factors(seed, batch, heads, time)
    want = attention(wide["q"], wide["k"], wide["v"], seen, **given)
    wanted = torch.autograd.grad(want, list(wide.values()), grad.to(dtype).double())
    pairs = {"out": (got, want)} | {
        n: (a, b) for n, a, b in zip(leaves, found, wanted, strict=True)
    }
    return {n: error(a, b) for n, (a, b) in pairs.items()}


def dropout_factors(seed: int, batch: int, heads: int, time: int) -> Tensor:
    """Philox 4x32-10 (Salmon et al., 2011) at the counter (q, k, b * H + h, 0)."""
    stream, q, k = np.meshgrid(
        np.arange(batch * heads), np.arange(time), np.arange(time), indexing="ij"
    )
    c0, c1, c2, c3 = (x.astype(np.uint64) for x in (q, k, stream, np.zeros_like(q)))
    low, key = np.uint64(0xFFFFFFFF), [seed & 0xFFFFFFFF, seed >> 32]
    for _ in range(10):
        a, b = np.uint64(0xD2511F53) * c0, np.uint64(0xCD9E8D57) * c2
        high_a, high_b = a >> np.uint64(32), b >> np.uint64(32)
        c0, c1 = high_b ^ c1 ^ np.uint64(key[0]), b & low
        c2, c3 = high_a ^ c3 ^ np.uint64(key[1]), a & low
        key = [(key[0] + 0x9E3779B9) & 0xFFFFFFFF, (key[1] + 0xBB67AE85) & 0xFFFFFFFF]
    bits = c0.astype(np.uint32).view(np.int32)
    uniform = np.where(bits < 0, -(bits + 1), bits) * 4.6566127342e-10
    factors = np.where(uniform < RATE, 0.0, 1 / (1 - RATE))
    return torch.from_numpy(factors).view(batch, heads, time, time)


def decode_error(kernels: Any, case: dict[str, Any]) -> dict[str, float]:
    """The same for one new token against a cache, some of whose slots hold nothing."""
    torch.manual_seed(SEED)
    batch, slots, heads, group = 3, case["time"], case["heads"], case.get("group", 1)
    head_dim, options = case["head_dim"], case.get("options", [])
    q = torch.randn(batch, heads, 1, head_dim)
    k, v = torch.randn(2, batch, heads // group, slots, head_dim)
    last = torch.tensor([slots - 1, 3, 2 * slots])
    held = last[:, None] - (last[:, None] - torch.arange(slots)) % slots  # a ring
    seen = held >= 0
    seen[1, 2] = False
    given: dict[str, Any] = {"scale": 0.3}
    placed: dict[str, Any] = {}
    if "alibi" in options or "relative_bias" in options:
        placed = {"held": held.int(), "positions": last.int()}
    if "alibi" in options:
        given["slopes"] = torch.rand(heads)
    if "relative_bias" in options:
        given["bias"], given["buckets"] = torch.randn(3, heads), (torch.arange(17) // 6).int()
    if "sinks" in options:
        given["sinks"] = torch.randn(heads)
    if "softcap" in options:
        given["softcap"] = 2.0
    got = getattr(kernels, case["name"] + "decode_attention")(q, k, v, seen, **placed, **given)
    k, v = (x.double().repeat_interleave(group, 1) for x in (k, v))
    scores = 0.3 * q.double() @ k.mT
    if "softcap" in options:
        scores = 2 * torch.tanh(scores / 2)
    distance = (last[:, None] - held)[:, None, None]
    if "alibi" in options:
        scores = scores - given["slopes"][:, None, None] * distance
    if "relative_bias" in options:
        row = given["bias"][given["buckets"][distance[:, 0].clamp(-8, 8) + 8]]
        scores = scores + row.permute(0, 3, 1, 2)  # (B, H, 1, S)
    scores = scores.masked_fill(~seen[:, None, None], float("-inf"))
    if "sinks" in options:
        sink = given["sinks"].double()[:, None, None].expand(batch, heads, 1, 1)
        scores = torch.cat((scores, sink), dim=-1)
    return {"out": error(got, scores.softmax(-1)[..., :slots] @ v)}


def compile_error(kernels: Any, case: dict[str, Any]) -> dict[str, float]:
    """How far compiled training is from eager; the graph must come out whole."""
    torch.manual_seed(SEED)
    x = torch.randn(1, 40, 3, 1, 16, requires_grad=True)

    def loss(x: Tensor) -> Tensor:
        q, k, v = x.permute(2, 0, 3, 1, 4)
        function = getattr(kernels, case["name"] + "attention")
        return (function(q, k, v, **case["numbers"]) ** 2).sum()

    compiled = torch.compile(loss, fullgraph=True, backend="aot_eager")
    (want,) = torch.autograd.grad(loss(x), x)
    (got,) = torch.autograd.grad(compiled(x), x)
    return {"x": error(got, want.double())}


RUNS = {"train": case_error, "decode": decode_error, "compile": compile_error}


def error(got: Tensor, want: Tensor) -> float:
    largest = (got.detach().double() - want.detach()).abs().max() / want.detach().abs().max().clamp(
        min=1e-30
    )
    return float(largest) if largest.isfinite() else float("inf")


def main(path: str, cases: str) -> None:
    spec = importlib.util.spec_from_file_location("kernels", path)
    assert spec and spec.loader
    kernels = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = kernels  # torch.compile looks it up by name
    spec.loader.exec_module(kernels)
    print(json.dumps([RUNS[c.get("run", "train")](kernels, c) for c in json.loads(cases)]))


if __name__ == "__main__":
    main(*sys.argv[1:])
