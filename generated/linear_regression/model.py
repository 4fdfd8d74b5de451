# Made from specs/linear_regression.yaml; make it again: tgen build specs/linear_regression.yaml
"""linear_regression: a linear model that predicts y from x, with 2 parameters.

One layer, whose output is a weighted sum.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True)
class Config:
    inputs: int = 1  # columns that are read

    @classmethod
    def tiny(cls) -> Config:
        """The same architecture at toy size."""
        return cls()


class Model(nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.layer = nn.Linear(config.inputs, 1)

    @torch.no_grad()
    def init_weights(self) -> None:
        """Weights from N(0, 1 / inputs), which keeps the variance; biases zero."""
        for parameter in self.parameters():
            if parameter.ndim > 1:
                nn.init.normal_(parameter, std=math.sqrt(1 / parameter.size(1)))
            else:
                nn.init.zeros_(parameter)

    def forward(
        self, inputs: Tensor, targets: Tensor | None = None, *, reduction: str = "mean"
    ) -> Tensor:
        """Predictions (B,) for rows (B, inputs); with targets (B,), the squared error.

        reduction: "mean" or "sum" over targets, or "none" for an error per row.
        """
        if inputs.ndim != 2 or inputs.size(1) != self.config.inputs:
            wanted = f"(batch, {self.config.inputs})"
            raise ValueError(f"inputs of {tuple(inputs.shape)}, not {wanted}")
        predictions: Tensor = self.layer(inputs).squeeze(1)
        if targets is None:
            return predictions
        return F.mse_loss(predictions.float(), targets, reduction=reduction)
