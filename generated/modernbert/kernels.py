# Made from specs/modernbert.yaml; make it again: tgen build specs/modernbert.yaml
"""Triton kernels of modernbert, for GPUs and for Triton's interpreter (TRITON_INTERPRET=1).

Each is registered with torch.library, so that torch.compile keeps the graph whole. Sums are in
float32, backward passes use no atomics and give the same bits each time, and rows are counted
in 64 bits. attention.py chooses between these and plain PyTorch.
"""

from __future__ import annotations

import functools
import math
import os
from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

ARCHS = (
    "sm_80",
    "sm_86",
    "sm_89",
    "sm_90",
    "sm_100",
    "sm_120",
    "gfx942",
    "gfx950",
)
CUDA_ARCHS = (
    80,
    86,
    89,
    90,
    100,
    120,
)


@functools.cache
def device_name() -> str:
    """The current device as ARCHS names it; an NVIDIA GPU newer than them is the last before it."""
    if os.environ.get("TRITON_INTERPRET") == "1":
        return "interpreter"
    if torch.version.hip:
        return str(torch.cuda.get_device_properties().gcnArchName).split(":")[0]
    major, minor = torch.cuda.get_device_capability()
    arch = 10 * major + minor
    return f"sm_{max((known for known in CUDA_ARCHS if known <= arch), default=arch)}"


@torch.compiler.assume_constant_result
def run_here() -> bool:
    """Whether kernels were made for the current device; PyTorch's operations serve the others."""
    return device_name() in ("interpreter", *ARCHS)


DTYPES = (torch.float32, torch.float16, torch.bfloat16)


def launch(tiles: dict[str, dict[str, int]], x: Tensor) -> dict[str, int]:
    """How a kernel runs on the current device; float32 needs smaller tiles."""
    name = device_name()
    return tiles["float32" if x.dtype == torch.float32 and name != "interpreter" else name]


LOG2E = tl.constexpr(math.log2(math.e))
LOWEST = tl.constexpr(-1e30)  # below any score, yet finite: no infinity is taken from another


@triton.jit
def load_tile(
    matrix,
    first,
    time,
    ROWS: tl.constexpr,
    HEAD_DIM: tl.constexpr,
    DIM: tl.constexpr,
    CHECKED: tl.constexpr,
):
    """Rows from `first` on of a (time, HEAD_DIM) matrix: a pointer and the stride of its rows."""
    start, stride = matrix
    rows, dims = tl.arange(0, ROWS)[:, None], tl.arange(0, DIM)[None, :]
    pointers = start + tl.cast(first, tl.int64) * stride + (rows * stride + dims)
    if CHECKED or HEAD_DIM < DIM:
        return tl.load(pointers, mask=(first + rows < time) & (dims < HEAD_DIM), other=0.0)
    return tl.load(pointers)


@triton.jit
def store_tile(
    matrix, tile, first, time, ROWS: tl.constexpr, HEAD_DIM: tl.constexpr, DIM: tl.constexpr
):
    """Writes what lies inside of a (time, HEAD_DIM) matrix."""
    start, stride = matrix
    rows, dims = tl.arange(0, ROWS)[:, None], tl.arange(0, DIM)[None, :]
    pointers = start + tl.cast(first, tl.int64) * stride + (rows * stride + dims)
    inside = (first + rows < time) & (dims < HEAD_DIM)
    tl.store(pointers, tile.to(start.dtype.element_ty), mask=inside)


@triton.jit
def dot_rows(a, b):
    """a @ b.T, each row of a with each row of b."""
    return tl.dot(a, b.T, input_precision="ieee")


@triton.jit
def accumulate(acc, weights, rows):
    """acc + weights @ rows."""
    return tl.dot(weights.to(rows.dtype), rows, acc, input_precision="ieee")


@triton.jit
def load_row(row, positions, time, outside, CHECKED: tl.constexpr):
    """Elements of a vector, and `outside` past its end."""
    if CHECKED:
        return tl.load(row + positions, mask=positions < time, other=outside)
    return tl.load(row + positions)


