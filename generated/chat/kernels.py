# Made from specs/chat.yaml; make it again: tgen build specs/chat.yaml
"""Triton kernels of chat, for GPUs and for Triton's interpreter (TRITON_INTERPRET=1).

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


def split_slots(programs: int, slots: int, block: int) -> tuple[int, int]:
    """How many splits of a cache fill the device twice over, and how many slots each takes."""
    if device_name() == "interpreter":
        processors = 4
    else:
        processors = torch.cuda.get_device_properties().multi_processor_count
    splits = max(1, min(2 * processors // programs, triton.cdiv(slots, block)))
    share = triton.cdiv(triton.cdiv(slots, splits), block) * block
    return triton.cdiv(slots, share), share


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
    HEAD_DIM: tl.constexpr,
    DIM: tl.constexpr,
    BLOCK_K: tl.constexpr,
    MASKED: tl.constexpr,
):
    """Adds one tile of keys to a running softmax (arXiv:2205.14135, algorithm 1)."""
    queries, key, value, q, document_start, document_end, scale, time = tile
    peak, total, acc = state
    k = start + tl.arange(0, BLOCK_K)[None, :]
    keys = load_tile(key, start, time, BLOCK_K, HEAD_DIM, DIM, MASKED)
    scores = dot_rows(queries, keys) * (scale * LOG2E)
    if MASKED:
        scores = tl.where(
            (k <= q) & (k >= document_start) & (k < document_end), scores, float("-inf")
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
    HEAD_DIM: tl.constexpr,
    DIM: tl.constexpr,
    BLOCK_K: tl.constexpr,
    ONE_LOOP: tl.constexpr,
):
    """A range of keys: masked where the mask's edge may run, plainly where all is seen."""
    low, full_low, full_high, high = span
    if ONE_LOOP:
        for start in range(low, high, BLOCK_K):
            state = attend(state, start, tile, HEAD_DIM, DIM, BLOCK_K, True)
    else:
        for start in range(low, full_low, BLOCK_K):
            state = attend(state, start, tile, HEAD_DIM, DIM, BLOCK_K, True)
        for start in range(full_low, full_high, BLOCK_K):
            state = attend(state, start, tile, HEAD_DIM, DIM, BLOCK_K, False)
        for start in range(full_high, high, BLOCK_K):
            state = attend(state, start, tile, HEAD_DIM, DIM, BLOCK_K, True)
    return state


