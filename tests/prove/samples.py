"""Kernels small enough to be read whole, for trying the gate, and their records.

The text of this file stands for a package's kernels.py; only what a kernel reaches is compiled, so
the rest may import what a worker has no need of.
"""

from __future__ import annotations

from pathlib import Path

import triton
import triton.language as tl

from codegen.plan.kernels.kernel import Kernel

SOURCE = Path(__file__).read_text(encoding="utf-8")


@triton.jit
def matmul(A, B, C, depth, BLOCK_Q: tl.constexpr, BLOCK_K: tl.constexpr, DEPTH: tl.constexpr):
    rows, columns = tl.arange(0, BLOCK_Q).to(tl.int64), tl.arange(0, BLOCK_K).to(tl.int64)
    total = tl.zeros([BLOCK_Q, BLOCK_K], tl.float32)
    for start in range(0, depth, DEPTH):
        inner = start + tl.arange(0, DEPTH).to(tl.int64)
        a = tl.load(A + (rows[:, None] * depth + inner[None, :]))
        b = tl.load(B + (inner[:, None] * BLOCK_K + columns[None, :]))
        total = tl.dot(a, b, total)
    tl.store(C + (rows[:, None] * BLOCK_K + columns[None, :]), total.to(tl.bfloat16))


@triton.jit
def attend(q, K, V, low, high, rows, time, scale, top, total, out, BLOCK_K: tl.constexpr,
           HEAD_DIM: tl.constexpr, MASKED: tl.constexpr):  # fmt: skip
    channels = tl.arange(0, HEAD_DIM)
    for start in range(low, high, BLOCK_K):
        keys = start + tl.arange(0, BLOCK_K)
        inside = keys[:, None] < time
        k = tl.load(K + keys[:, None].to(tl.int64) * HEAD_DIM + channels, mask=inside, other=0.0)
        v = tl.load(V + keys[:, None].to(tl.int64) * HEAD_DIM + channels, mask=inside, other=0.0)
        scores = tl.dot(q, tl.trans(k)) * scale
        if MASKED:
            seen = (keys[None, :] <= rows[:, None]) & (keys[None, :] < time)
            scores = tl.where(seen, scores, float("-inf"))
        new_top = tl.maximum(top, tl.max(scores, 1))
        decay = tl.exp2(top - new_top)
        weights = tl.exp2(scores - new_top[:, None])
        total = total * decay + tl.sum(weights, 1)
        out = out * decay[:, None]
        out = tl.dot(weights.to(v.dtype), v, out)
        top = new_top
    return top, total, out


@triton.jit
def attention_forward(Q, K, V, OUT, LSE, time, scale, BLOCK_Q: tl.constexpr, BLOCK_K: tl.constexpr,
                      HEAD_DIM: tl.constexpr, ONE_LOOP: tl.constexpr):  # fmt: skip
    first = tl.program_id(0) * BLOCK_Q
    row = tl.program_id(1).to(tl.int64) * time
    rows, channels = first + tl.arange(0, BLOCK_Q), tl.arange(0, HEAD_DIM)
    inside = rows[:, None] < time
    place = (row + rows[:, None]) * HEAD_DIM + channels
    q = tl.load(Q + place, mask=inside, other=0.0)
    K += row * HEAD_DIM
    V += row * HEAD_DIM
    top = tl.full([BLOCK_Q], float("-inf"), tl.float32)
    total = tl.zeros([BLOCK_Q], tl.float32)
    out = tl.zeros([BLOCK_Q, HEAD_DIM], tl.float32)
    end = tl.minimum(first + BLOCK_Q, time)
    full = 0
    if not ONE_LOOP:
        full = first // BLOCK_K * BLOCK_K
        top, total, out = attend(
            q, K, V, 0, full, rows, time, scale, top, total, out, BLOCK_K, HEAD_DIM, False
        )
    top, total, out = attend(
        q, K, V, full, end, rows, time, scale, top, total, out, BLOCK_K, HEAD_DIM, True
    )
    tl.store(OUT + place, (out / total[:, None]).to(OUT.dtype.element_ty), mask=inside)
    tl.store(LSE + row + rows, top + tl.log2(total), mask=rows < time)


