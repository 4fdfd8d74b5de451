# Made from specs/translation_transformer.yaml; make it again with tgen build
"""Muon: momentum with orthogonalised updates, for matrices but embeddings and heads."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn


class Muon(torch.optim.Optimizer):
    """Nesterov momentum, orthogonalised (Jordan et al., Muon, 2024).

    W <- (1 - lr decay) W - lr sqrt(max(1, rows / columns)) U V^T, where U S V^T is the
    decomposition of the momentum. Matrices of one shape are orthogonalised together.
    """

    def __init__(
        self, matrices: Iterable[nn.Parameter], lr: float, mu: float, steps: int, decay: float
    ) -> None:
        by_shape: dict[torch.Size, list[nn.Parameter]] = defaultdict(list)
        for matrix in matrices:
            by_shape[matrix.shape].append(matrix)
        groups = [{"params": same} for same in by_shape.values()]
        defaults = {"base_lr": lr, "lr": lr, "mu": mu, "steps": steps, "decay": decay}
        super().__init__(groups, defaults)

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        for group in self.param_groups:
            matrices, lr, mu = group["params"], group["lr"], group["mu"]
            for matrix in matrices:
                if "momentum" not in self.state[matrix]:
                    self.state[matrix]["momentum"] = torch.zeros_like(matrix)
            gradients = [matrix.grad for matrix in matrices]
            momenta = [self.state[matrix]["momentum"] for matrix in matrices]
            torch._foreach_lerp_(momenta, gradients, 1 - mu)
            updates = torch.stack(torch._foreach_lerp(gradients, momenta, mu))
            directions = orthogonalise(updates, group["steps"])  # (N, rows, columns)
            scale = math.sqrt(max(1, directions.size(1) / directions.size(2)))
            if group["decay"]:
                torch._foreach_mul_(matrices, 1 - lr * group["decay"])
            torch._foreach_add_(matrices, directions.unbind(), alpha=-lr * scale)


def orthogonalise(matrices: Tensor, steps: int) -> Tensor:
    """U V^T of each U S V^T (N, rows, columns), nearly, by Newton-Schulz in bfloat16.

    X <- a X + (b A + c A^2) X with A = X X^T and Jordan's coefficients drives singular values
    towards 0.7 to 1.2, which serves as well as 1: in five steps all but the smallest get there.
    """
    a, b, c = 3.4445, -4.7750, 2.0315
    tall = matrices.size(1) > matrices.size(2)
    x = (matrices.mT if tall else matrices).bfloat16()
    x = x / x.norm(dim=(1, 2), keepdim=True).clamp_min(1e-7)
    for _ in range(steps):
        gram = torch.bmm(x, x.mT)
        polynomial = torch.baddbmm(gram, gram, gram, beta=b, alpha=c)
        x = torch.baddbmm(x, polynomial, x, beta=a)
    return (x.mT if tall else x).to(matrices.dtype)
