# Made from specs/packed_documents.yaml; make it again: tgen build specs/packed_documents.yaml
"""Triton kernels of packed_documents, for GPUs and for Triton's interpreter (TRITON_INTERPRET=1).

Each is registered with torch.library, so that torch.compile keeps the graph whole. Sums are in
float32, backward passes use no atomics and give the same bits each time, and rows are counted
in 64 bits. attention.py and ops.py choose between these and plain PyTorch.
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

MAX_ROW = 65536  # numbers that one program can hold
GLU_BLOCK = 1024  # numbers per program
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


def check_alike(first: Tensor, *others: Tensor) -> None:
    """ValueError unless all lie on one device and hold numbers that the kernels read."""
    for tensor in (first, *others):
        if tensor.device != first.device:
            raise ValueError(f"tensors on {first.device} and {tensor.device}")
        if tensor.dtype not in (torch.float32, torch.bfloat16, torch.float16):
            raise ValueError(f"no kernel for {tensor.dtype}")


def multiprocessors(device: torch.device) -> int:
    if device.type != "cuda":
        return 2  # interpreted
    return torch.cuda.get_device_properties(device).multi_processor_count


def as_rows(x: Tensor) -> Tensor:
    """(..., N) -> (rows, N), each row in one piece; copied only if need be."""
    rows = x.flatten(0, -2)
    return rows if rows.stride(-1) == 1 else rows.contiguous()


def row_warps(block: int) -> int:
    """Warps of a program that holds a row of `block` numbers."""
    return min(max(block // 512, 4), 16)


def as_heads(x: Tensor) -> Tensor:
    """(B, T, H, D) -> (B * T, H, D), each head in one piece; copied only if need be."""
    heads = x.flatten(0, 1)
    return heads if heads.stride(-1) == 1 else heads.contiguous()


def head_blocks(head_dim: int, heads: int) -> tuple[int, int]:
    """BLOCK and BLOCK_HEADS: 1024 pairs at a time, or all heads if those are fewer."""
    block = triton.next_power_of_2(head_dim // 2)
    return block, min(triton.next_power_of_2(heads), max(1, 1024 // block))


# add_rms_norm: a residual stream's addition and the RMSNorm of the sum, in one pass.


@triton.jit
def add_rms_norm_kernel(
    branch, x, weight, normed, total, rstd, branch_stride, x_stride, width, eps, BLOCK: tl.constexpr
):
    """One row per program: total = x + branch, normed = total * rstd * weight."""
    row = tl.program_id(0).to(tl.int64)
    columns = tl.arange(0, BLOCK)
    inside = columns < width
    a = tl.load(branch + row * branch_stride + columns, mask=inside, other=0.0).to(tl.float32)
    b = tl.load(x + row * x_stride + columns, mask=inside, other=0.0).to(tl.float32)
    # Rounded as it is stored, so that the norm is that of the stream which others read.
    s = (a + b).to(total.dtype.element_ty).to(tl.float32)
    scale = tl.rsqrt(tl.sum(s * s) / width + eps)
    w = tl.load(weight + columns, mask=inside, other=0.0).to(tl.float32)
    y = s * scale * w
    tl.store(total + row * width + columns, s, mask=inside)
    tl.store(normed + row * width + columns, y, mask=inside)
    tl.store(rstd + row, scale)


@triton.jit
def add_rms_norm_backward_kernel(
    grad_normed,
    grad_total,
    total,
    weight,
    rstd,
    grad_x,
    grad_weights,
    rows,
    width,
    BLOCK: tl.constexpr,
):
    """Every so many rows per program, and its share of the weight's gradient.

    With u = total * rstd and g = grad_normed * weight:
    grad_x = (g - u * mean(g * u)) * rstd + grad_total.
    """
    program, programs = tl.program_id(0), tl.num_programs(0)
    columns = tl.arange(0, BLOCK)
    inside = columns < width
    w = tl.load(weight + columns, mask=inside, other=0.0).to(tl.float32)
    grad_w = tl.zeros([BLOCK], tl.float32)
    for row in range(program, rows, programs):
        at = tl.cast(row, tl.int64) * width + columns
        g = tl.load(grad_normed + at, mask=inside, other=0.0).to(tl.float32)
        scale = tl.load(rstd + row)
        u = tl.load(total + at, mask=inside, other=0.0).to(tl.float32) * scale
        grad_w += g * u
        g *= w
        passed = tl.load(grad_total + at, mask=inside, other=0.0).to(tl.float32)
        d = (g - u * (tl.sum(g * u) / width)) * scale + passed
        tl.store(grad_x + at, d, mask=inside)
    tl.store(grad_weights + program.to(tl.int64) * width + columns, grad_w, mask=inside)


@torch.library.custom_op("packed_documents::add_rms_norm", mutates_args=())
def add_rms_norm_forward(
    branch: Tensor, x: Tensor, weight: Tensor, eps: float
) -> tuple[Tensor, Tensor, Tensor]:
    branch_rows, x_rows = as_rows(branch), as_rows(x)
    rows, width = x_rows.shape
    total = torch.empty(x.shape, dtype=torch.promote_types(branch.dtype, x.dtype), device=x.device)
    normed = torch.empty_like(total, dtype=branch.dtype)
    rstd = x.new_empty(rows, dtype=torch.float32)
    block = triton.next_power_of_2(width)
    add_rms_norm_kernel[(rows,)](
        branch_rows,
        x_rows,
        weight,
        normed,
        total,
        rstd,
        branch_rows.stride(0),
        x_rows.stride(0),
        width,
        eps,
        BLOCK=block,
        num_warps=row_warps(block),
    )
    return normed, total, rstd


@add_rms_norm_forward.register_fake
def _(branch: Tensor, x: Tensor, weight: Tensor, eps: float) -> tuple[Tensor, Tensor, Tensor]:
    total = torch.empty(x.shape, dtype=torch.promote_types(branch.dtype, x.dtype), device=x.device)
    rstd = x.new_empty(x.numel() // x.size(-1), dtype=torch.float32)
    return torch.empty_like(total, dtype=branch.dtype), total, rstd


@torch.library.custom_op("packed_documents::add_rms_norm_backward", mutates_args=())
def add_rms_norm_backward(
    grad_normed: Tensor, grad_total: Tensor, total: Tensor, weight: Tensor, rstd: Tensor
) -> tuple[Tensor, Tensor]:
    rows, width = rstd.numel(), total.size(-1)
    grad_x = torch.empty_like(total)
    programs = min(rows, 2 * multiprocessors(total.device))
    grad_weights = weight.new_empty(programs, width, dtype=torch.float32)
    block = triton.next_power_of_2(width)
    add_rms_norm_backward_kernel[(programs,)](
        grad_normed.contiguous(),
        grad_total.contiguous(),
        total,
        weight,
        rstd,
        grad_x,
        grad_weights,
        rows,
        width,
        BLOCK=block,
        num_warps=row_warps(block),
    )
    return grad_x, grad_weights.sum(0).type_as(weight)


@add_rms_norm_backward.register_fake
def _(
    grad_normed: Tensor, grad_total: Tensor, total: Tensor, weight: Tensor, rstd: Tensor
) -> tuple[Tensor, Tensor]:
    return torch.empty_like(total), torch.empty_like(weight)


def add_rms_norm_setup(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    ctx.dtypes = inputs[0].dtype, inputs[1].dtype
    ctx.save_for_backward(inputs[2], output[1], output[2])


def add_rms_norm_autograd(
    ctx: Any, grad_normed: Tensor, grad_total: Tensor, _: Tensor
) -> tuple[Tensor | None, ...]:
    weight, total, rstd = ctx.saved_tensors
    grad_x, grad_weight = add_rms_norm_backward(grad_normed, grad_total, total, weight, rstd)
    branch_dtype, x_dtype = ctx.dtypes
    return grad_x.to(branch_dtype), grad_x.to(x_dtype), grad_weight, None


add_rms_norm_forward.register_autograd(add_rms_norm_autograd, setup_context=add_rms_norm_setup)


def add_rms_norm(branch: Tensor, x: Tensor, weight: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    """The RMSNorm of x + branch, times weight (C,); and x + branch itself. (..., C) each

    Fused: the sum is normalised before it leaves the registers. The backward pass keeps the sum
    and one number per row. The norm has the type of branch, which is what the next layer computes
    in; the sum has the wider type of the two.
    """
    if branch.shape != x.shape or x.dim() < 2:
        raise ValueError(f"branch {tuple(branch.shape)} and x {tuple(x.shape)} are not alike")
    if weight.shape != x.shape[-1:] or not weight.is_contiguous():
        raise ValueError(f"weight {tuple(weight.shape)} for rows of {x.size(-1)}")
    check_alike(x, branch, weight)
    if x.size(-1) > MAX_ROW:
        raise ValueError(f"rows of {x.size(-1)}: {MAX_ROW} at most")
    normed, total, _ = add_rms_norm_forward(branch, x, weight, eps)
    return normed, total


# norm_rope_qk: queries and keys normalised and turned by their positions, in one launch.


@triton.jit
def norm_rope_qk_kernel(
    q,
    k,
    q_out,
    k_out,
    q_weight,
    k_weight,
    cos,
    sin,
    q_stride,
    q_head_stride,
    k_stride,
    k_head_stride,
    positions,
    eps,
    HEADS: tl.constexpr,
    KV_HEADS: tl.constexpr,
    HALF: tl.constexpr,
    BLOCK: tl.constexpr,
    BLOCK_HEADS: tl.constexpr,
):
    """BLOCK_HEADS heads of one token per program: first the heads of q, then those of k."""
    token, first = tl.program_id(0).to(tl.int64), tl.program_id(1).to(tl.int64) * BLOCK_HEADS
    column = tl.arange(0, BLOCK)[None, :]
    head = first + tl.arange(0, BLOCK_HEADS)[:, None]
    kv_head = head - tl.cdiv(HEADS, BLOCK_HEADS) * BLOCK_HEADS
    if first < HEADS:
        inside = (head < HEADS) & (column < HALF)
        x = q + token * q_stride + head * q_head_stride + column
        out = q_out + (token * HEADS + head) * 2 * HALF + column
        weight = q_weight + column
    else:
        inside = (kv_head < KV_HEADS) & (column < HALF)
        x = k + token * k_stride + kv_head * k_head_stride + column
        out = k_out + (token * KV_HEADS + kv_head) * 2 * HALF + column
        weight = k_weight + column
    x1 = tl.load(x, mask=inside, other=0.0).to(tl.float32)  # (BLOCK_HEADS, BLOCK)
    x2 = tl.load(x + HALF, mask=inside, other=0.0).to(tl.float32)
    rstd = tl.rsqrt(tl.sum(x1 * x1 + x2 * x2, axis=1, keep_dims=True) / (2 * HALF) + eps)
    x1, x2 = x1 * rstd, x2 * rstd
    x1 *= tl.load(weight, mask=column < HALF, other=0.0).to(tl.float32)
    x2 *= tl.load(weight + HALF, mask=column < HALF, other=0.0).to(tl.float32)
    angle = token % positions * 2 * HALF + column
    c = tl.load(cos + angle, mask=column < HALF, other=0.0).to(tl.float32)
    s = tl.load(sin + angle + HALF, mask=column < HALF, other=0.0).to(tl.float32)
    tl.store(out, x1 * c - x2 * s, mask=inside)
    tl.store(out + HALF, x2 * c + x1 * s, mask=inside)


@triton.jit
def norm_rope_qk_backward_kernel(
    grad_q,
    grad_k,
    q,
    k,
    q_out,
    k_out,
    q_weight,
    k_weight,
    shares,
    cos,
    sin,
    grad_q_stride,
    grad_q_head_stride,
    grad_k_stride,
    grad_k_head_stride,
    q_stride,
    q_head_stride,
    k_stride,
    k_head_stride,
    tokens,
    positions,
    eps,
    HEADS: tl.constexpr,
    KV_HEADS: tl.constexpr,
    HALF: tl.constexpr,
    BLOCK: tl.constexpr,
    BLOCK_HEADS: tl.constexpr,
):
    """BLOCK_HEADS heads of some tokens per program, and its share of their weights' gradient.

    With u = x * rstd and g the gradient turned back, times weight:
    grad_x = (g - u * mean(g * u)) * rstd.
    """
    program, first = tl.program_id(0), tl.program_id(1).to(tl.int64) * BLOCK_HEADS
    column = tl.arange(0, BLOCK)[None, :]
    head = first + tl.arange(0, BLOCK_HEADS)[:, None]
    kv_head = head - tl.cdiv(HEADS, BLOCK_HEADS) * BLOCK_HEADS
    weight = q_weight + column if first < HEADS else k_weight + column
    w1 = tl.load(weight, mask=column < HALF, other=0.0).to(tl.float32)
    w2 = tl.load(weight + HALF, mask=column < HALF, other=0.0).to(tl.float32)
    share1 = tl.zeros([BLOCK_HEADS, BLOCK], tl.float32)
    share2 = tl.zeros([BLOCK_HEADS, BLOCK], tl.float32)
    for number in range(program, tokens, tl.num_programs(0)):
        token = tl.cast(number, tl.int64)
        if first < HEADS:
            inside = (head < HEADS) & (column < HALF)
            grad = grad_q + token * grad_q_stride + head * grad_q_head_stride + column
            x = q + token * q_stride + head * q_head_stride + column
            out = q_out + (token * HEADS + head) * 2 * HALF + column
        else:
            inside = (kv_head < KV_HEADS) & (column < HALF)
            grad = grad_k + token * grad_k_stride + kv_head * grad_k_head_stride + column
            x = k + token * k_stride + kv_head * k_head_stride + column
            out = k_out + (token * KV_HEADS + kv_head) * 2 * HALF + column
        d1 = tl.load(grad, mask=inside, other=0.0).to(tl.float32)  # (BLOCK_HEADS, BLOCK)
        d2 = tl.load(grad + HALF, mask=inside, other=0.0).to(tl.float32)
        angle = token % positions * 2 * HALF + column
        c = tl.load(cos + angle, mask=column < HALF, other=0.0).to(tl.float32)
        s = tl.load(sin + angle + HALF, mask=column < HALF, other=0.0).to(tl.float32)
        g1, g2 = d1 * c + d2 * s, d2 * c - d1 * s
        x1 = tl.load(x, mask=inside, other=0.0).to(tl.float32)
        x2 = tl.load(x + HALF, mask=inside, other=0.0).to(tl.float32)
        rstd = tl.rsqrt(tl.sum(x1 * x1 + x2 * x2, axis=1, keep_dims=True) / (2 * HALF) + eps)
        u1, u2 = x1 * rstd, x2 * rstd
        share1 += g1 * u1
        share2 += g2 * u2
        g1, g2 = g1 * w1, g2 * w2
        mean = tl.sum(g1 * u1 + g2 * u2, axis=1, keep_dims=True) / (2 * HALF)
        tl.store(out, (g1 - u1 * mean) * rstd, mask=inside)
        tl.store(out + HALF, (g2 - u2 * mean) * rstd, mask=inside)
    column = tl.arange(0, BLOCK)
    row = program.to(tl.int64) * tl.num_programs(1) + tl.program_id(1)
    share = shares + row * 2 * HALF + column
    tl.store(share, tl.sum(share1, axis=0), mask=column < HALF)
    tl.store(share + HALF, tl.sum(share2, axis=0), mask=column < HALF)


@torch.library.custom_op("packed_documents::norm_rope_qk", mutates_args=())
def norm_rope_qk_forward(
    q: Tensor, k: Tensor, q_weight: Tensor, k_weight: Tensor, cos: Tensor, sin: Tensor, eps: float
) -> tuple[Tensor, Tensor]:
    q_rows, k_rows = as_heads(q), as_heads(k)  # (B * T, H, D)
    tokens, heads, head_dim = q_rows.shape
    q_out = torch.empty(q.shape, dtype=q.dtype, device=q.device)
    k_out = torch.empty(k.shape, dtype=k.dtype, device=k.device)
    block, block_heads = head_blocks(head_dim, heads)
    groups = triton.cdiv(heads, block_heads) + triton.cdiv(k.size(2), block_heads)
    norm_rope_qk_kernel[(tokens, groups)](
        q_rows,
        k_rows,
        q_out,
        k_out,
        q_weight,
        k_weight,
        cos,
        sin,
        q_rows.stride(0),
        q_rows.stride(1),
        k_rows.stride(0),
        k_rows.stride(1),
        cos.numel() // head_dim,
        eps,
        HEADS=heads,
        KV_HEADS=k.size(2),
        HALF=head_dim // 2,
        BLOCK=block,
        BLOCK_HEADS=block_heads,
    )
    return q_out, k_out


@norm_rope_qk_forward.register_fake
def _(
    q: Tensor, k: Tensor, q_weight: Tensor, k_weight: Tensor, cos: Tensor, sin: Tensor, eps: float
) -> tuple[Tensor, Tensor]:
    return q.new_empty(q.shape), k.new_empty(k.shape)


@torch.library.custom_op("packed_documents::norm_rope_qk_backward", mutates_args=())
def norm_rope_qk_backward(
    grad_q: Tensor,
    grad_k: Tensor,
    q: Tensor,
    k: Tensor,
    q_weight: Tensor,
    k_weight: Tensor,
    cos: Tensor,
    sin: Tensor,
    eps: float,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    grad_q, grad_k = as_heads(grad_q), as_heads(grad_k)
    q_rows, k_rows = as_heads(q), as_heads(k)  # (B * T, H, D)
    tokens, heads, head_dim = q_rows.shape
    q_out = torch.empty(q.shape, dtype=q.dtype, device=q.device)
    k_out = torch.empty(k.shape, dtype=k.dtype, device=k.device)
    block, block_heads = head_blocks(head_dim, heads)
    q_groups, k_groups = triton.cdiv(heads, block_heads), triton.cdiv(k.size(2), block_heads)
    programs = min(tokens, 4 * multiprocessors(q.device))
    shares = q.new_empty(programs, q_groups + k_groups, head_dim, dtype=torch.float32)
    norm_rope_qk_backward_kernel[(programs, q_groups + k_groups)](
        grad_q,
        grad_k,
        q_rows,
        k_rows,
        q_out,
        k_out,
        q_weight,
        k_weight,
        shares,
        cos,
        sin,
        grad_q.stride(0),
        grad_q.stride(1),
        grad_k.stride(0),
        grad_k.stride(1),
        q_rows.stride(0),
        q_rows.stride(1),
        k_rows.stride(0),
        k_rows.stride(1),
        tokens,
        cos.numel() // head_dim,
        eps,
        HEADS=heads,
        KV_HEADS=k.size(2),
        HALF=head_dim // 2,
        BLOCK=block,
        BLOCK_HEADS=block_heads,
    )
    q_share, k_share = shares.sum(0).split((q_groups, k_groups))
    return q_out, k_out, q_share.sum(0).type_as(q_weight), k_share.sum(0).type_as(k_weight)


@norm_rope_qk_backward.register_fake
def _(
    grad_q: Tensor,
    grad_k: Tensor,
    q: Tensor,
    k: Tensor,
    q_weight: Tensor,
    k_weight: Tensor,
    cos: Tensor,
    sin: Tensor,
    eps: float,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    return (
        q.new_empty(q.shape),
        k.new_empty(k.shape),
        torch.empty_like(q_weight),
        torch.empty_like(k_weight),
    )


def norm_rope_qk_setup(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
    *tensors, ctx.eps = inputs
    ctx.save_for_backward(*tensors)


def norm_rope_qk_autograd(ctx: Any, grad_q: Tensor, grad_k: Tensor) -> tuple[Tensor | None, ...]:
    grads = norm_rope_qk_backward(grad_q, grad_k, *ctx.saved_tensors, ctx.eps)
    return *grads, None, None, None


norm_rope_qk_forward.register_autograd(norm_rope_qk_autograd, setup_context=norm_rope_qk_setup)


def norm_rope_qk(
    q: Tensor, k: Tensor, q_weight: Tensor, k_weight: Tensor, cos: Tensor, sin: Tensor, eps: float
) -> tuple[Tensor, Tensor]:
    """q (B, T, H, D) and k (B, T, Hkv, D), normalised and turned by their positions.

    cos and sin have a row of D for each of T or B * T positions: cos twice, then -sin and sin.
    Fused: both norms and both rotations; the backward pass keeps q and k as they came.
    """
    if q.dim() != 4 or k.dim() != 4 or q.shape[:2] != k.shape[:2] or q.size(3) != k.size(3):
        raise ValueError(
            f"q {tuple(q.shape)} and k {tuple(k.shape)} are no heads of the same tokens"
        )
    batch, time, _, dim = q.shape
    if dim % 2:
        raise ValueError(f"heads of {dim} numbers have no pairs")
    angles = cos.numel() // dim  # positions of one row, or of each
    if cos.shape != sin.shape or cos.size(-1) != dim or angles not in (time, batch * time):
        raise ValueError(f"angles {tuple(cos.shape)} and {tuple(sin.shape)} for q {tuple(q.shape)}")
    if q_weight.shape != (dim,) or k_weight.shape != (dim,):
        raise ValueError(
            f"weights {tuple(q_weight.shape)} and {tuple(k_weight.shape)} for D = {dim}"
        )
    check_alike(q, k, q_weight, k_weight, cos, sin)
    return norm_rope_qk_forward(q, k, q_weight, k_weight, cos.contiguous(), sin.contiguous(), eps)


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
    "gfx950": {"BLOCK_Q": 32, "BLOCK_K": 64, "num_stages": 1, "num_warps": 4},
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


@torch.library.custom_op("packed_documents::attention", mutates_args=())
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


@torch.library.custom_op("packed_documents::attention_backward", mutates_args=())
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


@torch.library.custom_op("packed_documents::attention_decode", mutates_args=())
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


# swiglu: h = silu(gate) * up, with the activation made again in the backward pass.


@triton.jit
def swiglu_kernel(gate, up, h, gate_stride, up_stride, width, BLOCK: tl.constexpr):
    """One block of one row per program."""
    row = tl.program_id(0).to(tl.int64)
    columns = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    inside = columns < width
    g = tl.load(gate + row * gate_stride + columns, mask=inside, other=0.0).to(tl.float32)
    u = tl.load(up + row * up_stride + columns, mask=inside, other=0.0).to(tl.float32)
    tl.store(h + row * width + columns, g * tl.sigmoid(g) * u, mask=inside)


@triton.jit
def swiglu_backward_kernel(
    grad_h, gate, up, grad_gate, grad_up, gate_stride, up_stride, width, BLOCK: tl.constexpr
):
    """grad_up = act(gate) * grad_h, grad_gate = act'(gate) * up * grad_h: one block per program."""
    row = tl.program_id(0).to(tl.int64)
    columns = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    inside = columns < width
    d = tl.load(grad_h + row * width + columns, mask=inside, other=0.0).to(tl.float32)
    g = tl.load(gate + row * gate_stride + columns, mask=inside, other=0.0).to(tl.float32)
    u = tl.load(up + row * up_stride + columns, mask=inside, other=0.0).to(tl.float32)
    s = tl.sigmoid(g)
    value, slope = g * s, s + g * s * (1 - s)
    tl.store(grad_up + row * width + columns, d * value, mask=inside)
    tl.store(grad_gate + row * width + columns, d * u * slope, mask=inside)