@triton.jit
def attention_dkdv(Q, K, V, DOUT, LSE, DELTA, DK, DV, time, scale, BLOCK_Q: tl.constexpr,
                   BLOCK_K: tl.constexpr, HEAD_DIM: tl.constexpr, WANT_DK: tl.constexpr,
                   WANT_DV: tl.constexpr):  # fmt: skip
    first = tl.program_id(0) * BLOCK_K
    row = tl.program_id(1).to(tl.int64) * time
    keys, channels = first + tl.arange(0, BLOCK_K), tl.arange(0, HEAD_DIM)
    inside = keys[:, None] < time
    place = (row + keys[:, None]) * HEAD_DIM + channels
    k = tl.load(K + place, mask=inside, other=0.0)
    v = tl.load(V + place, mask=inside, other=0.0)
    dk = tl.zeros([BLOCK_K, HEAD_DIM], tl.float32)
    dv = tl.zeros([BLOCK_K, HEAD_DIM], tl.float32)
    for start in range(first // BLOCK_Q * BLOCK_Q, time, BLOCK_Q):
        rows = start + tl.arange(0, BLOCK_Q)
        shown = rows[:, None] < time
        there = (row + rows[:, None]) * HEAD_DIM + channels
        q = tl.load(Q + there, mask=shown, other=0.0)
        dout = tl.load(DOUT + there, mask=shown, other=0.0)
        lse = tl.load(LSE + row + rows, mask=rows < time, other=0.0)
        weights = tl.exp2(tl.dot(k, tl.trans(q)) * scale - lse[None, :])
        weights = tl.where((keys[:, None] <= rows[None, :]) & (rows[None, :] < time), weights, 0.0)
        if WANT_DV:
            dv = tl.dot(weights.to(dout.dtype), dout, dv)
        if WANT_DK:
            delta = tl.load(DELTA + row + rows, mask=rows < time, other=0.0)
            change = weights * (tl.dot(v, tl.trans(dout)) - delta[None, :])
            dk = tl.dot(change.to(q.dtype), q, dk)
    if WANT_DV:
        tl.store(DV + place, dv.to(DV.dtype.element_ty), mask=inside)
    if WANT_DK:
        tl.store(DK + place, (dk * scale).to(DK.dtype.element_ty), mask=inside)


@triton.jit
def scaled(X, Y, length, BLOCK: tl.constexpr):
    places = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.store(Y + places, 2 * tl.load(X + places, mask=places < length), mask=places < length)


@triton.constexpr_function
def aborting_above_64(size):
    if size > 64:
        __import__("os").abort()  # Triton looks through plain calls
    return size


@triton.jit
def treacherous(X, BLOCK_Q: tl.constexpr):
    size: tl.constexpr = aborting_above_64(BLOCK_Q)
    places = tl.arange(0, size)
    tl.store(X + places, places)


@triton.constexpr_function
def after_a_minute(size):
    __import__("time").sleep(60)
    return size


@triton.jit
def endless(X, BLOCK_Q: tl.constexpr):
    tl.store(X + after_a_minute(BLOCK_Q), 1)


@triton.jit
def short_of_bits(X, Y, stride, BLOCK_Q: tl.constexpr):
    rows = tl.program_id(0) * BLOCK_Q + tl.arange(0, BLOCK_Q)
    values = tl.load(X + rows * stride)
    tl.store(Y + (rows * stride).to(tl.int64), values)
    tl.store(Y + rows.to(tl.int64) * stride, values)
    tl.store(Y + tl.arange(0, BLOCK_Q)[:, None] * stride, values[:, None])


def record(name: str, kind: str, pointers: str, sizes: tuple[str, ...], **constants: int) -> Kernel:
    """A record whose pointers are bfloat16, or float32 where their name is lower case."""
    types = [(p.upper(), "*bf16" if p.isupper() else "*fp32") for p in pointers.split()]
    attention = name.startswith("attention")
    number = {"matmul": "depth", "scaled": "length", "short_of_bits": "stride"}.get(name)
    types += [("time", "i32"), ("scale", "fp32")] if attention else []
    types += [(number, "i32")] if number else []
    return Kernel(
        name=name,
        kind=kind,
        signature=(*types, *((size, "constexpr") for size in (*sizes, *constants))),
        constants=tuple(constants.items()),
        aligned=tuple(p.upper() for p in pointers.split()),
        dots=attention or name == "matmul",
        head_dim=constants.get("HEAD_DIM"),
    )


BLOCKS = ("BLOCK_Q", "BLOCK_K")


def matmul_record() -> Kernel:
    return record("matmul", "matmul", "A B C", BLOCKS, DEPTH=64)


def forward_record(head_dim: int) -> Kernel:
    sizes = (*BLOCKS, "ONE_LOOP")
    return record(
        "attention_forward", "attention_forward", "Q K V OUT lse", sizes, HEAD_DIM=head_dim
    )


def dkdv_record(head_dim: int) -> Kernel:
    sizes = (*BLOCKS, "WANT_DK", "WANT_DV")
    pointers = "Q K V DOUT lse delta DK DV"
    return record("attention_dkdv", "attention_dkdv", pointers, sizes, HEAD_DIM=head_dim)
