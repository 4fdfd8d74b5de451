# Made from specs/mlp_digits.yaml; make it again: tgen build specs/mlp_digits.yaml
"""mlp_digits: a network that classifies images of 8 x 8 pixels, with 9.61 k parameters."""

from .model import Config, Model

__all__ = ["Config", "Model"]