@torch.library.custom_op("packed_documents::swiglu", mutates_args=())
def swiglu_forward(gate: Tensor, up: Tensor) -> Tensor:
    gate_rows, up_rows = as_rows(gate), as_rows(up)
    rows, width = gate_rows.shape
    h = torch.empty(gate.shape, dtype=gate.dtype, device=gate.device)
    swiglu_kernel[(rows, triton.cdiv(width, GLU_BLOCK))](
        gate_rows, up_rows, h, gate_rows.stride(0), up_rows.stride(0), width, BLOCK=GLU_BLOCK
    )
    return h


@swiglu_forward.register_fake
def _(gate: Tensor, up: Tensor) -> Tensor:
    return torch.empty(gate.shape, dtype=gate.dtype, device=gate.device)


@torch.library.custom_op("packed_documents::swiglu_backward", mutates_args=())
def swiglu_backward(grad_h: Tensor, gate: Tensor, up: Tensor) -> tuple[Tensor, Tensor]:
    gate_rows, up_rows = as_rows(gate), as_rows(up)
    rows, width = gate_rows.shape
    grad_gate = torch.empty(gate.shape, dtype=gate.dtype, device=gate.device)
    grad_up = torch.empty_like(grad_gate)
    swiglu_backward_kernel[(rows, triton.cdiv(width, GLU_BLOCK))](
        grad_h.contiguous(),
        gate_rows,
        up_rows,
        grad_gate,
        grad_up,
        gate_rows.stride(0),
        up_rows.stride(0),
        width,
        BLOCK=GLU_BLOCK,
    )
    return grad_gate, grad_up


@swiglu_backward.register_fake
def _(grad_h: Tensor, gate: Tensor, up: Tensor) -> tuple[Tensor, Tensor]:
    grad_gate = torch.empty(gate.shape, dtype=gate.dtype, device=gate.device)
    return grad_gate, torch.empty_like(grad_gate)


def swiglu_setup(ctx: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
    ctx.save_for_backward(*inputs)


def swiglu_autograd(ctx: Any, grad_h: Tensor) -> tuple[Tensor, Tensor]:
    return swiglu_backward(grad_h, *ctx.saved_tensors)


swiglu_forward.register_autograd(swiglu_autograd, setup_context=swiglu_setup)


def swiglu(gate: Tensor, up: Tensor) -> Tensor:
    """silu(gate) * up (arXiv:2002.05202, section 2). (..., F) each

    Fused: the activation is never stored; gate and up are all that the backward pass keeps.
    """
    if gate.shape != up.shape or gate.dim() < 2 or gate.dtype != up.dtype:
        raise ValueError(f"gate {gate.dtype} {tuple(gate.shape)}, up {up.dtype} {tuple(up.shape)}")
    check_alike(gate, up)
    return swiglu_forward(gate, up)
