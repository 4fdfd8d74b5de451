# Made from specs/packed_documents.yaml; make it again: tgen build specs/packed_documents.yaml
"""Operations of packed_documents that are one kernel on a GPU, and plain PyTorch elsewhere."""

from __future__ import annotations

import os

import torch
import torch.nn.functional as F
from torch import Tensor

INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"  # kernels run on the CPU, for tests
if torch.cuda.is_available() or INTERPRETED:
    from . import kernels

Rotary = tuple[Tensor, Tensor]  # cosines and sines of the positions' angles


def add_rms_norm(branch: Tensor, x: Tensor, weight: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    """The RMSNorm (arXiv:1910.07467) of x + branch; and x + branch. (..., C) each"""
    if INTERPRETED or (x.is_cuda and kernels.run_here()):
        return kernels.add_rms_norm(branch, x, weight, eps)
    x = x + branch
    return F.rms_norm(x, x.shape[-1:], weight, eps).type_as(branch), x


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Turns each pair (x[i], x[i + D / 2]) of x (B, T, H, D) by the angle of its position."""
    _, time, _, dim = x.shape
    cos, sin = cos.view(-1, time, 1, dim), sin.view(-1, time, 1, dim)
    return (x * cos + x.roll(dim // 2, dims=-1) * sin).type_as(x)


def norm_rope_qk(
    q: Tensor, k: Tensor, q_weight: Tensor, k_weight: Tensor, rotary: Rotary, eps: float
) -> tuple[Tensor, Tensor]:
    """q (B, T, H, D) and k (B, T, Hkv, D), normalised and then turned by their positions."""
    cos, sin = rotary
    if INTERPRETED or (q.is_cuda and kernels.run_here()):
        return kernels.norm_rope_qk(q, k, q_weight, k_weight, cos, sin, eps)
    q = F.rms_norm(q, q.shape[-1:], q_weight, eps)
    k = F.rms_norm(k, k.shape[-1:], k_weight, eps)
    return rotate(q, cos, sin), rotate(k, cos, sin)


def swiglu(gate: Tensor, up: Tensor) -> Tensor:
    """silu(gate) * up (arXiv:2002.05202, section 2). (..., F) each"""
    if INTERPRETED or (gate.is_cuda and kernels.run_here()):
        return kernels.swiglu(gate, up)
    return F.silu(gate) * up