@triton.jit
def attention_forward(
    query,  # (B, H, T, D)
    key,  # (B, K, T, D)
    value,  # (B, K, T, D)
    out,  # (B, T, H, D)
    lse,  # (B, H, T)
    document_starts,  # (B, T)
    document_ends,  # (B, T)
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
    GROUP: tl.constexpr,
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
    first = (tl.num_programs(0) - 1 - tl.program_id(0)) * BLOCK_Q  # those that see most go first
    head, batch = tl.program_id(1).to(tl.int64), tl.program_id(2).to(tl.int64)
    heads = tl.num_programs(1)
    last = tl.minimum(first + BLOCK_Q, time) - 1
    document_starts += batch * time
    document_ends += batch * time
    document_ends_first = tl.load(document_ends + first)
    document_ends_last = tl.load(document_ends + last)
    document_starts_first = tl.load(document_starts + first)
    document_starts_last = tl.load(document_starts + last)
    span = align(
        document_starts_first,
        tl.minimum(last + 1, document_ends_last),
        document_starts_last,
        tl.minimum(first + 1, document_ends_first),
        time,
        BLOCK_K,
    )
    q = first + tl.arange(0, BLOCK_Q)[:, None]
    document_start = load_row(document_starts, q, time, 0, True)
    document_end = load_row(document_ends, q, time, 0, True)
    query = (query + batch * query_batch + head * query_head, query_time)
    queries = load_tile(query, first, time, BLOCK_Q, HEAD_DIM, DIM, True)
    key = (key + batch * key_batch + head // GROUP * key_head, key_time)
    value = (value + batch * value_batch + head // GROUP * value_head, value_time)
    tile = queries, key, value, q, document_start, document_end, scale, time
    state = (
        tl.full([BLOCK_Q], LOWEST, tl.float32),
        tl.zeros([BLOCK_Q], tl.float32),
        tl.zeros([BLOCK_Q, DIM], tl.float32),
    )
    state = attend_span(state, span, tile, HEAD_DIM, DIM, BLOCK_K, ONE_LOOP)
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
    HEAD_DIM: tl.constexpr,
    DIM: tl.constexpr,
    BLOCK_Q: tl.constexpr,
    MASKED: tl.constexpr,
    WANT_DK: tl.constexpr,
    WANT_DV: tl.constexpr,
):
    """What one tile of queries sends back to a tile of keys; scores are transposed, (k, q)."""
    keys, values, query, grad_out, lse, delta, k, document_starts, document_ends, scale, time = tile
    dk, dv = state
    q = start + tl.arange(0, BLOCK_Q)[None, :]
    document_start = load_row(document_starts, q, time, 0, MASKED)
    document_end = load_row(document_ends, q, time, 0, MASKED)
    queries = load_tile(query, start, time, BLOCK_Q, HEAD_DIM, DIM, MASKED)
    grads = load_tile(grad_out, start, time, BLOCK_Q, HEAD_DIM, DIM, MASKED)
    scores = dot_rows(keys, queries) * (scale * LOG2E)
    sums = load_row(lse, q, time, float("inf"), MASKED)  # nothing comes from past the end
    weights = tl.exp2(scores - sums)
    if MASKED:
        weights = tl.where((k <= q) & (k >= document_start) & (k < document_end), weights, 0.0)
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
            state = gather(state, start, tile, HEAD_DIM, DIM, BLOCK_Q, True, WANT_DK, WANT_DV)
    else:
        for start in range(low, full_low, BLOCK_Q):
            state = gather(state, start, tile, HEAD_DIM, DIM, BLOCK_Q, True, WANT_DK, WANT_DV)
        for start in range(full_low, full_high, BLOCK_Q):
            state = gather(state, start, tile, HEAD_DIM, DIM, BLOCK_Q, False, WANT_DK, WANT_DV)
        for start in range(full_high, high, BLOCK_Q):
            state = gather(state, start, tile, HEAD_DIM, DIM, BLOCK_Q, True, WANT_DK, WANT_DV)
    return state


@triton.jit
def attention_dkdv(
    query,  # (B, H, T, D)
    key,  # (B, K, T, D)
    value,  # (B, K, T, D)
    grad_out,  # (B, T, H, D)
    grad_key,  # (B, T, K, D)
    grad_value,  # (B, T, K, D)
    lse,  # (B, H, T)
    delta,  # (B, H, T)
    document_starts,  # (B, T)
    document_ends,  # (B, T)
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
    GROUP: tl.constexpr,
    HEAD_DIM: tl.constexpr,
    DIM: tl.constexpr,
    BLOCK_Q: tl.constexpr,
    BLOCK_K: tl.constexpr,
    ONE_LOOP: tl.constexpr = False,
    WANT_DK: tl.constexpr = True,
    WANT_DV: tl.constexpr = True,
):
    """Gradients of one tile of keys and values (arXiv:2307.08691, algorithm 2).

    The program itself walks over the queries that see them, of each head of the group,
    so that no two programs add to one sum: the result is the same every time.
    """
    first = tl.program_id(0) * BLOCK_K
    owner, batch = tl.program_id(1).to(tl.int64), tl.program_id(2).to(tl.int64)
    key_heads, heads = tl.num_programs(1), tl.num_programs(1) * GROUP
    last = tl.minimum(first + BLOCK_K, time) - 1
    document_starts += batch * time
    document_ends += batch * time
    document_ends_first = tl.load(document_ends + first)
    document_ends_last = tl.load(document_ends + last)
    document_starts_first = tl.load(document_starts + first)
    document_starts_last = tl.load(document_starts + last)
    span = align(
        tl.maximum(first, document_starts_first),
        document_ends_last,
        tl.maximum(last, document_starts_last),
        document_ends_first,
        time,
        BLOCK_Q,
    )
    k = first + tl.arange(0, BLOCK_K)[:, None]
    key = (key + batch * key_batch + owner * key_head, key_time)
    value = (value + batch * value_batch + owner * value_head, value_time)
    keys = load_tile(key, first, time, BLOCK_K, HEAD_DIM, DIM, True)
    values = load_tile(value, first, time, BLOCK_K, HEAD_DIM, DIM, True)
    state = (tl.zeros([BLOCK_K, DIM], tl.float32), tl.zeros([BLOCK_K, DIM], tl.float32))
    first_head = owner * GROUP
    for head in tl.range(first_head, first_head + GROUP, disable_licm=True):  # less to keep
        row = (batch * heads + head) * time
        queries = (query + batch * query_batch + head * query_head, query_time)
        grads = (grad_out + (batch * time * heads + head) * HEAD_DIM, heads * HEAD_DIM)
        tile = (
            keys,
            values,
            queries,
            grads,
            lse + row,
            delta + row,
            k,
            document_starts,
            document_ends,
            scale,
            time,
        )
        state = gather_span(state, span, tile, HEAD_DIM, DIM, BLOCK_Q, ONE_LOOP, WANT_DK, WANT_DV)

    dk, dv = state
    here = (batch * time * key_heads + owner) * HEAD_DIM
    if WANT_DK:
        dk = dk * scale
        store_tile((grad_key + here, key_heads * HEAD_DIM), dk, first, time, BLOCK_K, HEAD_DIM, DIM)
    if WANT_DV:
        store_tile(
            (grad_value + here, key_heads * HEAD_DIM), dv, first, time, BLOCK_K, HEAD_DIM, DIM
        )


@triton.jit
def descend(
    state,
    start,
    tile,
    HEAD_DIM: tl.constexpr,
    DIM: tl.constexpr,
    BLOCK_K: tl.constexpr,
    MASKED: tl.constexpr,
):
    """What one tile of keys adds to the gradient of a tile of queries."""
    queries, grads, key, value, lse, delta, q, document_start, document_end, scale, time = tile
    dq = state
    k = start + tl.arange(0, BLOCK_K)[None, :]
    keys = load_tile(key, start, time, BLOCK_K, HEAD_DIM, DIM, MASKED)
    values = load_tile(value, start, time, BLOCK_K, HEAD_DIM, DIM, MASKED)
    scores = dot_rows(queries, keys) * (scale * LOG2E)
    weights = tl.exp2(scores - lse)
    if MASKED:
        weights = tl.where((k <= q) & (k >= document_start) & (k < document_end), weights, 0.0)
    dweights = dot_rows(grads, values)
    dscores = weights * (dweights - delta)
    return accumulate(dq, dscores, keys)


@triton.jit
def descend_span(
    state,
    span,
    tile,
    HEAD_DIM: tl.constexpr,
    DIM: tl.constexpr,
    BLOCK_K: tl.constexpr,
    ONE_LOOP: tl.constexpr,
):
    """A range of keys: masked where the mask's edge may run, plainly where all is seen."""
    low, full_low, full_high, high = span
    if ONE_LOOP:
        for start in range(low, high, BLOCK_K):
            state = descend(state, start, tile, HEAD_DIM, DIM, BLOCK_K, True)
    else:
        for start in range(low, full_low, BLOCK_K):
            state = descend(state, start, tile, HEAD_DIM, DIM, BLOCK_K, True)
        for start in range(full_low, full_high, BLOCK_K):
            state = descend(state, start, tile, HEAD_DIM, DIM, BLOCK_K, False)
        for start in range(full_high, high, BLOCK_K):
            state = descend(state, start, tile, HEAD_DIM, DIM, BLOCK_K, True)
    return state


@triton.jit
def attention_dq(
    query,  # (B, H, T, D)
    key,  # (B, K, T, D)
    value,  # (B, K, T, D)
    grad_out,  # (B, T, H, D)
    grad_query,  # (B, T, H, D)
    lse,  # (B, H, T)
    delta,  # (B, H, T)
    document_starts,  # (B, T)
    document_ends,  # (B, T)
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
    GROUP: tl.constexpr,
    HEAD_DIM: tl.constexpr,
    DIM: tl.constexpr,
    BLOCK_Q: tl.constexpr,
    BLOCK_K: tl.constexpr,
    ONE_LOOP: tl.constexpr = False,
):
    """Gradient of one tile of queries of one head (arXiv:2307.08691, algorithm 2)."""
    first = (tl.num_programs(0) - 1 - tl.program_id(0)) * BLOCK_Q  # those that see most go first
    head, batch = tl.program_id(1).to(tl.int64), tl.program_id(2).to(tl.int64)
    heads = tl.num_programs(1)
    last = tl.minimum(first + BLOCK_Q, time) - 1
    document_starts += batch * time
    document_ends += batch * time
    document_ends_first = tl.load(document_ends + first)
    document_ends_last = tl.load(document_ends + last)
    document_starts_first = tl.load(document_starts + first)
    document_starts_last = tl.load(document_starts + last)
    span = align(
        document_starts_first,
        tl.minimum(last + 1, document_ends_last),
        document_starts_last,
        tl.minimum(first + 1, document_ends_first),
        time,
        BLOCK_K,
    )
    q = first + tl.arange(0, BLOCK_Q)[:, None]
    document_start = load_row(document_starts, q, time, 0, True)
    document_end = load_row(document_ends, q, time, 0, True)
    row, here = (batch * heads + head) * time, (batch * time * heads + head) * HEAD_DIM
    query = (query + batch * query_batch + head * query_head, query_time)
    queries = load_tile(query, first, time, BLOCK_Q, HEAD_DIM, DIM, True)
    grads = load_tile(
        (grad_out + here, heads * HEAD_DIM), first, time, BLOCK_Q, HEAD_DIM, DIM, True
    )
    key = (key + batch * key_batch + head // GROUP * key_head, key_time)
    value = (value + batch * value_batch + head // GROUP * value_head, value_time)
    sums = load_row(lse + row, q, time, float("inf"), True)
    deltas = load_row(delta + row, q, time, 0.0, True)
    tile = queries, grads, key, value, sums, deltas, q, document_start, document_end, scale, time
    state = tl.zeros([BLOCK_Q, DIM], tl.float32)
    state = descend_span(state, span, tile, HEAD_DIM, DIM, BLOCK_K, ONE_LOOP)
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
    "sm_86": {"BLOCK_Q": 32, "BLOCK_K": 64, "num_stages": 2, "num_warps": 4},
    "sm_89": {"BLOCK_Q": 32, "BLOCK_K": 64, "num_stages": 2, "num_warps": 4},
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


@torch.library.custom_op("chat::attention", mutates_args=())
def attention_op(
    q: Tensor, k: Tensor, v: Tensor, document_starts: Tensor, document_ends: Tensor, scale: float
) -> tuple[Tensor, Tensor]:
    batch, heads, time, head_dim = q.shape
    out = q.new_empty(batch, time, heads, head_dim)
    lse = q.new_empty(batch, heads, time, dtype=torch.float32)
    group = heads // k.size(1)
    tile = launch(FORWARD_TILES, q)
    grid = (triton.cdiv(time, tile["BLOCK_Q"]), heads, batch)
    with torch.cuda.device_of(q):
        attention_forward[grid](
            q,
            k,
            v,
            out,
            lse,
            document_starts,
            document_ends,
            *q.stride()[:3],
            *k.stride()[:3],
            *v.stride()[:3],
            time,
            scale,
            group,
            **head_pieces(head_dim),
            **tile,
        )
    return out.transpose(1, 2), lse


@attention_op.register_fake
def _(q: Tensor, *_: object) -> tuple[Tensor, Tensor]:
    batch, heads, time, head_dim = q.shape
    out = q.new_empty(batch, time, heads, head_dim).transpose(1, 2)
    return out, q.new_empty(batch, heads, time, dtype=torch.float32)


@torch.library.custom_op("chat::attention_backward", mutates_args=())
def attention_backward_op(
    grad: Tensor,
    out: Tensor,
    lse: Tensor,
    q: Tensor,
    k: Tensor,
    v: Tensor,
    document_starts: Tensor,
    document_ends: Tensor,
    scale: float,
) -> tuple[Tensor, Tensor, Tensor]:
    batch, heads, time, head_dim = q.shape
    grad = grad.transpose(1, 2).contiguous()  # (B, T, H, D)
    out = out.transpose(1, 2).contiguous()
    delta = torch.empty_like(lse)
    dq, dk, dv = (x.new_empty(batch, time, x.size(1), head_dim) for x in (q, k, v))
    group = heads // k.size(1)
    shared = (*q.stride()[:3], *k.stride()[:3], *v.stride()[:3], time, scale, group)
    sizes = head_pieces(head_dim)
    with torch.cuda.device_of(q):
        grid = (triton.cdiv(time, 16), heads, batch)
        attention_delta[grid](out, grad, delta, time, **sizes, BLOCK_Q=16)
        tile = launch(DKDV_TILES, q)
        grid = (triton.cdiv(time, tile["BLOCK_K"]), k.size(1), batch)
        attention_dkdv[grid](
            q,
            k,
            v,
            grad,
            dk,
            dv,
            lse,
            delta,
            document_starts,
            document_ends,
            *shared,
            **sizes,
            **tile,
        )
        tile = launch(DQ_TILES, q)
        grid = (triton.cdiv(time, tile["BLOCK_Q"]), heads, batch)
        attention_dq[grid](
            q, k, v, grad, dq, lse, delta, document_starts, document_ends, *shared, **sizes, **tile
        )
    return dq.transpose(1, 2), dk.transpose(1, 2), dv.transpose(1, 2)


@attention_backward_op.register_fake
def _(
    grad: Tensor, out: Tensor, lse: Tensor, q: Tensor, k: Tensor, v: Tensor, *_: object
) -> tuple[Tensor, Tensor, Tensor]:
    dq, dk, dv = (x.new_empty(x.transpose(1, 2).shape).transpose(1, 2) for x in (q, k, v))
    return dq, dk, dv


def attention_setup(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
    q, k, v, document_starts, document_ends, scale = inputs
    ctx.save_for_backward(*output, q, k, v, document_starts, document_ends)
    ctx.scale = scale


def attention_backward(ctx: Any, grad: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
    out, lse, q, k, v, document_starts, document_ends = ctx.saved_tensors
    grads = attention_backward_op(
        grad, out, lse, q, k, v, document_starts, document_ends, ctx.scale
    )
    return *grads, None, None, None


attention_op.register_autograd(attention_backward, setup_context=attention_setup)


def attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    document_starts: Tensor,
    document_ends: Tensor,
    scale: float | None = None,
) -> Tensor:
    """Attention in which each token sees itself and all before it of its own document.

    q is (B, H, T, D), and so is what comes back; k and v are (B, K, T, D).
    document_starts (B, T), int32: of each token, where its document starts.
    document_ends (B, T), int32: of each token, where its document ends.
    """
    check_heads(q, k, v)
    if q.size(2) != k.size(2):
        raise ValueError(f"{q.size(2)} queries for {k.size(2)} keys")
    scale = q.size(3) ** -0.5 if scale is None else scale
    return attention_op(q, k, v, document_starts, document_ends, scale)[0]


@triton.jit
def attention_decode(
    query,  # (B, H, 1, D)
    key,  # (B, K, S, D)
    value,  # (B, K, S, D)
    visible,  # (B, S)
    partial,  # (B, H, splits, D)
    lse,  # (B, H, splits)
    query_batch,
    query_head,
    query_time,
    key_batch,
    key_head,
    key_time,
    value_batch,
    value_head,
    value_time,
    slots,
    share,
    scale,
    GROUP: tl.constexpr,
    ROWS: tl.constexpr,
    HEAD_DIM: tl.constexpr,
    DIM: tl.constexpr,
    BLOCK_K: tl.constexpr,
):
    """One token's attention to `share` slots of a cache: one split of them all.

    The rows of a tile are the query heads that share a key head, padded to 16 at least.
    """
    split, owner = tl.program_id(0), tl.program_id(1).to(tl.int64)
    batch = tl.program_id(2).to(tl.int64)
    splits, heads = tl.num_programs(0), tl.num_programs(1) * GROUP
    visible += batch * slots
    low = split * share
    high = low
    for start in range(low, tl.minimum(low + share, slots), BLOCK_K):  # unused slots are not read
        k = start + tl.arange(0, BLOCK_K)
        seen = tl.load(visible + k, mask=k < slots, other=0)
        high = tl.where(tl.max(seen.to(tl.int32), 0) > 0, start + BLOCK_K, high)

    rows, head = tl.arange(0, ROWS), owner * GROUP
    query = (query + batch * query_batch + head * query_head, query_head)
    key = (key + batch * key_batch + owner * key_head, key_time)
    value = (value + batch * value_batch + owner * value_head, value_time)
    queries = load_tile(query, 0, GROUP, ROWS, HEAD_DIM, DIM, True)
    peak = tl.full([ROWS], LOWEST, tl.float32)
    total = tl.zeros([ROWS], tl.float32)
    acc = tl.zeros([ROWS, DIM], tl.float32)
    for start in range(low, high, BLOCK_K):
        slot = start + tl.arange(0, BLOCK_K)[None, :]
        keys = load_tile(key, start, slots, BLOCK_K, HEAD_DIM, DIM, True)
        seen = tl.load(visible + slot, mask=slot < slots, other=0)
        scores = dot_rows(queries, keys) * (scale * LOG2E)
        scores = tl.where(seen != 0, scores, float("-inf"))
        new_peak = tl.maximum(peak, tl.max(scores, 1))
        shrink = tl.exp2(peak - new_peak)
        weights = tl.exp2(scores - new_peak[:, None])
        total = total * shrink + tl.sum(weights, 1)
        values = load_tile(value, start, slots, BLOCK_K, HEAD_DIM, DIM, True)
        acc = accumulate(acc * shrink[:, None], weights, values)
        peak = new_peak

    here = (batch * heads + head) * splits + split
    seeing, total = total > 0, tl.where(total > 0, total, 1.0)
    sums = tl.where(seeing, peak + tl.log2(total), float("-inf"))
    tl.store(lse + here + rows * splits, sums, mask=rows < GROUP)
    acc = acc / total[:, None]
    store_tile((partial + here * HEAD_DIM, splits * HEAD_DIM), acc, 0, GROUP, ROWS, HEAD_DIM, DIM)


@triton.jit
def attention_combine(
    partial,  # (B, H, splits, D)
    lse,  # (B, H, splits)
    out,  # (B, H, 1, D)
    splits,
    SPLITS: tl.constexpr,
    HEAD_DIM: tl.constexpr,
    DIM: tl.constexpr,
):
    """The splits' results, weighed by what each had seen."""
    head, batch = tl.program_id(0).to(tl.int64), tl.program_id(1).to(tl.int64)
    row = batch * tl.num_programs(0) + head
    i = tl.arange(0, SPLITS)
    seen = tl.load(lse + row * splits + i, mask=i < splits, other=float("-inf"))
    weights = tl.exp2(seen - tl.maximum(tl.max(seen, 0), LOWEST))
    total = tl.sum(weights, 0)
    weights /= tl.where(total > 0, total, 1.0)
    parts = load_tile(
        (partial + row * splits * HEAD_DIM, HEAD_DIM), 0, splits, SPLITS, HEAD_DIM, DIM, True
    )
    acc = tl.sum(parts * weights[:, None], 0)[None, :]
    store_tile((out + row * HEAD_DIM, HEAD_DIM), acc, 0, 1, 1, HEAD_DIM, DIM)


DECODE_TILES = {
    "sm_80": {"BLOCK_K": 64, "num_stages": 2, "num_warps": 4},
    "sm_86": {"BLOCK_K": 64, "num_stages": 2, "num_warps": 4},
    "sm_89": {"BLOCK_K": 64, "num_stages": 2, "num_warps": 4},
    "sm_90": {"BLOCK_K": 64, "num_stages": 2, "num_warps": 4},
    "sm_100": {"BLOCK_K": 64, "num_stages": 2, "num_warps": 4},
    "sm_120": {"BLOCK_K": 64, "num_stages": 2, "num_warps": 4},
    "gfx942": {"BLOCK_K": 64, "num_stages": 2, "num_warps": 4},
    "gfx950": {"BLOCK_K": 64, "num_stages": 2, "num_warps": 4},
    "float32": {"BLOCK_K": 32, "num_stages": 1, "num_warps": 4},
    "interpreter": {"BLOCK_K": 16, "num_stages": 1, "num_warps": 4},
}


@torch.library.custom_op("chat::attention_decode", mutates_args=())
def attention_decode_op(q: Tensor, k: Tensor, v: Tensor, visible: Tensor, scale: float) -> Tensor:
    batch, heads, _, head_dim = q.shape
    key_heads, slots = k.shape[1:3]
    tile = launch(DECODE_TILES, q)
    splits, share = split_slots(batch * key_heads, slots, tile["BLOCK_K"])
    partial = q.new_empty(batch, heads, splits, head_dim, dtype=torch.float32)
    lse = partial.new_empty(batch, heads, splits)
    out = torch.empty_like(q, memory_format=torch.contiguous_format)
    flags = visible.contiguous().view(torch.int8)
    group = heads // key_heads
    sizes = head_pieces(head_dim)
    with torch.cuda.device_of(q):
        attention_decode[splits, key_heads, batch](
            q,
            k,
            v,
            flags,
            partial,
            lse,
            *q.stride()[:3],
            *k.stride()[:3],
            *v.stride()[:3],
            slots,
            share,
            scale,
            group,
            max(16, triton.next_power_of_2(group)),
            **sizes,
            **tile,
        )
        attention_combine[heads, batch](
            partial, lse, out, splits, triton.next_power_of_2(splits), **sizes
        )
    return out


@attention_decode_op.register_fake
def _(q: Tensor, *_: object) -> Tensor:
    return torch.empty_like(q, memory_format=torch.contiguous_format)


def decode_attention(
    q: Tensor, k: Tensor, v: Tensor, visible: Tensor, scale: float | None = None
) -> Tensor:
    """Attention of one new token in each row, q (B, H, 1, D), to a cache (B, K, S, D).

    visible (B, S), bool, says which slots it sees.
    """
    check_heads(q, k, v)
    if q.size(2) != 1 or visible.shape != (k.size(0), k.size(2)):
        raise ValueError(
            f"{q.size(2)} tokens per row, slots {tuple(visible.shape)} for {k.size(2)}"
        )
    scale = q.size(3) ** -0.5 if scale is None else scale
    return attention_decode_op(q, k, v, visible, scale)
