# Made from specs/linear_regression.yaml; make it again: tgen build specs/linear_regression.yaml
"""linear_regression: a linear model that predicts y from x, with 2 parameters."""

from .model import Config, Model

__all__ = ["Config", "Model"]