@triton.jit
def align(low, high, full_low, full_high, time, BLOCK: tl.constexpr):
    """Whole tiles for a range [low, high), and for the part of it in which all is seen.

    Returns (low, full_low, full_high, high): inside the sequence, and each in or at the next.
    """
    low = tl.maximum(low, 0)
    high = tl.minimum(high, time)
    high = tl.where(low < high, tl.cdiv(high, BLOCK) * BLOCK, 0)
    low = tl.minimum(low // BLOCK * BLOCK, high)
    full_low = tl.minimum(tl.cdiv(tl.maximum(full_low, low), BLOCK) * BLOCK, high)
    full_high = tl.minimum(tl.maximum(full_high, 0), time) // BLOCK * BLOCK
    full_high = tl.minimum(tl.maximum(full_high, full_low), high)
    return low, full_low, full_high, high


@triton.jit
def attention_delta(
    out,  # (B, T, H, D)
    grad_out,  # (B, T, H, D)
    delta,  # (B, H, T)
    time,
    HEAD_DIM: tl.constexpr,
    DIM: tl.constexpr,
    BLOCK_Q: tl.constexpr,
):
    """delta = rowsum(grad_out * out) (arXiv:2307.08691, section 3.1)."""
    first, head = tl.program_id(0) * BLOCK_Q, tl.program_id(1).to(tl.int64)
    batch = tl.program_id(2).to(tl.int64)
    heads = tl.num_programs(1)
    here = (batch * time * heads + head) * HEAD_DIM
    q = first + tl.arange(0, BLOCK_Q)
    outs = load_tile((out + here, heads * HEAD_DIM), first, time, BLOCK_Q, HEAD_DIM, DIM, True)
    grads = load_tile(
        (grad_out + here, heads * HEAD_DIM), first, time, BLOCK_Q, HEAD_DIM, DIM, True
    )
    total = tl.sum(outs.to(tl.float32) * grads.to(tl.float32), 1)
    tl.store(delta + (batch * heads + head) * time + q, total, mask=q < time)


def head_pieces(head_dim: int) -> dict[str, int]:
    """The head dimension in one power of two, 16 at least."""
    return {"HEAD_DIM": head_dim, "DIM": max(16, triton.next_power_of_2(head_dim))}


def check_heads(q: Tensor, k: Tensor, v: Tensor) -> None:
    """ValueError unless kernels take queries (B, H, T, D) with keys and values (B, K, S, D)."""
    if (
        k.shape != v.shape
        or q.ndim != 4
        or k.ndim != 4
        or (q.size(0), q.size(3)) != (k.size(0), k.size(3))
    ):
        shapes = ", ".join(str(tuple(x.shape)) for x in (q, k, v))
        raise ValueError(f"queries, keys and values of shapes {shapes} don't go together")
    if q.size(1) % k.size(1):
        raise ValueError(f"{q.size(1)} query heads can't share {k.size(1)} key heads")
    if len({q.dtype, k.dtype, v.dtype}) > 1 or q.dtype not in DTYPES:
        raise ValueError(f"queries, keys and values of types {q.dtype}, {k.dtype}, {v.dtype}")
    if len({q.device, k.device, v.device}) > 1:
        raise ValueError(f"queries, keys and values on {q.device}, {k.device}, {v.device}")
    if not (q.is_cuda or device_name() == "interpreter"):
        raise ValueError(f"no kernel runs on {q.device}")
    if not run_here():
        raise ValueError(f"no kernel was made for {device_name()}")
    if q.stride(3) != 1 or k.stride(3) != 1 or v.stride(3) != 1:
        strides = ", ".join(str(x.stride()) for x in (q, k, v))
        raise ValueError(f"the head dimension isn't contiguous: strides {strides}")


@triton.jit
def attend(
    state,
    start,
    tile,
    WINDOW: tl.constexpr,
    WINDOW_AHEAD: tl.constexpr,
    HEAD_DIM: tl.constexpr,
    DIM: tl.constexpr,
    BLOCK_K: tl.constexpr,
    MASKED: tl.constexpr,
):
    """Adds one tile of keys to a running softmax (arXiv:2205.14135, algorithm 1)."""
    queries, key, value, q, length, scale, time = tile
    peak, total, acc = state
    k = start + tl.arange(0, BLOCK_K)[None, :]
    keys = load_tile(key, start, time, BLOCK_K, HEAD_DIM, DIM, MASKED)
    scores = dot_rows(queries, keys) * (scale * LOG2E)
    if MASKED:
        scores = tl.where(
            (k > q - WINDOW) & (k < q + WINDOW_AHEAD) & (k < length) & (k < time),
            scores,
            float("-inf"),
        )
    new_peak = tl.maximum(peak, tl.max(scores, 1))
    shrink = tl.exp2(peak - new_peak)
    weights = tl.exp2(scores - new_peak[:, None])
    total = total * shrink + tl.sum(weights, 1)
    values = load_tile(value, start, time, BLOCK_K, HEAD_DIM, DIM, MASKED)
    acc = accumulate(acc * shrink[:, None], weights, values)
    return new_peak, total, acc


@triton.jit
def attend_span(
    state,
    span,
    tile,
    WINDOW: tl.constexpr,
    WINDOW_AHEAD: tl.constexpr,
    HEAD_DIM: tl.constexpr,
    DIM: tl.constexpr,
    BLOCK_K: tl.constexpr,
    ONE_LOOP: tl.constexpr,
):
    """A range of keys: masked where the mask's edge may run, plainly where all is seen."""
    low, full_low, full_high, high = span
    if ONE_LOOP:
        for start in range(low, high, BLOCK_K):
            state = attend(state, start, tile, WINDOW, WINDOW_AHEAD, HEAD_DIM, DIM, BLOCK_K, True)
    else:
        for start in range(low, full_low, BLOCK_K):
            state = attend(state, start, tile, WINDOW, WINDOW_AHEAD, HEAD_DIM, DIM, BLOCK_K, True)
        for start in range(full_low, full_high, BLOCK_K):
            state = attend(state, start, tile, WINDOW, WINDOW_AHEAD, HEAD_DIM, DIM, BLOCK_K, False)
        for start in range(full_high, high, BLOCK_K):
            state = attend(state, start, tile, WINDOW, WINDOW_AHEAD, HEAD_DIM, DIM, BLOCK_K, True)
    return state


@triton.jit
def attention_forward(
    query,  # (B, H, T, D)
    key,  # (B, H, T, D)
    value,  # (B, H, T, D)
    out,  # (B, T, H, D)
    lse,  # (B, H, T)
    lengths,  # (B,)
    query_batch,
    query_head,
    query_time,
    key_batch,
    key_head,
    key_time,
    value_batch,
    value_head,
    value_time,
    time,
    scale,
    WINDOW: tl.constexpr,
    WINDOW_AHEAD: tl.constexpr,
    HEAD_DIM: tl.constexpr,
    DIM: tl.constexpr,
    BLOCK_Q: tl.constexpr,
    BLOCK_K: tl.constexpr,
    ONE_LOOP: tl.constexpr = False,
):
    """softmax(s) v for one tile of queries of one head (arXiv:2307.08691, algorithm 1).

    s = scale q k^T. Also lse, the log2 of each
    row's sum: -inf where a query sees nothing. There the result is zero.
    """
    first = tl.program_id(0) * BLOCK_Q
    head, batch = tl.program_id(1).to(tl.int64), tl.program_id(2).to(tl.int64)
    heads = tl.num_programs(1)
    last = tl.minimum(first + BLOCK_Q, time) - 1
    length = tl.load(lengths + batch)
    span = align(
        first - WINDOW + 1,
        tl.minimum(last + WINDOW_AHEAD, length),
        last - WINDOW + 1,
        tl.minimum(first + WINDOW_AHEAD, length),
        time,
        BLOCK_K,
    )
    q = first + tl.arange(0, BLOCK_Q)[:, None]
    query = (query + batch * query_batch + head * query_head, query_time)
    queries = load_tile(query, first, time, BLOCK_Q, HEAD_DIM, DIM, True)
    key = (key + batch * key_batch + head * key_head, key_time)
    value = (value + batch * value_batch + head * value_head, value_time)
    tile = queries, key, value, q, length, scale, time
    state = (
        tl.full([BLOCK_Q], LOWEST, tl.float32),
        tl.zeros([BLOCK_Q], tl.float32),
        tl.zeros([BLOCK_Q, DIM], tl.float32),
    )
    state = attend_span(state, span, tile, WINDOW, WINDOW_AHEAD, HEAD_DIM, DIM, BLOCK_K, ONE_LOOP)
    peak, total, acc = state

    rows = first + tl.arange(0, BLOCK_Q)
    seeing, total = total > 0, tl.where(total > 0, total, 1.0)
    sums = tl.where(seeing, peak + tl.log2(total), float("-inf"))
    tl.store(lse + (batch * heads + head) * time + rows, sums, mask=rows < time)
    acc = acc / total[:, None]
    here = (batch * time * heads + head) * HEAD_DIM
    store_tile((out + here, heads * HEAD_DIM), acc, first, time, BLOCK_Q, HEAD_DIM, DIM)


@triton.jit
def gather(
    state,
    start,
    tile,
    WINDOW: tl.constexpr,
    WINDOW_AHEAD: tl.constexpr,
    HEAD_DIM: tl.constexpr,
    DIM: tl.constexpr,
    BLOCK_Q: tl.constexpr,
    MASKED: tl.constexpr,
    WANT_DK: tl.constexpr,
    WANT_DV: tl.constexpr,
):
    """What one tile of queries sends back to a tile of keys; scores are transposed, (k, q)."""
    keys, values, query, grad_out, lse, delta, k, length, scale, time = tile
    dk, dv = state
    q = start + tl.arange(0, BLOCK_Q)[None, :]
    queries = load_tile(query, start, time, BLOCK_Q, HEAD_DIM, DIM, MASKED)
    grads = load_tile(grad_out, start, time, BLOCK_Q, HEAD_DIM, DIM, MASKED)
    scores = dot_rows(keys, queries) * (scale * LOG2E)
    sums = load_row(lse, q, time, float("inf"), MASKED)  # nothing comes from past the end
    weights = tl.exp2(scores - sums)
    if MASKED:
        weights = tl.where((k > q - WINDOW) & (k < q + WINDOW_AHEAD) & (k < length), weights, 0.0)
    if WANT_DV:
        dv = accumulate(dv, weights, grads)
    if WANT_DK:
        dweights = dot_rows(values, grads)
        dscores = weights * (dweights - load_row(delta, q, time, 0.0, MASKED))
        dk = accumulate(dk, dscores, queries)
    return dk, dv


@triton.jit
def gather_span(
    state,
    span,
    tile,
    WINDOW: tl.constexpr,
    WINDOW_AHEAD: tl.constexpr,
    HEAD_DIM: tl.constexpr,
    DIM: tl.constexpr,
    BLOCK_Q: tl.constexpr,
    ONE_LOOP: tl.constexpr,
    WANT_DK: tl.constexpr,
    WANT_DV: tl.constexpr,
):
    """A range of queries: masked where the mask's edge may run, plainly where all see."""
    low, full_low, full_high, high = span
    if ONE_LOOP:
        for start in range(low, high, BLOCK_Q):
            state = gather(
                state,
                start,
                tile,
                WINDOW,
                WINDOW_AHEAD,
                HEAD_DIM,
                DIM,
                BLOCK_Q,
                True,
                WANT_DK,
                WANT_DV,
            )
    else:
        for start in range(low, full_low, BLOCK_Q):
            state = gather(
                state,
                start,
                tile,
                WINDOW,
                WINDOW_AHEAD,
                HEAD_DIM,
                DIM,
                BLOCK_Q,
                True,
                WANT_DK,
                WANT_DV,
            )
        for start in range(full_low, full_high, BLOCK_Q):
            state = gather(
                state,
                start,
                tile,
                WINDOW,
                WINDOW_AHEAD,
                HEAD_DIM,
                DIM,
                BLOCK_Q,
                False,
                WANT_DK,
                WANT_DV,
            )
        for start in range(full_high, high, BLOCK_Q):
            state = gather(
                state,
                start,
                tile,
                WINDOW,
                WINDOW_AHEAD,
                HEAD_DIM,
                DIM,
                BLOCK_Q,
                True,
                WANT_DK,
                WANT_DV,
            )
    return state


@triton.jit
def attention_dkdv(
    query,  # (B, H, T, D)
    key,  # (B, H, T, D)
    value,  # (B, H, T, D)
    grad_out,  # (B, T, H, D)
    grad_key,  # (B, T, H, D)
    grad_value,  # (B, T, H, D)
    lse,  # (B, H, T)
    delta,  # (B, H, T)
    lengths,  # (B,)
    query_batch,
    query_head,
    query_time,
    key_batch,
    key_head,
    key_time,
    value_batch,
    value_head,
    value_time,
    time,
    scale,
    WINDOW: tl.constexpr,
    WINDOW_AHEAD: tl.constexpr,
    HEAD_DIM: tl.constexpr,
    DIM: tl.constexpr,
    BLOCK_Q: tl.constexpr,
    BLOCK_K: tl.constexpr,
    ONE_LOOP: tl.constexpr = False,
    WANT_DK: tl.constexpr = True,
    WANT_DV: tl.constexpr = True,
):
    """Gradients of one tile of keys and values (arXiv:2307.08691, algorithm 2).

    The program itself walks over the queries that see them,
    so that no two programs add to one sum: the result is the same every time.
    """
    first = tl.program_id(0) * BLOCK_K
    head, batch = tl.program_id(1).to(tl.int64), tl.program_id(2).to(tl.int64)
    heads = tl.num_programs(1)
    last = tl.minimum(first + BLOCK_K, time) - 1
    length = tl.load(lengths + batch)
    span = align(
        first - WINDOW_AHEAD + 1,
        tl.where(first < length, last + WINDOW, 0),
        last - WINDOW_AHEAD + 1,
        tl.where(last < length, first + WINDOW, 0),
        time,
        BLOCK_Q,
    )
    k = first + tl.arange(0, BLOCK_K)[:, None]
    key = (key + batch * key_batch + head * key_head, key_time)
    value = (value + batch * value_batch + head * value_head, value_time)
    keys = load_tile(key, first, time, BLOCK_K, HEAD_DIM, DIM, True)
    values = load_tile(value, first, time, BLOCK_K, HEAD_DIM, DIM, True)
    state = (tl.zeros([BLOCK_K, DIM], tl.float32), tl.zeros([BLOCK_K, DIM], tl.float32))
    row = (batch * heads + head) * time
    queries = (query + batch * query_batch + head * query_head, query_time)
    grads = (grad_out + (batch * time * heads + head) * HEAD_DIM, heads * HEAD_DIM)
    tile = keys, values, queries, grads, lse + row, delta + row, k, length, scale, time
    state = gather_span(
        state, span, tile, WINDOW, WINDOW_AHEAD, HEAD_DIM, DIM, BLOCK_Q, ONE_LOOP, WANT_DK, WANT_DV
    )

    dk, dv = state
    here = (batch * time * heads + head) * HEAD_DIM
    if WANT_DK:
        dk = dk * scale
        store_tile((grad_key + here, heads * HEAD_DIM), dk, first, time, BLOCK_K, HEAD_DIM, DIM)
    if WANT_DV:
        store_tile((grad_value + here, heads * HEAD_DIM), dv, first, time, BLOCK_K, HEAD_DIM, DIM)


@triton.jit
def descend(
    state,
    start,
    tile,
    WINDOW: tl.constexpr,
    WINDOW_AHEAD: tl.constexpr,
    HEAD_DIM: tl.constexpr,
    DIM: tl.constexpr,
    BLOCK_K: tl.constexpr,
    MASKED: tl.constexpr,
):
    """What one tile of keys adds to the gradient of a tile of queries."""
    queries, grads, key, value, lse, delta, q, length, scale, time = tile
    dq = state
    k = start + tl.arange(0, BLOCK_K)[None, :]
    keys = load_tile(key, start, time, BLOCK_K, HEAD_DIM, DIM, MASKED)
    values = load_tile(value, start, time, BLOCK_K, HEAD_DIM, DIM, MASKED)
    scores = dot_rows(queries, keys) * (scale * LOG2E)
    weights = tl.exp2(scores - lse)
    if MASKED:
        weights = tl.where(
            (k > q - WINDOW) & (k < q + WINDOW_AHEAD) & (k < length) & (k < time), weights, 0.0
        )
    dweights = dot_rows(grads, values)
    dscores = weights * (dweights - delta)
    return accumulate(dq, dscores, keys)


@triton.jit
def descend_span(
    state,
    span,
    tile,
    WINDOW: tl.constexpr,
    WINDOW_AHEAD: tl.constexpr,
    HEAD_DIM: tl.constexpr,
    DIM: tl.constexpr,
    BLOCK_K: tl.constexpr,
    ONE_LOOP: tl.constexpr,
):
    """A range of keys: masked where the mask's edge may run, plainly where all is seen."""
    low, full_low, full_high, high = span
    if ONE_LOOP:
        for start in range(low, high, BLOCK_K):
            state = descend(state, start, tile, WINDOW, WINDOW_AHEAD, HEAD_DIM, DIM, BLOCK_K, True)
    else:
        for start in range(low, full_low, BLOCK_K):
            state = descend(state, start, tile, WINDOW, WINDOW_AHEAD, HEAD_DIM, DIM, BLOCK_K, True)
        for start in range(full_low, full_high, BLOCK_K):
            state = descend(state, start, tile, WINDOW, WINDOW_AHEAD, HEAD_DIM, DIM, BLOCK_K, False)
        for start in range(full_high, high, BLOCK_K):
            state = descend(state, start, tile, WINDOW, WINDOW_AHEAD, HEAD_DIM, DIM, BLOCK_K, True)
    return state


@triton.jit
def attention_dq(
    query,  # (B, H, T, D)
    key,  # (B, H, T, D)
    value,  # (B, H, T, D)
    grad_out,  # (B, T, H, D)
    grad_query,  # (B, T, H, D)
    lse,  # (B, H, T)
    delta,  # (B, H, T)
    lengths,  # (B,)
    query_batch,
    query_head,
    query_time,
    key_batch,
    key_head,
    key_time,
    value_batch,
    value_head,
    value_time,
    time,
    scale,
    WINDOW: tl.constexpr,
    WINDOW_AHEAD: tl.constexpr,
    HEAD_DIM: tl.constexpr,
    DIM: tl.constexpr,
    BLOCK_Q: tl.constexpr,
    BLOCK_K: tl.constexpr,
    ONE_LOOP: tl.constexpr = False,
):
    """Gradient of one tile of queries of one head (arXiv:2307.08691, algorithm 2)."""
    first = tl.program_id(0) * BLOCK_Q
    head, batch = tl.program_id(1).to(tl.int64), tl.program_id(2).to(tl.int64)
    heads = tl.num_programs(1)
    last = tl.minimum(first + BLOCK_Q, time) - 1
    length = tl.load(lengths + batch)
    span = align(
        first - WINDOW + 1,
        tl.minimum(last + WINDOW_AHEAD, length),
        last - WINDOW + 1,
        tl.minimum(first + WINDOW_AHEAD, length),
        time,
        BLOCK_K,
    )
    q = first + tl.arange(0, BLOCK_Q)[:, None]
    row, here = (batch * heads + head) * time, (batch * time * heads + head) * HEAD_DIM
    query = (query + batch * query_batch + head * query_head, query_time)
    queries = load_tile(query, first, time, BLOCK_Q, HEAD_DIM, DIM, True)
    grads = load_tile(
        (grad_out + here, heads * HEAD_DIM), first, time, BLOCK_Q, HEAD_DIM, DIM, True
    )
    key = (key + batch * key_batch + head * key_head, key_time)
    value = (value + batch * value_batch + head * value_head, value_time)
    sums = load_row(lse + row, q, time, float("inf"), True)
    deltas = load_row(delta + row, q, time, 0.0, True)
    tile = queries, grads, key, value, sums, deltas, q, length, scale, time
    state = tl.zeros([BLOCK_Q, DIM], tl.float32)
    state = descend_span(state, span, tile, WINDOW, WINDOW_AHEAD, HEAD_DIM, DIM, BLOCK_K, ONE_LOOP)
    dq = state * scale
    store_tile((grad_query + here, heads * HEAD_DIM), dq, first, time, BLOCK_Q, HEAD_DIM, DIM)


FORWARD_TILES = {
    "sm_80": {"BLOCK_Q": 128, "BLOCK_K": 64, "num_stages": 3, "num_warps": 8},
    "sm_86": {"BLOCK_Q": 64, "BLOCK_K": 32, "num_stages": 2, "num_warps": 4},
    "sm_89": {"BLOCK_Q": 64, "BLOCK_K": 32, "num_stages": 2, "num_warps": 4},
    "sm_90": {"BLOCK_Q": 128, "BLOCK_K": 128, "num_stages": 2, "num_warps": 8},
    "sm_100": {"BLOCK_Q": 128, "BLOCK_K": 64, "num_stages": 3, "num_warps": 8},
    "sm_120": {"BLOCK_Q": 128, "BLOCK_K": 64, "num_stages": 2, "num_warps": 8},
    "gfx942": {"BLOCK_Q": 128, "BLOCK_K": 64, "num_stages": 1, "num_warps": 4},
    "gfx950": {"BLOCK_Q": 128, "BLOCK_K": 64, "num_stages": 1, "num_warps": 4},
    "float32": {"BLOCK_Q": 32, "BLOCK_K": 32, "num_stages": 1, "num_warps": 4},
    "interpreter": {"BLOCK_Q": 16, "BLOCK_K": 16, "num_stages": 1, "num_warps": 4},
}

DKDV_TILES = {
    "sm_80": {"BLOCK_Q": 32, "BLOCK_K": 64, "num_stages": 2, "num_warps": 8},
    "sm_86": {"BLOCK_Q": 32, "BLOCK_K": 64, "num_stages": 2, "num_warps": 8},
    "sm_89": {"BLOCK_Q": 32, "BLOCK_K": 64, "num_stages": 2, "num_warps": 8},
    "sm_90": {"BLOCK_Q": 64, "BLOCK_K": 128, "num_stages": 2, "num_warps": 8},
    "sm_100": {"BLOCK_Q": 64, "BLOCK_K": 128, "num_stages": 2, "num_warps": 8},
    "sm_120": {"BLOCK_Q": 32, "BLOCK_K": 64, "num_stages": 2, "num_warps": 8},
    "gfx942": {"BLOCK_Q": 64, "BLOCK_K": 64, "num_stages": 1, "num_warps": 4},
    "gfx950": {"BLOCK_Q": 64, "BLOCK_K": 64, "num_stages": 1, "num_warps": 4},
    "float32": {"BLOCK_Q": 32, "BLOCK_K": 32, "num_stages": 1, "num_warps": 4},
    "interpreter": {"BLOCK_Q": 16, "BLOCK_K": 16, "num_stages": 1, "num_warps": 4},
}

DQ_TILES = {
    "sm_80": {"BLOCK_Q": 64, "BLOCK_K": 32, "num_stages": 2, "num_warps": 4},
    "sm_86": {"BLOCK_Q": 64, "BLOCK_K": 32, "num_stages": 2, "num_warps": 4},
    "sm_89": {"BLOCK_Q": 64, "BLOCK_K": 32, "num_stages": 2, "num_warps": 4},
    "sm_90": {"BLOCK_Q": 128, "BLOCK_K": 64, "num_stages": 3, "num_warps": 8},
    "sm_100": {"BLOCK_Q": 128, "BLOCK_K": 64, "num_stages": 2, "num_warps": 8},
    "sm_120": {"BLOCK_Q": 64, "BLOCK_K": 32, "num_stages": 2, "num_warps": 4},
    "gfx942": {"BLOCK_Q": 64, "BLOCK_K": 64, "num_stages": 1, "num_warps": 4},
    "gfx950": {"BLOCK_Q": 64, "BLOCK_K": 64, "num_stages": 1, "num_warps": 4},
    "float32": {"BLOCK_Q": 32, "BLOCK_K": 32, "num_stages": 1, "num_warps": 4},
    "interpreter": {"BLOCK_Q": 16, "BLOCK_K": 16, "num_stages": 1, "num_warps": 4},
}


@torch.library.custom_op("modernbert::attention", mutates_args=())
def attention_op(
    q: Tensor, k: Tensor, v: Tensor, window: int, window_ahead: int, lengths: Tensor, scale: float
) -> tuple[Tensor, Tensor]:
    batch, heads, time, head_dim = q.shape
    out = q.new_empty(batch, time, heads, head_dim)
    lse = q.new_empty(batch, heads, time, dtype=torch.float32)
    tile = launch(FORWARD_TILES, q)
    grid = (triton.cdiv(time, tile["BLOCK_Q"]), heads, batch)
    with torch.cuda.device_of(q):
        attention_forward[grid](
            q,
            k,
            v,
            out,
            lse,
            lengths,
            *q.stride()[:3],
            *k.stride()[:3],
            *v.stride()[:3],
            time,
            scale,
            window,
            window_ahead,
            **head_pieces(head_dim),
            **tile,
        )
    return out.transpose(1, 2), lse


@attention_op.register_fake
def _(q: Tensor, *_: object) -> tuple[Tensor, Tensor]:
    batch, heads, time, head_dim = q.shape
    out = q.new_empty(batch, time, heads, head_dim).transpose(1, 2)
    return out, q.new_empty(batch, heads, time, dtype=torch.float32)


@torch.library.custom_op("modernbert::attention_backward", mutates_args=())
def attention_backward_op(
    grad: Tensor,
    out: Tensor,
    lse: Tensor,
    q: Tensor,
    k: Tensor,
    v: Tensor,
    window: int,
    window_ahead: int,
    lengths: Tensor,
    scale: float,
) -> tuple[Tensor, Tensor, Tensor]:
    batch, heads, time, head_dim = q.shape
    grad = grad.transpose(1, 2).contiguous()  # (B, T, H, D)
    out = out.transpose(1, 2).contiguous()
    delta = torch.empty_like(lse)
    dq, dk, dv = (x.new_empty(batch, time, x.size(1), head_dim) for x in (q, k, v))
    shared = (*q.stride()[:3], *k.stride()[:3], *v.stride()[:3], time, scale, window, window_ahead)
    sizes = head_pieces(head_dim)
    with torch.cuda.device_of(q):
        grid = (triton.cdiv(time, 16), heads, batch)
        attention_delta[grid](out, grad, delta, time, **sizes, BLOCK_Q=16)
        tile = launch(DKDV_TILES, q)
        grid = (triton.cdiv(time, tile["BLOCK_K"]), k.size(1), batch)
        attention_dkdv[grid](q, k, v, grad, dk, dv, lse, delta, lengths, *shared, **sizes, **tile)
        tile = launch(DQ_TILES, q)
        grid = (triton.cdiv(time, tile["BLOCK_Q"]), heads, batch)
        attention_dq[grid](q, k, v, grad, dq, lse, delta, lengths, *shared, **sizes, **tile)
    return dq.transpose(1, 2), dk.transpose(1, 2), dv.transpose(1, 2)


@attention_backward_op.register_fake
def _(
    grad: Tensor, out: Tensor, lse: Tensor, q: Tensor, k: Tensor, v: Tensor, *_: object
) -> tuple[Tensor, Tensor, Tensor]:
    dq, dk, dv = (x.new_empty(x.transpose(1, 2).shape).transpose(1, 2) for x in (q, k, v))
    return dq, dk, dv


def attention_setup(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
    q, k, v, window, window_ahead, lengths, scale = inputs
    ctx.save_for_backward(*output, q, k, v, lengths)
    ctx.numbers = window, window_ahead, scale


def attention_backward(ctx: Any, grad: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
    out, lse, q, k, v, lengths = ctx.saved_tensors
    window, window_ahead, scale = ctx.numbers
    grads = attention_backward_op(grad, out, lse, q, k, v, window, window_ahead, lengths, scale)
    return *grads, None, None, None, None


attention_op.register_autograd(attention_backward, setup_context=attention_setup)


def attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    window: int,
    window_ahead: int,
    lengths: Tensor,
    scale: float | None = None,
) -> Tensor:
    """Attention in which each token sees the window - 1 before it, itself and the window_ahead -
    1 after it, padding aside.

    q is (B, H, T, D), and so is what comes back; k and v are (B, H, T, D).
    lengths (B,), int32: of each row, how many tokens it has.
    """
    check_heads(q, k, v)
    if q.size(2) != k.size(2):
        raise ValueError(f"{q.size(2)} queries for {k.size(2)} keys")
    scale = q.size(3) ** -0.5 if scale is None else scale
    return attention_op(q, k, v, window, window_ahead, lengths, scale)[0]
