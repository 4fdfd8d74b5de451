"""Weights and running statistics with which no layer hides, and signals reach the end."""

from __future__ import annotations

import torch
from torch import nn

BATCH_NORMS = nn.modules.batchnorm._BatchNorm


@torch.no_grad()
def drawn(model: nn.Module, size: list[int]) -> None:
    """Gains, offsets and statistics drawn; the statistics are those of random images."""
    for name, parameter in model.named_parameters():
        if parameter.ndim == 1:
            parameter.normal_(0, 0.1) if name.endswith("bias") else parameter.uniform_(0.5, 1.5)
        elif parameter.numel() == max(parameter.shape):
            parameter.uniform_(0.5, 1.5)  # gains of layers
        elif parameter.std() == 0:
            parameter.normal_(0, 0.05)  # heads of zeros
    norms = [module for module in model.modules() if isinstance(module, BATCH_NORMS)]
    for norm in norms:
        norm.train()
        norm.momentum = None
        norm.reset_running_stats()
    if norms:
        for _ in range(2):
            model(torch.randn(4, *size))
    model.eval()


def hooked(model: nn.Module) -> str:
    """The name of a module that computes what its class doesn't say; "" if there is none."""
    for name, module in model.named_modules():
        if (
            module._forward_hooks
            or module._forward_pre_hooks
            or hasattr(module, "parametrizations")
        ):
            return name or "the module"
    return ""
