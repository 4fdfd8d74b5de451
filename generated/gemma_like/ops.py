# Made from specs/gemma_like.yaml; make it again: tgen build specs/gemma_like.yaml
"""Operations of gemma_like that are one kernel on a GPU, and plain PyTorch elsewhere."""

from __future__ import annotations

import os

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.checkpoint import checkpoint

INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"  # kernels run on the CPU, for tests
if torch.cuda.is_available() or INTERPRETED:
    from . import kernels

LOSS_CHUNK = 512  # tokens whose logits exist at one time


def token_losses(x: Tensor, weight: Tensor, targets: Tensor, softcap: float) -> Tensor:
    logits = softcap * torch.tanh(F.linear(x, weight).float() / softcap)
    return F.cross_entropy(logits, targets, reduction="none")


def chunked_loss(
    x: Tensor, weight: Tensor, targets: Tensor, softcap: float, reduction: str
) -> Tensor:
    """Cross entropy of soft-capped logits (arXiv:2408.00118, section 2), in chunks of tokens.

    A chunk's logits are made again in the backward pass, so that all of them never exist at once;
    F.linear_cross_entropy does this too, but knows no softcap.
    """
    chunks = zip(torch.split(x, LOSS_CHUNK), torch.split(targets, LOSS_CHUNK), strict=True)
    losses = torch.cat(
        [
            checkpoint(
                token_losses, a, weight, b, softcap, use_reentrant=False, preserve_rng_state=False
            )
            for a, b in chunks
        ]
    )
    if reduction == "none":
        return losses
    return losses.sum() if reduction == "sum" else losses.sum() / (targets != -100).sum()


def linear_cross_entropy(
    x: Tensor, weight: Tensor, targets: Tensor, softcap: float, reduction: str = "mean"
) -> Tensor:
    """Cross entropy of x (N, C) under the head weight (V, C); targets (N,), -100 ignored."""
    if INTERPRETED or (x.is_cuda and kernels.run_here()):
        return kernels.linear_cross_entropy(x, weight, targets, softcap, reduction)
    return chunked_loss(x, weight, targets, softcap, reduction)
